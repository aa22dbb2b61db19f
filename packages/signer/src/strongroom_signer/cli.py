"""``strongroom-signer``: all that a hand on a signer's host does. Answers are one JSON object on standard output."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from strongroom_core.errors import StrongroomError
from strongroom_signer import change_commands, halting, host, keyfile, offline
from strongroom_signer.chains import PARAMETERS
from strongroom_signer.client import ask
from strongroom_signer.command_line import command, folder_of, passphrase_of
from strongroom_signer.errors import SignerError
from strongroom_signer.evm_chains import EVM_PARAMETERS
from strongroom_signer.files import make_private_folder
from strongroom_signer.journal import open_reader
from strongroom_signer.listening import Listening, add_options
from strongroom_signer.process import serve
from strongroom_signer.witness import witness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHAINS: Final = sorted({**PARAMETERS, **EVM_PARAMETERS})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 1 with the error and its code on standard error."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], dict[str, object] | None] = arguments.command
    try:
        answer = command(arguments)
    except StrongroomError as error:
        sys.stderr.write(json.dumps({"error": error.code, "message": error.message}) + "\n")
        return 1
    except OSError as error:
        sys.stderr.write(json.dumps({"error": "file", "message": f"{error.filename}: {error.strerror}"}) + "\n")
        return 1
    if answer is not None:
        sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _init(arguments: argparse.Namespace) -> dict[str, object]:
    folder = folder_of(arguments)
    make_private_folder(folder.root)
    passphrase = passphrase_of(arguments, twice=True)
    public = keyfile.create(folder.key, arguments.name, tuple(arguments.chain), passphrase, arguments.kdf)
    return _public(public)


def _xpub(arguments: argparse.Namespace) -> dict[str, object]:
    return _public(keyfile.read_public(folder_of(arguments).key))


def _address(arguments: argparse.Namespace) -> dict[str, object]:
    key = keyfile.open_key(folder_of(arguments).key, passphrase_of(arguments))
    return {"name": key.name, "accounts": {chain: key.public_text(chain) for chain in arguments.chain}}


def _owner_sign(arguments: argparse.Namespace) -> dict[str, object]:
    safe_tx = offline.read_safe_tx(arguments.safe_tx.read_text(encoding="ascii", errors="replace"))
    if arguments.hash is None:
        return offline.show(safe_tx, arguments.chain)
    return offline.sign(folder_of(arguments), passphrase_of(arguments), safe_tx, arguments.chain, arguments.hash)


def _public(public: keyfile.PublicHalf) -> dict[str, object]:
    shown = {"name": public.name, "fingerprint": public.fingerprint.hex(), "identity": public.identity.hex()}
    return {**shown, "accounts": public.accounts}


def _genesis(arguments: argparse.Namespace) -> dict[str, object]:
    policy = host.found(folder_of(arguments), arguments.policy.read_bytes())
    return {"row": 1, "policy": policy.hash.hex()}


def _run(arguments: argparse.Namespace) -> None:
    listening = Listening.read(arguments)
    serve(folder_of(arguments), passphrase_of(arguments), listening, without_witness=arguments.without_witness)


def _witness(arguments: argparse.Namespace) -> None:
    witness(arguments.dir, Listening.read(arguments))


def _reload(arguments: argparse.Namespace) -> dict[str, object]:
    folder = folder_of(arguments)
    host.nudge(folder)
    return {"rows": host.wait_for_merchants(folder)}


def _resume(arguments: argparse.Namespace) -> dict[str, object]:
    return {"resumed": True, "row": halting.resume(folder_of(arguments), passphrase_of(arguments))}


def _halt(arguments: argparse.Namespace) -> dict[str, object]:
    if arguments.dir is not None:
        return {"halted": True, "rows": halting.halt(folder_of(arguments), arguments.reason)}
    return ask(_socket(arguments), {"kind": "halt", "request_id": "by-hand", "reason": arguments.reason})


def _status(arguments: argparse.Namespace) -> dict[str, object]:
    return ask(_socket(arguments), {"kind": "status", "request_id": "by-hand"})


def _verify(arguments: argparse.Namespace) -> dict[str, object]:
    with contextlib.closing(open_reader(folder_of(arguments).journal)) as journal:
        books = host.read_books(journal)
        return {
            "rows": journal.count,
            "head": journal.head.hex(),
            "fingerprint": books.fingerprint,
            "policy": books.policy_hash,
            "slots": len(books.slots) + len(books.nonces),
            "intents": len(books.signed_rows),
            "halted": books.halted,
        }


def _socket(arguments: argparse.Namespace) -> Path:
    if arguments.socket is not None:
        return Path(arguments.socket)
    if arguments.dir is None:
        message = "name the signer by --socket or --dir"
        raise SignerError(message)
    path = host.running(folder_of(arguments)).get("socket")
    if not path:
        message = "this signer listens on TCP only"
        raise SignerError(message)
    return Path(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="strongroom-signer", description="The only code that sees keys.")
    commands = parser.add_subparsers(required=True, metavar="command")
    init = command(commands, "init", _init, "make a key file and print its account keys", secret=True)
    init.add_argument("--name", required=True, help="what this key is called, such as A")
    init.add_argument("--chain", required=True, action="append", choices=CHAINS, help="CAIP-2; repeatable")
    init.add_argument("--kdf", default="moderate", choices=sorted(keyfile.KDF_COSTS), help="cost of a passphrase guess")
    command(commands, "xpub", _xpub, "print the account keys again")
    address = command(commands, "address", _address, "print the keys or addresses of any chains", secret=True)
    address.add_argument("--chain", required=True, action="append", choices=CHAINS, help="CAIP-2; repeatable")
    owner_sign = command(commands, "owner-sign", _owner_sign, "offline: show a Safe transaction, sign it", secret=True)
    owner_sign.add_argument("--chain", required=True, choices=sorted(EVM_PARAMETERS), help="CAIP-2")
    owner_sign.add_argument("--safe-tx", required=True, type=Path, help="its canonical bytes, a file of hex text")
    owner_sign.add_argument("--hash", help="the safeTxHash that you compared; without it nothing is signed")
    genesis = command(commands, "genesis", _genesis, "write journal row 1: this key, this policy")
    genesis.add_argument("--policy", required=True, type=Path, help="the policy file (TOML); it is copied")
    change_commands.add(commands)
    command(commands, "reload", _reload, "let the running signer look at its folder")
    run = command(commands, "run", _run, "serve until SIGTERM or SIGINT", secret=True)
    add_options(run)
    gone = "the witness of links.toml is lost: sign though it cannot say that this journal is whole"
    run.add_argument("--without-witness", action="store_true", help=gone)
    add_options(command(commands, "witness", _witness, "keep the journals of signers until SIGTERM or SIGINT"))
    command(commands, "resume", _resume, "end a halt, by hand", secret=True)
    command(commands, "verify", _verify, "verify the journal from row 1")
    halt = _asking(commands, "halt", _halt, "stop signing at once")
    halt.add_argument("--reason", default="halted by hand", help="kept in the journal")
    _asking(commands, "status", _status, "ask a running signer how it is")
    return parser


def _asking(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], object],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=run)
    parser.add_argument("--dir", type=Path, help="the folder of a signer that runs on this host")
    parser.add_argument("--socket", type=Path, help="or its socket")
    return parser


if __name__ == "__main__":
    sys.exit(main())
