"""``strongroom-signer``: all that a hand on a signer's host does. Answers are one JSON object on standard output."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from strongroom_core.errors import StrongroomError
from strongroom_core.ids import MerchantId
from strongroom_signer import host, keyfile, offline
from strongroom_signer.chains import PARAMETERS
from strongroom_signer.client import ask
from strongroom_signer.enrolment import Caps, EnrolledMerchant, read_key
from strongroom_signer.errors import EnrolmentError, KeyFileError, SignerError
from strongroom_signer.evm_chains import EVM_PARAMETERS
from strongroom_signer.files import make_private_folder
from strongroom_signer.host import Folder
from strongroom_signer.journal import open_reader
from strongroom_signer.policy import parse_policy
from strongroom_signer.process import Listening, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_PASSPHRASE_BYTES: Final = 1024
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
    folder = _folder(arguments)
    make_private_folder(folder.root)
    passphrase = _passphrase(arguments, twice=True)
    public = keyfile.create(folder.key, arguments.name, tuple(arguments.chain), passphrase, arguments.kdf)
    return _public(public)


def _xpub(arguments: argparse.Namespace) -> dict[str, object]:
    return _public(keyfile.read_public(_folder(arguments).key))


def _address(arguments: argparse.Namespace) -> dict[str, object]:
    key = keyfile.open_key(_folder(arguments).key, _passphrase(arguments))
    return {"name": key.name, "accounts": {chain: key.public_text(chain) for chain in arguments.chain}}


def _owner_sign(arguments: argparse.Namespace) -> dict[str, object]:
    safe_tx = offline.read_safe_tx(arguments.safe_tx.read_text(encoding="ascii", errors="replace"))
    if arguments.hash is None:
        return offline.show(safe_tx, arguments.chain)
    return offline.sign(_folder(arguments), _passphrase(arguments), safe_tx, arguments.chain, arguments.hash)


def _public(public: keyfile.PublicHalf) -> dict[str, object]:
    return {"name": public.name, "fingerprint": public.fingerprint.hex(), "accounts": public.accounts}


def _genesis(arguments: argparse.Namespace) -> dict[str, object]:
    policy = host.found(_folder(arguments), arguments.policy.read_bytes())
    return {"row": 1, "policy": policy.hash.hex()}


def _policy(arguments: argparse.Namespace) -> dict[str, object]:
    passphrase = _passphrase(arguments)
    policy = host.change_policy(_folder(arguments), arguments.policy.read_bytes(), passphrase)
    return {"policy": policy.hash.hex()}


def _enroll(arguments: argparse.Namespace) -> dict[str, object]:
    folder = _folder(arguments)
    caps = Caps(
        _asset(folder, arguments.asset),
        arguments.per_payout,
        arguments.per_window,
        arguments.unlisted_per_window,
        tuple(arguments.destination),
    )
    merchant = EnrolledMerchant(MerchantId(arguments.merchant), arguments.branch, read_key(arguments.key), {})
    rows = host.enrol(folder, merchant, caps, replace=arguments.replace)
    return {
        "merchant": merchant.merchant,
        "asset": caps.asset,
        "merchants": len(rows),
        "in force": "at start or reload",
    }


def _asset(folder: Folder, asset: str | None) -> str:
    if asset is not None:
        return asset
    limits = parse_policy(folder.policy.read_bytes()).limits
    if len(limits) != 1:
        message = f"the policy has several assets; name one with --asset: {', '.join(sorted(limits))}"
        raise EnrolmentError(message)
    return next(iter(limits))


def _run(arguments: argparse.Namespace) -> None:
    if arguments.socket is None and arguments.listen is None:
        message = "name a --socket, or --listen with the three --tls files"
        raise SignerError(message)
    serve(_folder(arguments), _passphrase(arguments), Listening.read(arguments))


def _reload(arguments: argparse.Namespace) -> dict[str, object]:
    folder = _folder(arguments)
    host.nudge(folder)
    return {"rows": host.wait_for_merchants(folder)}


def _resume(arguments: argparse.Namespace) -> dict[str, object]:
    return {"resumed": True, "row": host.resume(_folder(arguments), _passphrase(arguments))}


def _halt(arguments: argparse.Namespace) -> dict[str, object]:
    if arguments.dir is not None:
        return {"halted": True, "rows": host.halt(_folder(arguments), arguments.reason)}
    return ask(_socket(arguments), {"kind": "halt", "request_id": "by-hand", "reason": arguments.reason})


def _status(arguments: argparse.Namespace) -> dict[str, object]:
    return ask(_socket(arguments), {"kind": "status", "request_id": "by-hand"})


def _verify(arguments: argparse.Namespace) -> dict[str, object]:
    with contextlib.closing(open_reader(_folder(arguments).journal)) as journal:
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


def _folder(arguments: argparse.Namespace) -> Folder:
    return Folder(arguments.dir)


def _socket(arguments: argparse.Namespace) -> Path:
    if arguments.socket is not None:
        return Path(arguments.socket)
    if arguments.dir is None:
        message = "name the signer by --socket or --dir"
        raise SignerError(message)
    path = host.running(_folder(arguments)).get("socket")
    if not path:
        message = "this signer listens on TCP only"
        raise SignerError(message)
    return Path(path)


def _passphrase(arguments: argparse.Namespace, *, twice: bool = False) -> bytes:
    """Read it from a file descriptor, up to a line's end, or ask on the terminal; never from argv or environment."""
    if arguments.passphrase_fd is not None:
        return _read_descriptor(arguments.passphrase_fd)
    passphrase = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Again: ") != passphrase:
        message = "the two passphrases differ"
        raise KeyFileError(message)
    return passphrase.encode()


def _read_descriptor(descriptor: int) -> bytes:
    data = b""
    try:
        while len(data) <= MAX_PASSPHRASE_BYTES and b"\n" not in data and (part := os.read(descriptor, 4096)):
            data += part
        os.close(descriptor)
    except OSError as error:
        message = f"file descriptor {descriptor} cannot be read: {error.strerror}"
        raise KeyFileError(message) from None
    if len(data) > MAX_PASSPHRASE_BYTES:
        message = f"a passphrase has at most {MAX_PASSPHRASE_BYTES} bytes"
        raise KeyFileError(message)
    return data.split(b"\n", 1)[0].removesuffix(b"\r")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="strongroom-signer", description="The only code that sees keys.")
    commands = parser.add_subparsers(required=True, metavar="command")
    init = _command(commands, "init", _init, "make a key file and print its account keys", secret=True)
    init.add_argument("--name", required=True, help="what this key is called, such as A")
    init.add_argument("--chain", required=True, action="append", choices=CHAINS, help="CAIP-2; repeatable")
    init.add_argument("--kdf", default="moderate", choices=sorted(keyfile.KDF_COSTS), help="cost of a passphrase guess")
    _command(commands, "xpub", _xpub, "print the account keys again")
    address = _command(commands, "address", _address, "print the keys or addresses of any chains", secret=True)
    address.add_argument("--chain", required=True, action="append", choices=CHAINS, help="CAIP-2; repeatable")
    owner_sign = _command(commands, "owner-sign", _owner_sign, "offline: show a Safe transaction, sign it", secret=True)
    owner_sign.add_argument("--chain", required=True, choices=sorted(EVM_PARAMETERS), help="CAIP-2")
    owner_sign.add_argument("--safe-tx", required=True, type=Path, help="its canonical bytes, a file of hex text")
    owner_sign.add_argument("--hash", help="the safeTxHash that you compared; without it nothing is signed")
    genesis = _command(commands, "genesis", _genesis, "write journal row 1: this key, this policy")
    genesis.add_argument("--policy", required=True, type=Path, help="the policy file (TOML); it is copied")
    policy = _command(commands, "policy", _policy, "put another policy in force (signer stopped)", secret=True)
    policy.add_argument("--policy", required=True, type=Path, help="the policy file (TOML); it is copied")
    _enroll_options(_command(commands, "enroll", _enroll, "enrol a merchant or change its caps"))
    _command(commands, "reload", _reload, "let the running signer take the merchants' file")
    _run_options(_command(commands, "run", _run, "serve until SIGTERM or SIGINT", secret=True))
    _command(commands, "resume", _resume, "end a halt, by hand", secret=True)
    _command(commands, "verify", _verify, "verify the journal from row 1")
    halt = _asking(commands, "halt", _halt, "stop signing at once")
    halt.add_argument("--reason", default="halted by hand", help="kept in the journal")
    _asking(commands, "status", _status, "ask a running signer how it is")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], object],
    text: str,
    *,
    secret: bool = False,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=run)
    parser.add_argument("--dir", required=True, type=Path, help="the signer's folder")
    if secret:
        parser.add_argument("--passphrase-fd", type=int, help="read the passphrase from this file descriptor")
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


def _enroll_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--merchant", required=True, help="mer_…")
    parser.add_argument("--branch", required=True, type=int, help="2 + n for merchant n")
    parser.add_argument("--key", required=True, help="Ed25519 public key, 64 hex digits")
    parser.add_argument("--asset", help="CAIP-19; the policy's only one if left out")
    parser.add_argument("--per-payout", required=True, type=int, help="base units")
    parser.add_argument("--per-window", required=True, type=int, help="base units in a rolling window")
    parser.add_argument("--unlisted-per-window", required=True, type=int, help="of these, to destinations not listed")
    parser.add_argument("--destination", action="append", default=[], help="a listed address; repeatable")
    parser.add_argument("--replace", action="store_true", help="let an enrolled merchant have another key or branch")


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--socket", type=Path, help="listen on this Unix socket")
    parser.add_argument("--socket-mode", type=lambda text: int(text, 8), default=0o600, help="octal; 600 unless told")
    parser.add_argument("--listen", help="host:port for mutually authenticated TLS 1.3")
    parser.add_argument("--tls-cert", type=Path, help="PEM: this signer's certificate")
    parser.add_argument("--tls-key", type=Path, help="PEM: its key")
    parser.add_argument("--tls-ca", type=Path, help="PEM: the authority of the platform's certificate")


if __name__ == "__main__":
    sys.exit(main())
