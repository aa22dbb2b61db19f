"""One chain tx read from the columns: who pays whom what, in the order in which it is followed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from strongroom_tracing.accounts.columns import NONE, Columns
from strongroom_tracing.accounts.model import NOBODY, Ignored, Kind
from strongroom_tracing.accounts.ordering import Piece, merged

TOKENS: Final = frozenset({Kind.TOKEN, Kind.WRAP, Kind.UNWRAP})
_WRAPS: Final = frozenset({Kind.WRAP, Kind.UNWRAP})
_GIVEN: Final = frozenset({Kind.TIP, Kind.ISSUED})  # by nobody


@dataclass(frozen=True, slots=True)
class Row:
    """A row. ``payer`` with ``payer_asset`` pays ``value`` base units to ``payee`` in ``payee_asset``.

    Addresses and assets are numbers of ``Transfers``; ``NONE`` (-1) is nobody. The assets differ where coin is wrapped.
    A row that does not move anything has neither payer nor payee; ``reason`` says why, where it matters.
    """

    number: int
    chain: int
    kind: Kind
    place: int
    value: int
    sender: int
    recipient: int
    asset: int
    payer: int
    payee: int
    payer_asset: int
    payee_asset: int
    moves: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Naming:
    """What reading needs to know beyond the columns: numbers of addresses and assets, and who is believed.

    ``asset_of`` gives an asset's number for a contract's bytes, ``contract_of`` its contract's address number.
    """

    address: Callable[[bytes], int]
    asset_of: Callable[[int, bytes], int]
    contract_of: Callable[[int], int]
    believed: Callable[[int], bool]
    wrapping: Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Tx:
    """A chain tx read: its rows in order, and where each row of the columns went."""

    first: int
    rows: tuple[Row, ...]
    place_of: dict[int, int]


def read_tx(columns: Columns, tx: int, first: int, chain: int, naming: Naming) -> Tx:
    """Read a chain tx of a range by its number there; ``first`` is the number that its first row gets."""
    rows = range(int(columns["tx_first"][tx]), int(columns["tx_first"][tx + 1]))
    pieces = _pieces(columns, rows, chain, naming)
    order, paired = list(rows), dict[int, int]()
    if columns["tx_wraps"][tx] and any(piece.wraps for piece, _ in pieces):
        order, paired = merged([piece for piece, _ in pieces])
    part_of_wrap = frozenset(paired.values())
    places = columns["place"][rows.start : rows.stop].tolist()
    found, start = [], rows.start
    for number, row in enumerate(order, first):
        piece, asset = pieces[row - start]
        told = row in part_of_wrap
        found.append(_row(piece, number, chain, asset, places[row - start], naming, told_by_wrap=told))
    return Tx(first, tuple(found), {row: place for place, row in enumerate(order)})


def _pieces(columns: Columns, rows: range, chain: int, naming: Naming) -> list[tuple[Piece, int]]:
    here = slice(rows.start, rows.stop)
    ends = (columns[name][here].tolist() for name in ("kind", "sender", "recipient", "contract"))
    found = []
    for row, number, payer, payee, token in zip(rows, *ends, strict=True):
        kind, asset = Kind(number), naming.asset_of(chain, columns.address(token))
        sender, recipient = naming.address(columns.address(payer)), naming.address(columns.address(payee))
        wraps = kind in _WRAPS and naming.wrapping(asset)
        value = columns["value"][row].tobytes()
        found.append((Piece(row, kind, sender, recipient, naming.contract_of(asset), value, wraps), asset))
    return found


def _row(
    piece: Piece, number: int, chain: int, asset: int, place: int, naming: Naming, *, told_by_wrap: bool
) -> Row:  # fmt: skip
    kind, value = piece.kind, int.from_bytes(piece.value, "big")
    reason = _reason(kind, value, asset, naming)
    payer, payee, payer_asset, payee_asset = piece.sender, piece.recipient, asset, asset
    if kind == Kind.WRAP:
        payer, payer_asset = piece.recipient, chain  # assets begin with each chain's coin
    elif kind == Kind.UNWRAP:
        payee, payee_asset = piece.sender, chain
    elif kind in _GIVEN or (kind == Kind.TOKEN and piece.sender == naming.address(NOBODY)):
        payer = NONE
    elif kind == Kind.GAS:
        payee = NONE
    moves = bool(value) and not reason and kind != Kind.SWAP and not told_by_wrap
    if not moves:
        payer, payee = NONE, NONE
    return Row(
        number, chain, kind, place, value, piece.sender, piece.recipient, asset, payer, payee, payer_asset,
        payee_asset, moves, reason,
    )  # fmt: skip


def _reason(kind: Kind, value: int, asset: int, naming: Naming) -> str:
    """Say why a row moves nothing; empty where it does, or where nobody would expect it to."""
    if kind == Kind.NFT:
        return str(Ignored.NOT_FUNGIBLE)
    if kind not in TOKENS:
        return ""
    if not naming.believed(asset):
        return str(Ignored.NOT_GENUINE)
    if not value:
        return str(Ignored.ZERO_VALUE)
    return str(Ignored.NOT_WRAPPING) if kind in _WRAPS and not naming.wrapping(asset) else ""
