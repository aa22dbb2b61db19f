"""The commands that change a signer's policy and merchants, on its host, and those of an operator's own machine."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom_core.ids import MerchantId
from strongroom_core.statements import Cancellation, Document
from strongroom_signer import changing, host, keyfile, operators
from strongroom_signer.command_line import command, folder_of, passphrase_of
from strongroom_signer.enrolment import Caps, EnrolledMerchant, read_key, render
from strongroom_signer.errors import EnrolmentError
from strongroom_signer.files import write_private
from strongroom_signer.operators import Change
from strongroom_signer.policy import parse_policy
from strongroom_signer.statements import Proposal, read_signed

if TYPE_CHECKING:
    import argparse

    from strongroom_signer.command_line import Commands
    from strongroom_signer.host import Folder

DOCUMENTS = [item.value for item in Document]


def add(commands: Commands) -> None:
    """Add them all."""
    command(commands, "challenge", _challenge, "have the signer issue a nonce, for one statement of operators")
    policy = command(commands, "policy", _policy, "have another policy in force, or announced", secret=True)
    policy.add_argument("--policy", required=True, type=Path, help="the policy file (TOML); it is copied")
    _statement_option(policy)
    _enroll_options(command(commands, "enroll", _enroll, "write a merchant, or its caps, into the merchants' file"))
    merchants = command(commands, "merchants", _merchants, "have another merchants' file in force, or announced")
    merchants.add_argument("--file", required=True, type=Path, help="what `enroll --out` wrote; it is copied")
    _statement_option(merchants)
    cancel = command(commands, "cancel", _cancel, "let nothing come of an announced change", secret=True)
    cancel.add_argument("--document", required=True, choices=DOCUMENTS)
    _statement_option(cancel)
    _add_operator(commands)


def _add_operator(commands: Commands) -> None:
    text = "an operator's own machine: make its key, see and sign a change"
    actions = commands.add_parser("operator", help=text, description=text).add_subparsers(required=True)
    new = command(actions, "new", _operator_new, "make an operator's key file, print its public key", secret=True)
    new.add_argument("--name", required=True, help="who this is")
    new.add_argument("--kdf", default="moderate", choices=sorted(keyfile.KDF_COSTS), help="cost of a passphrase guess")
    sign = command(actions, "sign", _operator_sign, "show a change field by field; sign it", secret=True)
    sign.add_argument("--challenge", required=True, type=Path, help="what `challenge` printed on the signer's host")
    sign.add_argument("--document", required=True, choices=DOCUMENTS)
    sign.add_argument("--before", required=True, type=Path, help="the file in force")
    sign.add_argument("--after", required=True, type=Path, help="the new file")
    sign.add_argument("--hash", help="the new file's SHA-256 that you compared; without it nothing is signed")
    cancel = command(actions, "cancel", _operator_cancel, "sign that an announced change is cancelled", secret=True)
    cancel.add_argument("--deployment", required=True)
    cancel.add_argument("--signer", required=True, help="the signer's name")
    cancel.add_argument("--document", required=True, choices=DOCUMENTS)
    cancel.add_argument("--sequence", required=True, type=int, help="as `status` shows it")
    cancel.add_argument("--hash", required=True, help="the SHA-256 that `status` shows")
    for parser in (sign, cancel):
        parser.add_argument("--out", type=Path, help="write the statement there; unless told it is printed")


def _statement_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--statement", action="append", type=Path, help="what an operator signed; one for each of them")


def _enroll_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, help="the file that operators will sign; it begins as what is in force")
    parser.add_argument("--merchant", required=True, help="mer_…")
    parser.add_argument("--branch", required=True, type=int, help="2 + n for merchant n")
    parser.add_argument("--key", required=True, help="Ed25519 public key, 64 hex digits")
    parser.add_argument("--asset", help="CAIP-19; the policy's only one if left out")
    parser.add_argument("--per-payout", required=True, type=int, help="base units")
    parser.add_argument("--per-window", required=True, type=int, help="base units in a rolling window")
    parser.add_argument("--unlisted-per-window", required=True, type=int, help="of these, to destinations not listed")
    parser.add_argument("--destination", action="append", default=[], help="a listed address; repeatable")
    parser.add_argument("--replace", action="store_true", help="let an enrolled merchant have another key or branch")


def _challenge(arguments: argparse.Namespace) -> dict[str, object]:
    return changing.challenge(folder_of(arguments))


def _policy(arguments: argparse.Namespace) -> dict[str, object]:
    return _propose(arguments, Document.POLICY, arguments.policy)


def _merchants(arguments: argparse.Namespace) -> dict[str, object]:
    return _propose(arguments, Document.MERCHANTS, arguments.file)


def _propose(arguments: argparse.Namespace, document: Document, file: Path) -> dict[str, object]:
    signed = read_signed([path.read_bytes() for path in arguments.statement or ()])
    proposal = Proposal(document, file.read_bytes(), signed)
    return changing.propose(folder_of(arguments), proposal, partial(passphrase_of, arguments))


def _cancel(arguments: argparse.Namespace) -> dict[str, object]:
    signed = read_signed([path.read_bytes() for path in arguments.statement or ()])
    return changing.cancel(
        folder_of(arguments), Document(arguments.document), signed, partial(passphrase_of, arguments)
    )


def _enroll(arguments: argparse.Namespace) -> dict[str, object]:
    folder = folder_of(arguments)
    caps = Caps(
        _asset(folder, arguments.asset),
        arguments.per_payout,
        arguments.per_window,
        arguments.unlisted_per_window,
        tuple(arguments.destination),
    )
    merchant = EnrolledMerchant(MerchantId(arguments.merchant), arguments.branch, read_key(arguments.key), {})
    rows = host.enrol(folder, merchant, caps, replace=arguments.replace, out=arguments.out)
    waits = "at start or reload" if arguments.out is None else "once operators signed it, by `merchants`"
    return {
        "merchant": merchant.merchant,
        "asset": caps.asset,
        "merchants": len(rows),
        "hash": changing.digest_of(render(rows)),
        "in force": waits,
    }


def _asset(folder: Folder, asset: str | None) -> str:
    if asset is not None:
        return asset
    limits = parse_policy(folder.policy.read_bytes()).limits
    if len(limits) != 1:
        message = f"the policy has several assets; name one with --asset: {', '.join(sorted(limits))}"
        raise EnrolmentError(message)
    return next(iter(limits))


def _operator_new(arguments: argparse.Namespace) -> dict[str, object]:
    return operators.new(folder_of(arguments), arguments.name, passphrase_of(arguments, twice=True), arguments.kdf)


def _operator_sign(arguments: argparse.Namespace) -> dict[str, object]:
    challenge = operators.read_challenge(arguments.challenge.read_bytes())
    before, after = arguments.before.read_bytes(), arguments.after.read_bytes()
    change = Change(Document(arguments.document), before, after, challenge)
    if arguments.hash is None:
        return operators.show(change)
    shown = operators.show(change)
    return _written(
        arguments.out, operators.sign(folder_of(arguments), passphrase_of(arguments), change, arguments.hash), shown
    )


def _operator_cancel(arguments: argparse.Namespace) -> dict[str, object]:
    cancellation = Cancellation(
        arguments.deployment,
        arguments.signer,
        Document(arguments.document),
        arguments.sequence,
        operators.read_hash(arguments.hash),
    )
    signed = operators.cancel(folder_of(arguments), passphrase_of(arguments), cancellation)
    return _written(arguments.out, signed, {"cancels": arguments.sequence})


def _written(out: Path | None, signed: dict[str, object], shown: dict[str, object]) -> dict[str, object]:
    if out is None:
        return signed
    write_private(out, json.dumps(signed).encode() + b"\n", replace=True)
    return {**shown, "written": str(out)}
