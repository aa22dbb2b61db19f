"""The transfers of one or more account chains in memory, numbered in the order in which they are followed."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.accounts.assembling import IGNORED, NONE, ChainTables, Ints, Raw, assemble, fixed, interleave
from strongroom_tracing.accounts.assembling import ignored as ignored_rows
from strongroom_tracing.accounts.errors import QuestionError, UnknownTransferError
from strongroom_tracing.accounts.genuine import Genuine, coin_asset
from strongroom_tracing.accounts.model import ADDRESS_BYTES, NOBODY, WORD_BYTES, Kind

_PREFIX_BYTES: Final = 8
_NO_ROWS: Final = np.zeros(0, np.int64)


class Transfers:
    """Rows by number. A holding is an (address number, asset number); ``NONE`` (-1) is nobody.

    Of row r: ``payer[r]`` with ``payer_asset[r]`` pays ``value(r)`` base units to ``payee[r]`` in ``payee_asset[r]``;
    the assets differ where coin is wrapped. Rows that move nothing have neither; ``reason(r)`` says why, where it
    matters.
    """

    def __init__(self, chains: Sequence[ChainTables], genuine: Genuine | None = None) -> None:
        """Assemble. The time of blocks orders several chains, so each of them has to have its blocks."""
        if len(chains) > 1 and any(one.blocks.num_rows == 0 for one in chains):
            message = (
                "several chains are put in order by the time of their blocks, and one of them comes without blocks"
            )
            raise QuestionError(message)
        self.genuine = genuine or Genuine.committed()
        self.chains = tuple(one.chain for one in chains)
        self.untraced = tuple(one.chain for one in chains if not one.traced)
        self._data = [_Data(one) for one in chains]
        raw = assemble(chains)
        self._paired = interleave(raw, self.genuine)
        self._raw = raw
        self.assets = raw.assets
        self.block, self.unix_time, self.tx, self.kind = raw.block, raw.unix_time, raw.tx, raw.kind
        self.asset, self.sender, self.recipient = raw.asset, raw.sender, raw.recipient
        self.contract_of = raw.contract_of
        self.ignored = ignored_rows(raw, self.genuine)
        self._set_sides(raw)
        self.tx_first = np.searchsorted(self.tx, np.arange(self.txs + 1))

    def _set_sides(self, raw: Raw) -> None:
        moves = (self.ignored == 0) & (raw.kind != Kind.SWAP) & raw.value.any(axis=1)
        moves[list(self._paired.values())] = False  # the wrap's own row says it
        payer, payee = raw.sender.copy(), raw.recipient.copy()
        payer_asset, payee_asset = raw.asset.copy(), raw.asset.copy()
        wrap, unwrap = raw.kind == Kind.WRAP, raw.kind == Kind.UNWRAP
        payer[wrap], payee[unwrap] = raw.recipient[wrap], raw.sender[unwrap]
        coin = np.array([self.assets.index(coin_asset(name)) for name in self.chains], np.int64)
        payer_asset[wrap], payee_asset[unwrap] = coin[raw.chain[wrap]], coin[raw.chain[unwrap]]
        nobody = self.find_address_bytes(NOBODY)
        payer[np.isin(raw.kind, (Kind.TIP, Kind.ISSUED)) | ((raw.kind == Kind.TOKEN) & (raw.sender == nobody))] = NONE
        payee[raw.kind == Kind.GAS] = NONE
        payer[~moves], payee[~moves] = NONE, NONE
        self.moves = moves
        self.payer, self.payee, self.payer_asset, self.payee_asset = payer, payee, payer_asset, payee_asset

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.kind)

    @property
    def txs(self) -> int:
        """How many chain txs (and blocks that pay by themselves)."""
        return int(self.tx[-1]) + 1 if len(self.tx) else 0

    def value(self, row: int) -> int:
        """Give what a row moves, in base units."""
        return int.from_bytes(self._raw.value[row].tobytes(), "big")

    def rows_of_tx(self, tx: int) -> range:
        """Give the rows of a chain tx."""
        return range(int(self.tx_first[tx]), int(self.tx_first[tx + 1]))

    def address_text(self, address: int) -> str:
        """Write an address; empty for nobody."""
        return "" if address == NONE else "0x" + self._raw.addresses[address].tobytes().hex()

    def find_address_bytes(self, address: bytes) -> int:
        """Give the number of an address, NONE where the index does not have it."""
        place = int(np.searchsorted(self._address_keys, np.frombuffer(address, f"V{ADDRESS_BYTES}")[0]))
        found = place < len(self._address_keys) and self._address_keys[place].tobytes() == address
        return place if found else NONE

    @cached_property
    def _address_keys(self) -> npt.NDArray[np.void]:
        return np.ascontiguousarray(self._raw.addresses).view(f"V{ADDRESS_BYTES}").ravel()

    def find_address(self, text: str) -> int:
        """Give the number of an address written in any case, NONE where the index does not have it."""
        try:
            raw = bytes.fromhex(text.lower().removeprefix("0x"))
        except ValueError:
            raw = b""
        if len(raw) != ADDRESS_BYTES:
            message = f"{text!r:.80} is no address: 0x and 40 hex digits are"
            raise QuestionError(message)
        return self.find_address_bytes(raw)

    def chain_number(self, row: int) -> int:
        """Give the number of a row's chain."""
        return int(self._raw.chain[row])

    def chain_of(self, row: int) -> str:
        """Give a row's chain."""
        return self.chains[self.chain_number(row)]

    def name(self, row: int) -> str:
        """Write a transfer's name; see model.py."""
        kind = Kind(int(self.kind[row]))
        chain = f"{self.chain_of(row)}/" if len(self.chains) > 1 else ""
        where = str(int(self.block[row])) if kind == Kind.ISSUED else "0x" + self._raw.txid[row].tobytes().hex()
        return f"{chain}{where}:{kind.part}{int(self._raw.place[row])}"

    def find(self, name: str) -> int:
        """Give the row of a transfer's name. Raises ``UnknownTransferError``."""
        wanted = name.lower()
        if len(self.chains) == 1:
            wanted = wanted.removeprefix(f"{self.chains[0]}/")
        for row in self._candidates(wanted):
            if self.name(row) == wanted:
                return row
        message = (
            f"{name!r:.120} is not in this index; a transfer is named <txid>:coin<n>, <txid>:log<n> or <txid>:gas0"
        )
        raise UnknownTransferError(message)

    def _candidates(self, name: str) -> list[int]:
        where = name.rpartition("/")[2].partition(":")[0]
        if where.isdecimal():
            blocks = (self.block == int(where)) & (self.kind == Kind.ISSUED)
            return [int(row) for row in np.flatnonzero(blocks)]
        try:
            return self.rows_of_txid(bytes.fromhex(where.removeprefix("0x")))
        except ValueError:
            return []

    def rows_of_txid(self, txid: bytes) -> list[int]:
        """Give the rows of a chain tx by its hash, the whole of which is compared."""
        keys, order = self._txid_keys
        key = int.from_bytes(txid[:_PREFIX_BYTES], "big")
        first, last = (int(np.searchsorted(keys, np.uint64(key), side)) for side in ("left", "right"))
        found = sorted(int(row) for row in order[first:last])
        return [row for row in found if self._raw.txid[row].tobytes() == txid]

    @cached_property
    def _txid_keys(self) -> tuple[npt.NDArray[np.uint64], Ints]:
        prefixes = np.ascontiguousarray(self._raw.txid[:, :_PREFIX_BYTES]).view(">u8").ravel().astype(np.uint64)
        order = np.argsort(prefixes, kind="stable")
        return prefixes[order], order.astype(np.int64)

    @cached_property
    def _sides(self) -> tuple[Ints, Ints]:
        """Holdings in order, and beside each a row twice, plus one where money comes in."""
        out, into = np.flatnonzero(self.payer != NONE), np.flatnonzero(self.payee != NONE)
        width = len(self.assets)
        keys = np.concatenate(
            [self.payer[out] * width + self.payer_asset[out], self.payee[into] * width + self.payee_asset[into]]
        )
        entries = np.concatenate([out * 2, into * 2 + 1]).astype(np.int64)
        order = np.lexsort((entries, keys))
        return keys[order], entries[order]

    def sides(self, address: int, asset: int) -> Ints:
        """Give what a holding pays and gets in order: the row times two, plus one where money comes in."""
        keys, entries = self._sides
        key = address * len(self.assets) + asset
        first, last = np.searchsorted(keys, key, "left"), np.searchsorted(keys, key, "right")
        return entries[first:last]

    def ignored_at(self, addresses: Sequence[int]) -> Ints:
        """Give the rows at these addresses that are ignored for a reason, in order."""
        if not addresses:
            return _NO_ROWS
        touched = np.isin(self.sender, addresses) | np.isin(self.recipient, addresses)
        return np.flatnonzero(touched & (self.ignored != 0)).astype(np.int64)

    def reason(self, row: int) -> str:
        """Say why a row is ignored; empty where it is not."""
        number = int(self.ignored[row])
        return str(IGNORED[number - 1]) if number else ""

    def tips(self) -> list[tuple[int, str]]:
        """Give the newest block of each chain: height, hash in hex (empty where only transfers are known)."""
        return [one.tip for one in self._data]

    def dataset_hash(self, height: int | None = None) -> str:
        """Name the data: sha256 over each chain's id, first height and the hashes of its blocks up to ``height``.

        Of transfers that come without blocks: over the rows themselves.
        """
        digest = hashlib.sha256()
        for one in self._data:
            digest.update(one.chain.encode() + b"\0" + one.name(height))
        return digest.hexdigest()


class _Data:
    """What names a chain's data, kept when its tables are not."""

    def __init__(self, tables: ChainTables) -> None:
        self.chain = tables.chain
        heights, blocks = tables.blocks["block"], tables.transfers["block"]
        self._heights = heights.to_numpy()
        self._hashes = fixed(tables.blocks["hash"], WORD_BYTES)
        self._rows = b""
        if len(self._heights):
            self.tip = int(self._heights[-1]), self._hashes[-1].tobytes().hex()
            return
        self.tip = int(blocks[-1].as_py()) if len(blocks) else -1, ""
        digest = hashlib.sha256()
        for column in tables.transfers.itercolumns():
            digest.update(fixed(column, column.type.bit_width // 8).tobytes())
        self._rows = digest.digest()

    def name(self, height: int | None) -> bytes:
        """Give the bytes that stand for the data up to a height."""
        if self._rows:
            return self._rows
        count = len(self._heights) if height is None else int(np.searchsorted(self._heights, height, "right"))
        return struct.pack(">q", int(self._heights[0])) + self._hashes[:count].tobytes()
