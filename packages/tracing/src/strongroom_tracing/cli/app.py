"""The commands, and what their endings mean: 0 done, 1 with a code and what to do, 2 a word unknown, 130 stopped."""

from __future__ import annotations

import os
import signal
import sys

import typer
from rich.markup import escape
from typer.exceptions import TyperException

from strongroom_core.errors import StrongroomError
from strongroom_tracing.cli import (
    accounts,
    actors,
    clustering,
    exposing,
    indexing,
    marking,
    patterns,
    tagging,
    tracing,
    watch,
)
from strongroom_tracing.cli.context import err, plain

FAILED, INTERRUPTED = 1, 130
_HELP = """Follow stolen coins exactly: where is the money now, which services did it reach, what moved since?

1. `index` builds the index of a chain from a node or its files.  2. `mark` notes what was reported stolen, in the order
of report.  3. `trace` says where it is, under a named method.  4. `watch` tells each further move.  `tags` holds the
lists of known services and sanctioned addresses, `cluster` says which addresses are one, `exposure` how near an output
is to marks and tags, `changes` and `peel` what a payer kept, `export` writes an answer for other programs.
"""
app = typer.Typer(
    name="strongroom-trace",
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(indexing.index)
app.command()(indexing.status)
app.command()(marking.mark)
app.command()(marking.marks)
app.command()(tracing.trace)
app.command()(tracing.export)
app.command()(watch.watch)
app.command()(clustering.cluster)
app.command()(exposing.exposure)
app.command()(patterns.changes)
app.command()(patterns.peel)
tagging.tags.command("actors")(actors.actors)
app.add_typer(tagging.tags, name="tags")
app.add_typer(accounts.evm, name="evm")


def main() -> None:
    """Run one command and end with its code."""
    try:
        code = app(standalone_mode=False)
    except StrongroomError as error:
        code = _fail(error.code, error.message)
    except BrokenPipeError:
        # Whoever read has enough; Python would complain once more when it closes the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    except OSError as error:
        code = _fail("file-unusable", f"{error}; name a place that is there and yours")
    except TyperException as error:
        # Without any word the help was printed already.
        if error.format_message():
            _fail("usage", f"{error.format_message()} Try --help.")
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # typer makes this code of a key press itself
        err.print("stopped; the same command goes on from here", highlight=False)
    sys.exit(code or 0)


def _fail(code: str, message: str) -> int:
    err.print(f"[red]{code}[/red]: {escape(plain(message.strip(), lines=True))}", highlight=False, soft_wrap=True)
    return FAILED


if __name__ == "__main__":
    main()
