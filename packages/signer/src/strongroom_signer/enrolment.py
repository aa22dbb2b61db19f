"""Enrolled merchants: whose key may ask for which payments. Written only by a hand on the signer's host.

The file is TOML, so that a person can read it and compare it; ``render`` writes the one spelling that it has.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from strongroom_core.abi import MAX_UINT256
from strongroom_core.ids import HOUSE_MERCHANT, InvalidIdError, MerchantId
from strongroom_signer.chains import PARAMETERS
from strongroom_signer.destination import payee
from strongroom_signer.errors import DestinationError, EnrolmentError
from strongroom_signer.evm_chains import evm_chain_of
from strongroom_signer.keyset import FIRST_MERCHANT_BRANCH

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION: Final = 1
MAX_BASE_UNITS: Final = 2**63 - 1
MAX_BRANCH: Final = 2**31 - 1
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_CAPS: Final = ("per_payout", "per_window", "unlisted_per_window")
_BY_ASSET: Final = {item.asset.id: item for item in PARAMETERS.values()}


@dataclass(frozen=True, slots=True)
class Caps:
    """One merchant's caps in one asset, in base units; the windows are as long as the policy's for the asset.

    ``scripts`` are what the destinations name: output scripts, or addresses of 20 bytes.
    Payments to ``destinations`` count against ``per_window``; all others against ``unlisted_per_window`` too.
    """

    asset: str
    per_payout: int
    per_window: int
    unlisted_per_window: int
    destinations: tuple[str, ...]
    scripts: frozenset[bytes] = field(default=frozenset(), compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse unknown assets, numbers out of range and texts that are no address. Raises ``EnrolmentError``."""
        bitcoin = _BY_ASSET.get(self.asset)
        chain = bitcoin or evm_chain_of(self.asset)
        if chain is None:
            message = f"{self.asset!r} is not an asset that this signer knows"
            raise EnrolmentError(message)
        for name in _CAPS:
            _check_number(name, getattr(self, name), 0, MAX_BASE_UNITS if bitcoin else MAX_UINT256)
        try:
            scripts = frozenset(payee(address, chain) for address in self.destinations)
        except DestinationError as error:
            raise EnrolmentError(error.message) from None
        object.__setattr__(self, "scripts", scripts)


@dataclass(frozen=True, slots=True)
class EnrolledMerchant:
    """A merchant, its branch of the key sets, its Ed25519 public key (32 bytes), and its caps by CAIP-19 id."""

    merchant: MerchantId
    branch: int
    public_key: bytes
    caps: dict[str, Caps]

    def __post_init__(self) -> None:
        """Refuse reserved branches, texts that are no id, and the house's own id. Raises ``EnrolmentError``."""
        _check_number("branch", self.branch, FIRST_MERCHANT_BRANCH, MAX_BRANCH)
        try:
            MerchantId.parse(self.merchant)
        except InvalidIdError as error:
            raise EnrolmentError(error.message) from None
        if self.merchant == HOUSE_MERCHANT:
            # A key enrolled under it would ask for the house's money as a merchant does, by its own signature alone.
            message = f"{HOUSE_MERCHANT} is the house, whose intents operators sign; it cannot be enrolled"
            raise EnrolmentError(message)

    def with_caps(self, caps: Caps) -> EnrolledMerchant:
        """Give the merchant with these caps in place of those of the same asset."""
        return replace(self, caps={**self.caps, caps.asset: caps})


Enrolment = dict[str, EnrolledMerchant]


def check_distinct(merchants: Iterable[EnrolledMerchant]) -> Enrolment:
    """Give merchants by id. Raises ``EnrolmentError`` where an id, a branch or a key stands twice."""
    rows = list(merchants)
    for name in ("merchant", "branch", "public_key"):
        values = [getattr(row, name) for row in rows]
        if len(set(values)) != len(values):
            message = f"two merchants have the same {name}; each has its own"
            raise EnrolmentError(message)
    return {row.merchant: row for row in sorted(rows, key=lambda row: row.merchant)}


def render(enrolment: Enrolment) -> bytes:
    """Write the file. Every value is a number or of a checked alphabet, so nothing needs escaping."""
    lines = ["# Written by `strongroom-signer enroll`; read at start and at `strongroom-signer reload`.", "version = 1"]
    for row in enrolment.values():
        lines += ["", "[[merchant]]", f'id = "{row.merchant}"', f"branch = {row.branch}"]
        lines += [f'key = "{row.public_key.hex()}"']
        for caps in row.caps.values():
            lines += ["", "[[merchant.caps]]", f'asset = "{caps.asset}"']
            lines += [f"{name} = {getattr(caps, name)}" for name in _CAPS]
            listed = ", ".join('"' + text + '"' for text in caps.destinations)
            lines += [f"destinations = [{listed}]"]
    return "\n".join(lines).encode("ascii") + b"\n"


def parse_enrolment(data: bytes) -> Enrolment:
    """Read the file. Raises ``EnrolmentError`` that names what is wrong."""
    try:
        body = tomllib.loads(data.decode("utf-8"))
        if set(body) - {"merchant"} != {"version"} or body["version"] != VERSION:
            message = f"the merchants' file has version = {VERSION} and [[merchant]] tables only"
            raise EnrolmentError(message)
        return check_distinct(_merchant(row) for row in body.get("merchant", []))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"the merchants' file is not TOML: {error}"
        raise EnrolmentError(message) from None
    except (KeyError, TypeError, AttributeError):
        message = "a [[merchant]] has id, branch, key and [[merchant.caps]]; see docs/signer.md"
        raise EnrolmentError(message) from None


def read_key(text: str) -> bytes:
    """Read a public key: 64 lower-case hex digits. Raises ``EnrolmentError``."""
    if not _KEY.fullmatch(text):
        message = "a merchant's key is an Ed25519 public key of 64 lower-case hex digits"
        raise EnrolmentError(message)
    return bytes.fromhex(text)


def _merchant(row: dict[str, Any]) -> EnrolledMerchant:
    if set(row) - {"caps"} != {"id", "branch", "key"}:
        raise TypeError
    caps = [_caps(table) for table in row.get("caps", [])]
    by_asset = {item.asset: item for item in caps}
    if len(by_asset) != len(caps):
        message = f"{row['id']}: an asset has two caps"
        raise EnrolmentError(message)
    return EnrolledMerchant(MerchantId(row["id"]), row["branch"], read_key(row["key"]), by_asset)


def _caps(table: dict[str, Any]) -> Caps:
    if set(table) != {"asset", "destinations", *_CAPS}:
        raise TypeError
    return Caps(
        asset=table["asset"],
        per_payout=table["per_payout"],
        per_window=table["per_window"],
        unlisted_per_window=table["unlisted_per_window"],
        destinations=tuple(dict.fromkeys(table["destinations"])),
    )


def _check_number(name: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        message = f"{name} must be an integer from {low} to {high}"
        raise EnrolmentError(message)
