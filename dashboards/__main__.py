"""`python -m dashboards`: write the JSON of every board into dashboards/grafana/boards."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.board import written
from dashboards.boards import BOARDS

TARGET = Path(__file__).parent / "grafana" / "boards"


def main() -> int:
    """Write what differs; files of boards that are none any more go."""
    TARGET.mkdir(parents=True, exist_ok=True)
    wanted = {TARGET / f"{board.uid}.json": written(board) for board in BOARDS}
    for path in TARGET.glob("*.json"):
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
