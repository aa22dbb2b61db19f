"""A case on account chains as a file of JSON, so that a question can be kept, read by people, and asked again.

    {"marks": [{"claim": "shop", "transfer": "0x…:coin0", "amount": "100"}],   in the order of report; no amount: all
     "thieves": [{"claim": "shop", "address": "0x…", "since": 1, "until": 9}],   whatever came to an address
     "stops": {"0x…": "Exchange"}, "pools": {"0x…": "Pool"},
     "bridges": [{"paid_in": "…", "paid_out": "…", "evidence": "…", "confidence": 90}],
     "openings": [{"address": "0x…", "asset": "eip155:1/slip44:60", "amount": "5"}],
     "smallest": {"eip155:1/slip44:60": "1000"},
     "genuine": [{"chain": "eip155:1", "contract": "0x…", "symbol": "X", "decimals": 18, "wraps": false,
                  "source": "…"}]}

Amounts are base units as decimal text. Everything may be left out but the marks or thieves; of a case of several
claims each entry of ``thieves`` says ``until``, a block that is there already (decision 0117).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from strongroom_tracing.accounts.errors import OpenEntryError, QuestionError, SourceError, UnknownTransferError
from strongroom_tracing.accounts.genuine import Genuine, Token
from strongroom_tracing.accounts.model import Bridge, Limits, Mark, Question
from strongroom_tracing.accounts.service import marks_into
from strongroom_tracing.accounts.sources.reading import number
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Direction, Policy

_PARTS: Final = ("marks", "thieves", "stops", "pools", "bridges", "openings", "smallest", "genuine")


class Case:
    """A case as it was read."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Check its parts' names. Raises ``QuestionError``."""
        unknown = sorted(set(data) - set(_PARTS))
        if unknown or not (data.get("marks") or data.get("thieves")):
            message = f"a case has marks or thieves, and of the rest any of {', '.join(_PARTS)}; not {unknown}"
            raise QuestionError(message)
        self._data = data

    @classmethod
    def read(cls, path: Path) -> Case:
        """Read a file. Raises ``QuestionError``."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"), parse_float=_no_float)
        except (OSError, ValueError) as error:
            message = f"{path} is no case: {error}"
            raise QuestionError(message) from None
        if not isinstance(data, dict):
            message = f"{path} is no case: it holds no object"
            raise QuestionError(message)
        return cls(data)

    def genuine(self) -> Genuine:
        """Give the contracts to believe: those of this release and those of the case."""
        try:
            return Genuine.committed().plus(
                *(Token(**{**one, "contract": one["contract"].lower()}) for one in self._data.get("genuine", ()))
            )
        except (TypeError, KeyError, AttributeError) as error:
            message = f"a genuine contract of the case is not whole: {error}"
            raise QuestionError(message) from None

    def question(
        self, transfers: Transfers, policy: Policy, direction: Direction, *, stops: Mapping[str, str] | None = None,
        smallest: Mapping[str, int] | None = None, absent: list[str] | None = None, hops: int | None = None,
        block: int | None = None, busy: int | None = None, swap_events: bool = False,
    ) -> Question:  # fmt: skip
        """Make the question; ``stops`` (of tags) give way to those of the case, ``smallest`` goes before its own.

        ``absent``: marks and bridges whose transfers the index does not have are left out, and noted in it. Raises
        ``QuestionError`` (also ``OpenEntryError``), ``UnknownTransferError``.
        """
        data = self._data
        try:
            least = {asset: number(amount) for asset, amount in data.get("smallest", {}).items()}
            return Question(
                policy=policy,
                direction=direction,
                marks=self._marks(transfers, absent),
                stops={**(stops or {}), **data.get("stops", {})},
                pools=data.get("pools", {}),
                bridges=self._bridges(transfers, absent),
                openings={(one["address"], one["asset"]): number(one["amount"]) for one in data.get("openings", ())},
                limits=Limits(hops, least | {**(smallest or {})}, block, busy),
                swap_events=swap_events,
            )
        except (TypeError, KeyError, AttributeError, SourceError) as error:
            message = f"a part of the case is not whole: {error}"
            raise QuestionError(message) from None

    def _bridges(self, transfers: Transfers, absent: list[str] | None) -> tuple[Bridge, ...]:
        found = []
        for one in (Bridge(**data) for data in self._data.get("bridges", ())):
            gone = [name for name in (one.paid_in, one.paid_out) if absent is not None and not _has(transfers, name)]
            if absent is not None and gone:
                absent += [f"{name} of a bridge" for name in gone]
            else:
                found.append(one)
        return tuple(found)

    def _marks(self, transfers: Transfers, absent: list[str] | None) -> tuple[Mark, ...]:
        marks = [
            Mark(one["claim"], one["transfer"], None if one.get("amount") is None else number(one["amount"]))
            for one in self._data.get("marks", ())
        ]
        self._check_entries(max(height for height, _ in transfers.tips()) if absent is None else None)
        for one in self._data.get("thieves", ()):
            marks += marks_into(transfers, **one)
        if absent is not None:
            absent += [f"{mark.transfer} of {mark.claim}" for mark in marks if not _has(transfers, mark.transfer)]
            return tuple(mark for mark in marks if _has(transfers, mark.transfer))
        if not marks:
            message = "nothing in the index is marked: no payment came to the thieves' addresses in those blocks"
            raise QuestionError(message)
        return tuple(marks)

    def _check_entries(self, newest: int | None) -> None:
        """Refuse to mark money that is still to come for one claim of several: who reports it then would lose it.

        ``newest``: the newest block, where the chain does not change meanwhile.
        """
        entries = self._data.get("thieves", ())
        claims = sorted({one["claim"] for one in (*self._data.get("marks", ()), *entries)})
        for one in entries if len(claims) > 1 else ():
            until = one.get("until")
            if until is None or (newest is not None and until > newest):
                most = "" if newest is None else f", at most {newest}"
                message = (
                    f"the entry of {one['claim']!r:.60} for {one['address']!r:.60} would also mark what comes there "
                    f"later, and so take it from whichever claim reports it then: state its last block as until{most}"
                )
                raise OpenEntryError(message)


def _has(transfers: Transfers, name: str) -> bool:
    try:
        transfers.find(name)
    except UnknownTransferError:
        return False
    return True


def _no_float(text: str) -> Any:
    message = f"{text} is no whole number; amounts are base units as text"
    raise ValueError(message)
