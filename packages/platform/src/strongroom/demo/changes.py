"""How the demonstration changes what a signer allows: the operator signs offline, a hand on the host applies it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from strongroom.demo.commands import SIGNER, run_command
from strongroom.demo.environment import OPERATOR, Environment
from strongroom.infra.components.hosting import write_private

_DOCUMENT: Final = ("--document", "merchants")


def draft_file(environment: Environment, signer: str) -> Path:
    """Name the merchants' file that is being written for a signer, and let it begin as what is in force there."""
    draft = environment.holder(signer) / "merchants.new.toml"
    draft.unlink(missing_ok=True)  # of a start that was interrupted
    return draft


async def apply_merchants(environment: Environment, signer: str) -> None:
    """Have the operator look at the draft and sign it for this signer, and apply it on the signer's host."""
    folder, draft = environment.key_folder(signer), environment.holder(signer) / "merchants.new.toml"
    statement = await _sign(environment, signer, draft)
    applied = ("--dir", str(folder), "--file", str(draft), "--statement", str(statement))
    await run_command(*SIGNER, "merchants", *applied)
    draft.unlink()


async def _sign(environment: Environment, signer: str, draft: Path) -> Path:
    """Carry the signer's challenge to the operator's machine, see the change there, compare its hash, and sign it."""
    desk = environment.holder(OPERATOR)
    challenge, statement = desk / f"challenge-{signer}.json", desk / f"statement-{signer}.json"
    folder = environment.key_folder(signer)
    write_private(challenge, await run_command(*SIGNER, "challenge", "--dir", str(folder)))
    files = ("--before", str(folder / "merchants.toml"), "--after", str(draft))
    change = ("--dir", str(environment.key_folder(OPERATOR)), "--challenge", str(challenge), *_DOCUMENT, *files)
    compared = _digest(draft)
    shown = json.loads(await run_command(*SIGNER, "operator", "sign", *change))
    signing = (*change, "--hash", compared if shown["hash"] == compared else "", "--out", str(statement))
    await run_command(*SIGNER, "operator", "sign", *signing, secret=environment.passphrase_file(OPERATOR))
    return statement


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
