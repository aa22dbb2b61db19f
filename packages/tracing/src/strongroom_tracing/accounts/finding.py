"""Which rows of a range are an address's: what it pays and gets of an asset, and what is ignored at it.

Whole columns at a time, for the chain txs in which nothing is wrapped: there the rows stand in the columns' own order,
and each says by itself who pays whom (``rows`` says the same of one chain tx). Those that wrap are named apart.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from strongroom_tracing.accounts.columns import Columns, Ints
from strongroom_tracing.accounts.model import Kind

_COIN: Final = (Kind.GAS, Kind.VALUE, Kind.INTERNAL, Kind.TIP, Kind.ISSUED)
_GIVEN: Final = (Kind.TIP, Kind.ISSUED)
_WRAPS: Final = (Kind.WRAP, Kind.UNWRAP)
_TOKENS: Final = (Kind.TOKEN, *_WRAPS)


def apart(columns: Columns, rows: Ints) -> tuple[Ints, Ints]:
    """Part rows into those of chain txs that do not wrap, and the chain txs of the others."""
    txs = columns["row_tx"][rows].astype(np.int64)
    wraps = columns["tx_wraps"][txs] != 0
    return rows[~wraps], np.unique(txs[wraps])


def sides_of(
    columns: Columns, touching: Ints, address: int, contract: int | None, nobody: int, believed: Ints
) -> tuple[Ints, Ints]:
    """Give what an address pays and gets where nothing wraps, and the chain txs that have to be read whole.

    ``touching``: its rows, or a piece of them. A side is the row times two, plus one for what it gets. ``contract``
    None: of all assets; ``nobody``: the number of the zero address, which stands for the coin's contract.
    """
    rows, whole = apart(columns, touching)
    kind, contracts = columns["kind"][rows], columns["contract"][rows]
    coin = np.isin(kind, _COIN)
    moves = coin | ((kind == Kind.TOKEN) & np.isin(contracts, believed))
    if contract is not None:
        moves &= coin if contract == nobody else ~coin & (contracts == contract)
    rows = rows[moves]
    rows = rows[columns["value"][rows].any(axis=1)]
    kind = columns["kind"][rows]
    made = (kind == Kind.TOKEN) & (address == nobody)
    out = rows[(columns["sender"][rows] == address) & ~np.isin(kind, _GIVEN) & ~made]
    into = rows[(columns["recipient"][rows] == address) & (kind != Kind.GAS)]
    return np.concatenate([out * 2, into * 2 + 1]), whole


def ignored_at(columns: Columns, address: int, believed: Ints, wrapping: Ints) -> Ints:
    """Give the rows at an address that are ignored for a reason, whether or not their chain txs wrap."""
    rows = columns.touching(address)
    kind, contracts = columns["kind"][rows], columns["contract"][rows]
    token = np.isin(kind, _TOKENS)
    nothing = np.zeros(len(rows), np.bool_)
    nothing[token] = ~columns["value"][rows[token]].any(axis=1)
    foreign = ~np.isin(contracts, believed) | (np.isin(kind, _WRAPS) & ~np.isin(contracts, wrapping))
    found: Ints = rows[(kind == Kind.NFT) | (token & (foreign | nothing))]
    return found
