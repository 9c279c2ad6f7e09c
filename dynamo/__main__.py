"""`python -m dynamo`: the same as the command `dynamo`."""

from __future__ import annotations

import sys

from dynamo.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
