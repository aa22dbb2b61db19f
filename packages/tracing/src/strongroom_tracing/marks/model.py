"""A mark: one place on a chain where stolen money was, as somebody reported it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from strongroom_core.assets import asset_by_id
from strongroom_core.errors import StrongroomError
from strongroom_tracing.marks.errors import BadMarkError

MAX_TEXT: Final = 500
_TEXTS: Final = ("claim", "chain", "where", "asset", "reporter", "reference")
_CLAIM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BASE_UNITS: Final = re.compile(r"[1-9][0-9]{0,77}")
_OUTPOINT: Final = re.compile(r"[0-9a-f]{64}:(0|[1-9][0-9]{0,9})")
_CONTROL: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)  # with the marks of writing direction, what nobody sees, and halves of pairs that no file can hold


class Place(StrEnum):
    """What kind of place is marked."""

    OUTPUT = "output"  # txid:vout
    ADDRESS = "address"  # all that it received up to a height
    TRANSFER = "transfer"  # of an account chain, by its name there


@dataclass(frozen=True, slots=True)
class CaseMark:
    """One report.

    ``claim`` names the theft; several marks may share it. ``amount`` is in base units of ``asset`` (CAIP-19), None:
    all. ``through`` is the last height of which an address mark takes what was received, None for other places.
    ``reported`` is the day that the reporter names. Order in the file is the order of report, and the first report
    wins.
    """

    claim: str
    chain: str
    place: Place
    where: str
    asset: str
    amount: int | None
    through: int | None
    reporter: str
    reference: str
    reported: date

    def __post_init__(self) -> None:
        """Refuse a mark that says too little, or what cannot be. Raises ``BadMarkError``."""
        _check_words(self)
        _check_place(self)
        _check_amount(self)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes two reports the same one: the claim, and the place."""
        return self.claim, self.chain, self.where, self.asset

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON's own types; base units as text."""
        data = asdict(self)
        data["place"] = self.place.value
        data["amount"] = None if self.amount is None else str(self.amount)
        data["reported"] = self.reported.isoformat()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CaseMark:
        """Read what ``as_json`` gave. Raises ``BadMarkError``."""
        try:
            amount = None if data["amount"] is None else _base_units(data["amount"])
            place, reported = Place(data["place"]), date.fromisoformat(data["reported"])
            texts = {name: _text(data[name]) for name in _TEXTS}
            through = data["through"]
        except (KeyError, TypeError, ValueError) as error:
            message = f"this is no mark: {error}"
            raise BadMarkError(message) from None
        return cls(place=place, amount=amount, reported=reported, through=through, **texts)


def _base_units(value: object) -> int:
    if not isinstance(value, str) or not _BASE_UNITS.fullmatch(value):
        message = f"{value!r} is no text of base units above zero"
        raise ValueError(message)
    return int(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        message = f"{value!r} is no text"
        raise TypeError(message)
    return value


def _check_words(mark: CaseMark) -> None:
    if not _CLAIM.fullmatch(mark.claim):
        message = f"{mark.claim!r} is no name of a claim: letters, digits and . - _ make one, at most 64, as in theft-1"
        raise BadMarkError(message)
    for name in ("reporter", "reference", "where"):
        text = getattr(mark, name)
        if len(text) > MAX_TEXT or _CONTROL.search(text):
            message = (
                f"{name}: one line of at most {MAX_TEXT} characters, without control, direction or invisible characters"
            )
            raise BadMarkError(message)
    if not mark.reporter.strip():
        message = "say who reported it (reporter); a mark that nobody vouches for proves nothing"
        raise BadMarkError(message)


def _check_place(mark: CaseMark) -> None:
    if mark.place is Place.OUTPUT and not _OUTPOINT.fullmatch(mark.where):
        message = f"{mark.where!r} is no output: write txid:number, with 64 small hex digits, as in 9a27…c3e3:0"
        raise BadMarkError(message)
    if not mark.where:
        message = "say what is marked: an output (txid:number), an address or a transfer"
        raise BadMarkError(message)
    if mark.place is Place.ADDRESS:
        if type(mark.through) is not int or mark.through < 0:
            message = "an address mark needs the height through which its money counts (through)"
            raise BadMarkError(message)
    elif mark.through is not None:
        message = "only an address mark has a height through which its money counts (through)"
        raise BadMarkError(message)


def _check_amount(mark: CaseMark) -> None:
    try:
        asset = asset_by_id(mark.asset)
    except StrongroomError as error:
        raise BadMarkError(error.message) from None
    if asset.chain_id != mark.chain:
        message = f"{mark.asset} is not an asset of {mark.chain}"
        raise BadMarkError(message)
    if mark.amount is None:
        return
    if type(mark.amount) is not int or mark.amount <= 0:
        message = "an amount is above zero; leave it out where all is stolen"
        raise BadMarkError(message)
    if mark.place is Place.ADDRESS:
        message = (
            "an address is marked whole, for which of its outputs would be stolen? Mark outputs with amounts instead"
        )
        raise BadMarkError(message)
