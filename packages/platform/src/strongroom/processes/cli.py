"""`strongroom`: what an operator types. Errors have stable codes; secrets never stand on a command line."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape
from typer.exceptions import TyperException

from strongroom.infra.database import UNREACHABLE
from strongroom.processes.commands import (
    brakes,
    cold,
    evm,
    held,
    machine,
    merchants,
    operations,
    reconciling,
    refused,
    running,
    schema,
    tokens,
)
from strongroom.processes.commands.context import err
from strongroom_core.errors import StrongroomError

FAILED = 1
app = typer.Typer(
    name="strongroom",
    help="A crypto payments platform that a thief cannot empty.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(running.up)
app.command()(running.down)
app.command()(running.demo)
app.command()(operations.status)
app.command()(reconciling.reconcile)
app.command()(brakes.halt)
app.command()(brakes.resume)
app.command()(machine.doctor)
app.command()(schema.migrate)
app.command("demo-pay")(running.demo_pay)
merchants.merchant.command("token")(tokens.make)
merchants.merchant.command("tokens")(tokens.show)
merchants.merchant.command("revoke")(tokens.revoke)
merchants.invoice.command("accept")(held.accept)
merchants.invoice.command("refuse")(held.refuse)
app.add_typer(merchants.merchant, name="merchant")
app.add_typer(merchants.invoice, name="invoice")
app.add_typer(merchants.payout, name="payout")
app.add_typer(merchants.keys, name="keys")
app.add_typer(evm.relayer, name="relayer")
app.add_typer(cold.cold, name="cold")
app.add_typer(refused.asset, name="asset")


def main() -> None:
    """Run one command; 0 on success, 1 with a code and what to do on standard error."""
    try:
        code = app(standalone_mode=False)
    except StrongroomError as error:
        code = _fail(error.code, error.message)
    except UNREACHABLE as error:
        code = _fail("database-unreachable", f"{error}; `strongroom up` starts the demonstration")
    except OSError as error:
        code = _fail("file-unusable", f"{error}; name a place that is there and yours")
    except TyperException as error:
        # Without any word the help was printed already.
        if error.format_message():
            _fail("usage", f"{error.format_message()} Try --help.")
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = _fail("interrupted", "stopped")
    sys.exit(code or 0)


def _fail(code: str, message: str) -> int:
    err.print(f"[red]{code}[/red]: {escape(message.strip())}", highlight=False, soft_wrap=True)
    return FAILED


if __name__ == "__main__":
    main()
