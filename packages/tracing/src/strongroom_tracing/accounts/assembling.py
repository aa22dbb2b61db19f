"""From the tables of one or more chains to the arrays of ``Transfers``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.accounts.genuine import Genuine, coin_asset, token_asset
from strongroom_tracing.accounts.model import ADDRESS_BYTES, NOBODY, WORD_BYTES, Ignored, Kind
from strongroom_tracing.accounts.ordering import Piece, merged

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
NONE: Final = -1
IGNORED: Final = tuple(Ignored)  # the number of a reason is its place here, from 1


@dataclass(frozen=True, slots=True)
class ChainTables:
    """A chain's canonical tables (pyarrow); ``blocks`` may be empty where only transfers are known.

    Not ``traced``: coin that moved inside of contract calls is not among them.
    """

    chain: str
    transfers: Any
    blocks: Any
    traced: bool = True


@dataclass(slots=True)
class Raw:
    """Rows of all chains in one order; assets and addresses are numbered."""

    chain: Ints
    block: Ints
    unix_time: Ints
    tx: Ints
    kind: Ints
    place: Ints
    txid: Bytes
    value: Bytes
    sender: Ints
    recipient: Ints
    asset: Ints
    assets: tuple[str, ...]
    addresses: Bytes
    contract_of: Ints  # address number of each asset's contract, NONE for coin


def fixed(column: Any, width: int) -> Bytes:
    """View a column of fixed-size binary as an array of (rows, width)."""
    if len(column) == 0:
        return np.zeros((0, width), np.uint8)
    array = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    array = array.chunk(0) if hasattr(array, "chunk") else array
    data = np.frombuffer(array.buffers()[1], np.uint8)
    start = array.offset * width
    return data[start : start + len(array) * width].reshape(-1, width)


def ints(column: Any) -> Ints:
    """Read a column of integers."""
    return np.asarray(column.to_numpy(), np.int64)


def assemble(chains: Sequence[ChainTables]) -> Raw:
    """Put chains together in the order of time, and within a chain of block, chain tx and place."""
    raw = _numbered(chains)
    rank = np.array([kind.rank for kind in Kind], np.int64)[raw.kind]
    order = np.lexsort((raw.place, rank, raw.tx, raw.block, raw.chain, raw.unix_time))
    _permute(raw, order)
    changes = np.ones(len(raw.tx), np.int64)
    if len(raw.tx):
        same = (raw.tx[1:] == raw.tx[:-1]) & (raw.block[1:] == raw.block[:-1]) & (raw.chain[1:] == raw.chain[:-1])
        changes[1:] = ~same
    raw.tx = np.cumsum(changes) - 1
    return raw


def _numbered(chains: Sequence[ChainTables]) -> Raw:
    stacked = {
        name: np.concatenate([fixed(one.transfers[name], width) for one in chains])
        for name, width in (
            *dict.fromkeys(("sender", "recipient", "contract"), ADDRESS_BYTES).items(),
            *dict.fromkeys(("txid", "value"), WORD_BYTES).items(),
        )
    }
    numbers = {
        name: np.concatenate([ints(one.transfers[name]) for one in chains])
        for name in ("block", "tx_index", "kind", "place")
    }
    chain = np.concatenate([np.full(one.transfers.num_rows, n, np.int64) for n, one in enumerate(chains)])
    both = np.concatenate([stacked["sender"], stacked["recipient"], stacked["contract"]])
    addresses, ids = _unique(both)
    rows = len(chain)
    sender, recipient, contract = ids[:rows], ids[rows : 2 * rows], ids[2 * rows :]
    assets, asset, contract_of = _assets([one.chain for one in chains], chain, contract, addresses)
    return Raw(
        chain, numbers["block"], _times(chains), numbers["tx_index"], numbers["kind"], numbers["place"],
        stacked["txid"], stacked["value"], sender, recipient, asset, assets, addresses, contract_of,
    )  # fmt: skip


def _unique(rows: Bytes) -> tuple[Bytes, Ints]:
    """Number distinct rows of bytes in their order."""
    whole = np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").ravel()
    distinct, ids = np.unique(whole, return_inverse=True)
    return distinct.view(np.uint8).reshape(-1, rows.shape[1]), ids.astype(np.int64).ravel()


def _assets(names: Sequence[str], chain: Ints, contract: Ints, addresses: Bytes) -> tuple[tuple[str, ...], Ints, Ints]:
    """Number the assets: every chain's coin first, then tokens in the order of their names."""
    width = max(1, len(addresses))
    pairs, ids = np.unique(chain * width + contract, return_inverse=True)
    found = []
    for pair in pairs.tolist():
        of, who = divmod(pair, width)
        raw = addresses[who].tobytes()
        name = coin_asset(names[of]) if raw == NOBODY else token_asset(names[of], "0x" + raw.hex())
        found.append((name, NONE if raw == NOBODY else who))
    coins = [coin_asset(name) for name in names]
    known = {name: who for name, who in found if who != NONE}
    assets = (*coins, *sorted(known))
    number = {name: n for n, name in enumerate(assets)}
    table = np.array([number[name] for name, _ in found], np.int64)
    contract_of = np.array([known.get(name, NONE) for name in assets], np.int64)
    return assets, table[ids.ravel()] if len(table) else np.zeros(0, np.int64), contract_of


def _times(chains: Sequence[ChainTables]) -> Ints:
    """Give every row its block's time; of several chains all blocks have to be known."""
    found = []
    for one in chains:
        block, height, time = (ints(column) for column in (
            one.transfers["block"], one.blocks["block"], one.blocks["unix_time"]))  # fmt: skip
        if len(height) == 0:
            found.append(np.zeros(len(block), np.int64))
            continue
        found.append(np.maximum.accumulate(time)[np.searchsorted(height, block).clip(0, len(height) - 1)])
    return np.concatenate(found)


def _permute(raw: Raw, order: Ints) -> None:
    for name in ("chain", "block", "unix_time", "tx", "kind", "place", "txid", "value", "sender", "recipient", "asset"):
        setattr(raw, name, getattr(raw, name)[order])


def interleave(raw: Raw, genuine: Genuine) -> dict[int, int]:
    """Bring coin and logs into one order in the chain txs that wrap; gives {row of a wrap: row of its coin}."""
    wraps = np.isin(raw.kind, (Kind.WRAP, Kind.UNWRAP)) & is_one_of(raw, genuine.wrapping)
    starts = np.searchsorted(raw.tx, np.unique(raw.tx[wraps]), "left")
    ends = np.searchsorted(raw.tx, np.unique(raw.tx[wraps]), "right")
    order = np.arange(len(raw.tx), dtype=np.int64)
    paired: dict[int, int] = {}
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        rows, pairs = merged([_piece(raw, row, wraps=bool(wraps[row])) for row in range(start, end)])
        order[start:end] = rows
        paired |= pairs
    _permute(raw, order)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return {int(place[log]): int(place[coin]) for log, coin in paired.items()}


def _piece(raw: Raw, row: int, *, wraps: bool) -> Piece:
    kind = Kind(int(raw.kind[row]))
    contract = int(raw.contract_of[raw.asset[row]])
    return Piece(row, kind, int(raw.sender[row]), int(raw.recipient[row]), contract, raw.value[row].tobytes(), wraps)


def is_one_of(raw: Raw, assets: frozenset[str]) -> npt.NDArray[np.bool_]:
    """Say of each row whether its asset is one of these."""
    table = np.array([asset in assets for asset in raw.assets], np.bool_)
    return table[raw.asset] if len(raw.asset) else np.zeros(0, np.bool_)


def ignored(raw: Raw, genuine: Genuine) -> Bytes:
    """Say of each row why it moves nothing: 0 where it does, else the reason's place in ``IGNORED`` from 1."""
    reason = {name: IGNORED.index(name) + 1 for name in Ignored}
    found = np.zeros(len(raw.kind), np.uint8)
    token = np.isin(raw.kind, (Kind.TOKEN, Kind.WRAP, Kind.UNWRAP))
    wrap = np.isin(raw.kind, (Kind.WRAP, Kind.UNWRAP))
    found[wrap & ~is_one_of(raw, genuine.wrapping)] = reason[Ignored.NOT_WRAPPING]
    found[token & ~raw.value.any(axis=1)] = reason[Ignored.ZERO_VALUE]
    found[token & ~is_one_of(raw, genuine.assets)] = reason[Ignored.NOT_GENUINE]
    found[raw.kind == Kind.NFT] = reason[Ignored.NOT_FUNGIBLE]
    return found
