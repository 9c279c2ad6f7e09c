"""The command's entry: the table of verbs, and how any failure becomes one line and an exit code.

A verb is one row here and one file beside it. A failure prints `error: <title>: <detail>`, with a hint where there is
one, or one JSON object with `--json`; never a traceback, unless DYNAMO_TRACEBACK is set. Exit codes: `output.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from dynamo.cli.lazy import LazyGroup, Verb
from dynamo.cli.output import FAILED, INTERRUPTED, OK, OUTCOME_UNKNOWN, USAGE, exit_code, report
from dynamo.errors import DynamoError
from dynamo.version import VERSION

VERBS = {
    "up": Verb("dynamo.cli.up:up", "run a local cluster of real nodes until Ctrl-C"),
    "serve": Verb("dynamo.cli.serve:serve", "run one node"),
    "kv": Verb("dynamo.cli.kv:kv", "get, put, delete, list, import, export"),
    "cas": Verb("dynamo.cli.cas:cas", "look at a key and change it in one step (linearizable buckets)"),
    "resolve": Verb(
        "dynamo.cli.resolve:resolve",
        "what became of a write of unknown outcome (linearizable buckets)",
        failed=OUTCOME_UNKNOWN,
    ),
    "bucket": Verb("dynamo.cli.bucket:bucket", "list, show, create, delete buckets"),
    "locate": Verb("dynamo.cli.locate:locate", "which nodes hold a key"),
    "cluster": Verb("dynamo.cli.cluster:cluster", "how the nodes are"),
    "audit": Verb("dynamo.cli.audit:audit", "verify everything that is stored"),
    "hints": Verb("dynamo.cli.hints:hints", "writes that wait for nodes that were away"),
    "pbs": Verb("dynamo.cli.pbs:pbs", "how fresh reads would be, as the nodes predict"),
    "repair": Verb("dynamo.cli.repair:repair", "compare replicas now, and see what comparing has come to"),
    "config": Verb("dynamo.cli.config:config", "check and show a node's configuration"),
    "simulate": Verb("dynamo.cli.simulate:simulate", "run clusters on virtual time under random faults"),
    "check": Verb("dynamo.cli.check:check", "whether a recorded history is linearizable"),
    "bench": Verb("dynamo.cli.bench:bench", "put a load on a cluster and measure; compare results"),
}

root = LazyGroup(
    "dynamo",
    VERBS,
    "A leaderless, quorum-replicated key-value store.\n\n"
    "Exit codes: 0 fine, 1 failure, 2 usage, 3 the cluster is not healthy, "
    "4 the outcome of a write, or of a check, is unknown.",
)
root = click.version_option(VERSION, package_name="dynamo-kv", prog_name="dynamo")(root)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: the process's own); the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    failed = _failed(words)
    try:
        code = root.main(args=words, prog_name="dynamo", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as problem:
        report(as_json, "usage", "Usage", problem.format_message(), _usage_hint(problem))
        return USAGE
    except click.ClickException as problem:
        report(as_json, "failure", "Failure", problem.format_message())
        code = failed
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except SystemExit as ended:
        # click's own end, with 1, where whoever read our output has gone.
        if ended.code != FAILED:
            raise
        code = failed
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter's own flush at exit must not complain a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = failed
    except DynamoError as error:
        report(as_json, error.code, error.title, error.detail, members=error.members, applied=error.applied.value)
        return exit_code(error, failed)
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        report(as_json, "os-error", "Operating system", f"{where}{problem.strerror or problem}")
        code = failed
    except Exception as bug:
        if os.environ.get("DYNAMO_TRACEBACK"):
            raise
        report(as_json, "internal", "Internal error", f"{type(bug).__name__}: {bug}", "set DYNAMO_TRACEBACK=1 for more")
        code = failed
    return code if isinstance(code, int) else OK


def _failed(words: Sequence[str]) -> int:
    """The code of the verb for a failure of any kind; no option that stands before a verb takes a word."""
    verb = VERBS.get(next((word for word in words if not word.startswith("-")), ""))
    return FAILED if verb is None else verb.failed


def _usage_hint(problem: click.UsageError) -> str:
    path = problem.ctx.command_path if problem.ctx is not None else "dynamo"
    return f"{path} --help"
