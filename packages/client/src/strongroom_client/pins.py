"""What a merchant pins of its signers: the keys that must have signed an address before a payer sees it.

A TOML file, written once from what people tell each other, never from what the API says::

    deployment = "acme"
    merchant = "mer_01jd0000000000000000000000"
    [signers]
    A = "<64 hex digits>"
    B = "<64 hex digits>"

Each key is the ``identity`` that ``strongroom-signer xpub`` prints on that signer's own host.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom_client.errors import SettingsError
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import MerchantId

MIN_SIGNERS: Final = 2
_KEY_BYTES: Final = 32
_MAX_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Pins:
    """The installation, the merchant, and each signer's identity key (Ed25519, 32 bytes) by its name.

    Two signers at least, with keys of their own: what one signer alone says, its thief may say.
    """

    deployment: str
    merchant: MerchantId
    identities: Mapping[str, bytes]

    def __post_init__(self) -> None:
        """Refuse pins that prove too little. Raises ``SettingsError``."""
        keys = set(self.identities.values())
        if len(keys) < MIN_SIGNERS or len(keys) < len(self.identities):
            message = f"pin {MIN_SIGNERS} signers at least, each with a key of its own"
            raise SettingsError(message)
        if any(len(key) != _KEY_BYTES for key in keys):
            message = "an identity is 64 hex digits, as `strongroom-signer xpub` prints it"
            raise SettingsError(message)
        if not self.deployment:
            message = "the pins name no deployment"
            raise SettingsError(message)


def read_pins(path: Path) -> Pins:
    """Read a file of pins. Raises ``SettingsError``."""
    try:
        with path.open("rb") as file:
            fields = tomllib.loads(file.read(_MAX_BYTES).decode())
    except OSError as error:
        message = f"cannot read the pins in {path}: {error.strerror}"
        raise SettingsError(message) from None
    except ValueError as error:
        message = f"{path} is no TOML file of pins: {error}"
        raise SettingsError(message) from None
    try:
        return _pins(fields)
    except StrongroomError as error:
        message = f"{path}: {error.message}"
        raise SettingsError(message) from None


def render_pins(pins: Pins) -> str:
    """Write pins as ``read_pins`` reads them."""
    lines = [f"deployment = {json.dumps(pins.deployment)}", f"merchant = {json.dumps(str(pins.merchant))}", "[signers]"]
    lines += [f"{json.dumps(name)} = {json.dumps(key.hex())}" for name, key in sorted(pins.identities.items())]
    return "\n".join(lines) + "\n"


def _pins(fields: Mapping[str, Any]) -> Pins:
    signers = fields.get("signers")
    if set(fields) != {"deployment", "merchant", "signers"} or not isinstance(signers, dict):
        message = "it names deployment, merchant and [signers], and nothing else"
        raise SettingsError(message)
    if not isinstance(fields["deployment"], str) or not isinstance(fields["merchant"], str):
        message = "deployment and merchant are texts"
        raise SettingsError(message)
    try:
        identities = {name: bytes.fromhex(text) for name, text in signers.items()}
    except (TypeError, ValueError):
        message = "an identity is 64 hex digits, as `strongroom-signer xpub` prints it"
        raise SettingsError(message) from None
    return Pins(fields["deployment"], MerchantId.parse(fields["merchant"]), identities)
