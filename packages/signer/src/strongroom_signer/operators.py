"""An operator's hand on its own machine: see field by field what a change does, compare its hash, sign it.

An operator's key file is made like a signer's and has no chains; its identity key (Ed25519) is what the policy names.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from strongroom_core.statements import Cancellation, Document, InvalidStatementError, Statement
from strongroom_signer import keyfile
from strongroom_signer.change_errors import OtherTextError
from strongroom_signer.changes import compare
from strongroom_signer.errors import SignerError
from strongroom_signer.files import make_private_folder
from strongroom_signer.statements import Signed, read_document

if TYPE_CHECKING:
    from strongroom_signer.host import Folder


class OperatorError(SignerError):
    """Something that an operator's hand must not sign, or cannot."""

    code = "operator-refused"


@dataclass(frozen=True, slots=True)
class Change:
    """What an operator is asked to sign: the document in force, the new one, and the signer's challenge."""

    document: Document
    before: bytes
    after: bytes
    challenge: dict[str, Any]

    @property
    def statement(self) -> Statement:
        """The statement about the new document. Raises ``InvalidStatementError``."""
        try:
            return Statement(
                deployment=self.challenge["deployment"],
                signer=self.challenge["signer"],
                document=self.document,
                sequence=self.challenge["sequence"],
                nonce=bytes.fromhex(self.challenge["nonce"]),
                sha256=hashlib.sha256(self.after).digest(),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InvalidStatementError):
                raise
            message = "the challenge is not what `strongroom-signer challenge` printed"
            raise InvalidStatementError(message) from None


def new(folder: Folder, name: str, passphrase: bytes, cost: str) -> dict[str, object]:
    """Make an operator's key file, and give the public key that policies name. Raises ``KeyFileError``."""
    make_private_folder(folder.root)
    public = keyfile.create(folder.key, name, (), passphrase, cost)
    return {"name": public.name, "operator": public.identity.hex()}


def show(change: Change) -> dict[str, object]:
    """Say what the change does, and whether it waits. Raises ``OperatorError`` where ``before`` is not in force."""
    in_force = change.challenge.get(change.document.value)
    if hashlib.sha256(change.before).hexdigest() != in_force:
        message = f"the file before is not what the signer has in force, whose SHA-256 is {in_force}"
        raise OperatorError(message)
    read_document(change.document, change.before)
    read_document(change.document, change.after)
    statement = change.statement
    differences = compare(change.document, change.before, change.after)
    return {
        "deployment": statement.deployment,
        "signer": statement.signer,
        "document": statement.document.value,
        "sequence": statement.sequence,
        "hash": statement.sha256.hex(),
        "takes force": "after the time-lock" if any(item.loosens for item in differences) else "at once",
        "changes": [
            {
                "field": item.path,
                "before": item.before,
                "after": item.after,
                "effect": "LOOSENS" if item.loosens else "tightens",
            }
            for item in differences
        ],
    }


def sign(folder: Folder, passphrase: bytes, change: Change, compared: str) -> dict[str, Any]:
    """Sign what ``show`` showed, once a person has compared the hash. Raises ``OtherTextError`` and others."""
    show(change)
    statement = change.statement
    if compared.strip().lower() != statement.sha256.hex():
        message = f"the file's SHA-256 is {statement.sha256.hex()}, not what you compared"
        raise OtherTextError(message)
    return _sign(folder, passphrase, statement.encode())


def cancel(folder: Folder, passphrase: bytes, cancellation: Cancellation) -> dict[str, Any]:
    """Sign that nothing comes of a change that was announced."""
    return _sign(folder, passphrase, cancellation.encode())


def read_challenge(data: bytes) -> dict[str, Any]:
    """Read what ``challenge`` printed. Raises ``InvalidStatementError``."""
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        message = "the challenge is not what `strongroom-signer challenge` printed"
        raise InvalidStatementError(message)
    return body


def read_hash(text: str) -> bytes:
    """Read a SHA-256 in hex. Raises ``InvalidStatementError``."""
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        message = "a SHA-256 has 64 hex digits"
        raise InvalidStatementError(message) from None


def _sign(folder: Folder, passphrase: bytes, data: bytes) -> dict[str, Any]:
    if folder.journal.exists():
        message = f"{folder.root} is an online signer's; an operator's key is kept elsewhere"
        raise OperatorError(message)
    key = keyfile.open_key(folder.key, passphrase).identity
    return Signed(data, {bytes(key.verify_key): bytes(key.sign(data).signature)}).encode()
