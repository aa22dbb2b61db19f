"""``strongroom-merchant``: a merchant's keys, signed payouts, balances and invoices, from the command line.

Results go to stdout (JSON, or a public key), words for people to stderr. Exit codes: 0 done, 1 refused or failed, 2
wrong usage, 3 an alarm of the canary. Secrets are read from files, file descriptors or a prompt, never from the
command line.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from strongroom_client import commands
from strongroom_client.errors import ApiError
from strongroom_client.signing import DEFAULT_LIFE_SECONDS
from strongroom_core.errors import StrongroomError

Command = Callable[[argparse.Namespace], int | None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    args = build_parser().parse_args(argv)
    try:
        code: int = args.run(args) or 0
        sys.stdout.flush()
    except ApiError as error:
        return _fail(str(error))
    except StrongroomError as error:
        return _fail(f"{error.code}: {error.message}")
    except (KeyboardInterrupt, EOFError):
        return _fail("stopped")
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def build_parser() -> argparse.ArgumentParser:
    """Describe the commands."""
    parser = argparse.ArgumentParser(prog="strongroom-merchant", description="What a merchant of Strongroom runs.")
    groups = parser.add_subparsers(required=True, metavar="command")
    online = _online_options()
    _keys(_group(groups, "keys", "the key that signs payouts"))
    _payout(_group(groups, "payout", "sign, send and follow a payout"), online)
    _invoice(_group(groups, "invoice", "ask to be paid"), online)
    _address(_group(groups, "address", "standing deposit addresses"), online)
    _canary(_command(groups, "canary", commands.canary, "watch that the checkout shows attested addresses", online))
    _command(groups, "balance", commands.balance, "what the merchant has of each asset", online)
    return parser


def _online_options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--api", metavar="URL", default=os.environ.get("STRONGROOM_API"), help="where the API is (or STRONGROOM_API)"
    )
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--token-file", type=Path, metavar="FILE", help="read the API token from a file of mode 0600")
    token.add_argument("--token-fd", type=_descriptor, metavar="N", help="read the API token from a file descriptor")
    parser.add_argument(
        "--pins",
        type=Path,
        metavar="FILE",
        default=os.environ.get("STRONGROOM_PINS"),
        help="show no address that these signers did not attest (or STRONGROOM_PINS)",
    )
    return parser


def _keys(group: Any) -> None:
    new = _command(group, "new", commands.keys_new, "make a key; prints the public half to be enrolled")
    new.add_argument("file", type=Path, help="where to put it; nothing is ever overwritten")
    protection = new.add_mutually_exclusive_group()
    protection.add_argument("--passphrase-fd", type=_descriptor, metavar="N", help="read the passphrase from there")
    protection.add_argument("--no-passphrase", action="store_true", help="do not encrypt the file")
    show = _command(group, "show", commands.keys_show, "print the public half of a key file")
    show.add_argument("file", type=Path)


def _payout(group: Any, online: argparse.ArgumentParser) -> None:
    _payout_sign(_command(group, "sign", commands.payout_sign, "sign a payment, offline; prints it as JSON"))
    send = _command(group, "send", commands.payout_send, "hand a signed payment in", online)
    send.add_argument("file", help="what `payout sign` printed, or - for stdin")
    send.add_argument("--kind", choices=("payment", "withdrawal", "refund"), default="payment")
    get = _command(group, "get", commands.payout_get, "show a payout and its timeline", online)
    get.add_argument("id", help="pay_…")


def _payout_sign(sign: argparse.ArgumentParser) -> None:
    sign.add_argument("--key", type=Path, required=True, metavar="FILE", help="the key file")
    sign.add_argument("--passphrase-fd", type=_descriptor, metavar="N", help="read the passphrase from there")
    sign.add_argument("--deployment", required=True, help="the name of the installation that shall pay")
    sign.add_argument("--merchant", required=True, help="mer_…")
    sign.add_argument("--asset", required=True, help="BTC, ETH and the like, or a CAIP-19 id, as of a token")
    sign.add_argument("--decimals", type=int, help="of a token that this release does not know")
    sign.add_argument("--chain", help="the CAIP-2 id of the chain that a short code is on; else the real one")
    sign.add_argument("--amount", required=True, help="what the destination gets, such as 0.015")
    sign.add_argument("--to", required=True, metavar="ADDRESS", help="the destination")
    sign.add_argument("--tag", default="", help="destination tag or memo, where the chain has one")
    sign.add_argument("--fee-ceiling", required=True, metavar="AMOUNT", help="the most to be paid on top")
    sign.add_argument("--expires-in", type=_seconds, default=DEFAULT_LIFE_SECONDS, metavar="SECONDS", help="a day")
    sign.add_argument("--payout-id", help="pay_…; made unless given")


def _invoice(group: Any, online: argparse.ArgumentParser) -> None:
    create = _command(group, "create", commands.invoice_create, "make an invoice", online)
    create.add_argument("--amount", required=True, help="such as 12.50")
    create.add_argument("--currency", required=True, help="EUR, BTC …")
    create.add_argument(
        "--asset", help="the asset to be paid in: its code, or its CAIP-19 id where several networks have the code"
    )
    create.add_argument("--reference", help="your order's number")
    create.add_argument("--description", help="shown to the payer")
    create.add_argument("--expires-in", type=_seconds, metavar="SECONDS")
    create.add_argument("--idempotency-key", metavar="KEY", help="the same key makes no second invoice")
    get = _command(group, "get", commands.invoice_get, "show an invoice", online)
    get.add_argument("id", help="inv_…")


def _address(group: Any, online: argparse.ArgumentParser) -> None:
    get = _command(group, "get", commands.address_get, "the standing address of a customer", online)
    get.add_argument("--asset", required=True, help="a code, or a CAIP-19 id where several networks have the code")
    get.add_argument("--reference", required=True, help="your customer's number")


def _canary(canary: argparse.ArgumentParser) -> None:
    what = canary.add_mutually_exclusive_group()
    what.add_argument("--amount", default="1.00", help="of the small invoices that it makes and cancels; 1.00")
    what.add_argument("--existing", action="store_true", help="make none, look at the newest open one")
    canary.add_argument("--currency", default="EUR", help="of the amount; EUR")
    canary.add_argument("--asset", help="what it would pay with: a code or a CAIP-19 id")
    canary.add_argument(
        "--every", type=_seconds, default=300, metavar="SECONDS", help="look this often: the time to detection; 300"
    )
    canary.add_argument("--grace", type=_seconds, default=30, metavar="SECONDS", help="for signers to attest; 30")
    canary.add_argument("--once", action="store_true", help="look once")
    canary.add_argument("--go-on", action="store_true", help="do not end with the first alarm")


def _group(groups: Any, name: str, words: str) -> Any:
    return groups.add_parser(name, help=words, description=words).add_subparsers(required=True, metavar="action")


def _command(groups: Any, name: str, run: Command, words: str, *parents: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = groups.add_parser(name, help=words, description=words, parents=list(parents))
    parser.set_defaults(run=run)
    return parser


def _descriptor(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        message = f"{text!r} is no file descriptor; it is a number such as 3"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        message = f"{text!r} is no number of seconds"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _fail(text: str) -> int:
    sys.stderr.write(f"strongroom-merchant: {text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
