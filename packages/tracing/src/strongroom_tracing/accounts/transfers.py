"""The transfers of one or more account chains, numbered in the order in which they are followed.

Nothing is read but what is asked for: the columns are mapped into memory (``columns``), and chain txs are read one by
one as a trace comes to them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from strongroom_tracing.accounts import finding
from strongroom_tracing.accounts.chains import Chain, ChainPart
from strongroom_tracing.accounts.columns import NONE, Ints
from strongroom_tracing.accounts.errors import QuestionError, UnknownTransferError
from strongroom_tracing.accounts.genuine import Genuine
from strongroom_tracing.accounts.model import Kind
from strongroom_tracing.accounts.numbering import Numbers
from strongroom_tracing.accounts.placing import placings
from strongroom_tracing.accounts.rows import Naming, Row, Tx, read_tx

_TXS_KEPT: Final = 4096
_HOLDINGS_KEPT: Final = 256
_ANSWERS_KEPT: Final = 1 << 16
_PIECE: Final = 1024  # rows
_DIGITS: Final = 18  # of a height


class Transfers:
    """Rows by number, in the order of time. A holding is an (address number, asset number); ``NONE`` (-1) is nobody.

    For one thread: numbers are given as they are needed.
    """

    def __init__(self, parts: Sequence[ChainPart], genuine: Genuine | None = None) -> None:
        """Put chains together. The time of blocks orders several, so each of them has to have its blocks."""
        self.genuine = genuine or Genuine.committed()
        self._chains = [Chain(part, self.genuine) for part in parts]
        if len(parts) > 1 and any(len(one.heights) == 0 for one in self._chains):
            message = (
                "several chains are put in order by the time of their blocks, and one of them comes without blocks"
            )
            raise QuestionError(message)
        self.chains = tuple(part.chain for part in parts)
        self.untraced = tuple(part.chain for part in parts if not part.traced)
        self.rows = sum(chain.row_base[-1] for chain in self._chains)
        self.txs = sum(chain.tx_base[-1] for chain in self._chains)
        self._row_places, self._tx_places = placings(self._chains)
        self.numbers = Numbers(self.chains)
        self._naming = Naming(
            self.numbers.address, self.numbers.asset_of, self.numbers.contract_of,
            lambda asset: self.numbers.asset(asset) in self.genuine.assets,
            lambda asset: self.numbers.asset(asset) in self.genuine.wrapping,
        )  # fmt: skip
        self._read = lru_cache(_TXS_KEPT)(self._read_tx)
        self.sides = lru_cache(_HOLDINGS_KEPT)(self._sides)
        self.is_busy = lru_cache(_ANSWERS_KEPT)(self._is_busy)

    def _range_of_row(self, row: int) -> tuple[int, int, int]:
        """Give the chain, the range, and the row within it."""
        chain, own = self._row_places.own(row)
        number = self._chains[chain].range_of_row(own)
        return chain, number, own - self._chains[chain].row_base[number]

    def _range_of_tx(self, tx: int) -> tuple[int, int, int]:
        chain, own = self._tx_places.own(tx)
        number = self._chains[chain].range_of_tx(own)
        return chain, number, own - self._chains[chain].tx_base[number]

    def tx_of(self, row: int) -> int:
        """Give the number of a row's chain tx."""
        chain, number, at = self._range_of_row(row)
        here = self._chains[chain]
        own = here.tx_base[number] + int(here.ranges[number]["row_tx"][at])
        return int(self._tx_places.over_all(chain, np.array([own]))[0])

    def _read_tx(self, tx: int) -> Tx:
        chain, number, at = self._range_of_tx(tx)
        here = self._chains[chain]
        first = here.row_base[number] + int(here.ranges[number]["tx_first"][at])
        over_all = int(self._row_places.over_all(chain, np.array([first]))[0])
        return read_tx(here.ranges[number], at, over_all, chain, self._naming)

    def rows_of_tx(self, tx: int) -> tuple[Row, ...]:
        """Give the rows of a chain tx."""
        return self._read(tx).rows

    def end_of_tx(self, tx: int) -> int:
        """Give the number that follows a chain tx's last row."""
        found = self._read(tx)
        return found.first + len(found.rows)

    def at(self, row: int) -> Row:
        """Give a row."""
        found = self._read(self.tx_of(row))
        return found.rows[row - found.first]

    def value(self, row: int) -> int:
        """Give what a row moves, in base units."""
        chain, number, at = self._range_of_row(row)
        columns = self._chains[chain].ranges[number]
        if columns["tx_wraps"][columns["row_tx"][at]]:  # rows stand in another order there
            return self.at(row).value
        return int.from_bytes(columns["value"][at].tobytes(), "big")

    def height_of(self, row: int) -> int:
        """Give the height of a row's block."""
        chain, number, at = self._range_of_row(row)
        columns = self._chains[chain].ranges[number]
        return int(columns["tx_block"][columns["row_tx"][at]])

    def block_hash(self, chain: str, height: int) -> str:
        """Give the hash of a block in hex; empty where the index does not have it."""
        return self._chains[self.chains.index(chain)].hash_at(height)

    def chain_number(self, row: int) -> int:
        """Give the number of a row's chain."""
        return self._row_places.own(row)[0]

    def chain_of(self, row: int) -> str:
        """Give a row's chain."""
        return self.chains[self.chain_number(row)]

    def address_text(self, address: int) -> str:
        """Write an address; empty for nobody."""
        return "" if address == NONE else "0x" + self.numbers.address_bytes(address).hex()

    def find_address(self, text: str) -> int:
        """Give the number of an address written in any case. Raises ``QuestionError``."""
        return self.numbers.find_address(text)

    def name(self, row: int) -> str:
        """Write a transfer's name; see model.py."""
        chain, number, at = self._range_of_row(row)
        columns, this = self._chains[chain].ranges[number], self.at(row)
        tx = int(columns["row_tx"][at])
        issued = this.kind == Kind.ISSUED
        where = str(int(columns["tx_block"][tx])) if issued else "0x" + columns["txid"][tx].tobytes().hex()
        prefix = f"{self.chains[chain]}/" if len(self.chains) > 1 else ""
        return f"{prefix}{where}:{this.kind.part}{this.place}"

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
        if where.isdecimal() and len(where) <= _DIGITS:
            txs = [
                self._tx_over_all(chain, base + tx)
                for chain, one in enumerate(self._chains)
                for columns, base in zip(one.ranges, one.tx_base, strict=False)
                for tx in columns.txs_at(int(where))[-1:]  # what a block gives by itself comes last in it
            ]
            return sorted(row.number for tx in txs for row in self.rows_of_tx(tx))
        try:
            return self.rows_of_txid(bytes.fromhex(where.removeprefix("0x")))
        except ValueError:
            return []

    def rows_of_txid(self, txid: bytes) -> list[int]:
        """Give the rows of a chain tx by its hash, the whole of which is compared."""
        txs = [
            self._tx_over_all(chain, base + tx)
            for chain, one in enumerate(self._chains)
            for columns, base in zip(one.ranges, one.tx_base, strict=False)
            for tx in columns.find_txid(txid)
        ]
        return sorted(row.number for tx in txs for row in self.rows_of_tx(tx))

    def _tx_over_all(self, chain: int, own: int) -> int:
        return int(self._tx_places.over_all(chain, np.array([own]))[0])

    def _sides(self, address: int, asset: int | None) -> Ints:
        """Give what an address pays and gets of an asset (None: of any) in order.

        The row times two, plus one where money comes in.
        """
        found = [np.zeros(0, np.int64)]
        for plain, whole in self._sides_by_range(address, asset):
            found += [
                plain,
                np.array([side for tx in whole for side in self._sides_of_tx(tx, address, asset)], np.int64),
            ]
        return np.sort(np.concatenate(found))

    def _is_busy(self, address: int, asset: int, limit: int) -> bool:
        """Say whether there are more sides than ``limit``, without reading chain txs that need not be read for that."""
        count, later = 0, dict[int, None]()  # a piece may end within a chain tx
        for plain, whole in self._sides_by_range(address, asset, 2 * limit + _PIECE):
            count += len(plain)
            later |= dict.fromkeys(whole)
            if count > limit:
                return True
        for tx in later:
            count += len(self._sides_of_tx(tx, address, asset))
            if count > limit:
                return True
        return False

    def _sides_by_range(
        self, address: int, asset: int | None, piece: int | None = None
    ) -> Iterator[tuple[Ints, list[int]]]:
        """Give of each range the sides where nothing wraps, and the chain txs that have to be read for the others.

        ``piece``: look at so many rows at a time, for whoever may have seen enough.
        """
        who = self.numbers.address_bytes(address)
        for chain in range(len(self.chains)) if asset is None else [self.numbers.chain_of_asset(asset)]:
            here = self._chains[chain]
            for number, columns in enumerate(here.ranges):
                at = columns.find_address(who)
                if at == NONE:
                    continue
                nobody = columns.find_address(self.numbers.contract_bytes(chain))
                contract = None if asset is None else columns.find_address(self.numbers.contract_bytes(asset))
                touching = columns.touching(at)
                step = piece or max(1, len(touching))
                for start in range(0, len(touching), step):
                    rows = touching[start : start + step]
                    found = finding.sides_of(columns, rows, at, contract, nobody, here.believed(number)[0])
                    yield self._over_all(chain, number, *found)

    def _over_all(self, chain: int, number: int, sides: Ints, txs: Ints) -> tuple[Ints, list[int]]:
        """Number a range's sides and chain txs over all."""
        here = self._chains[chain]
        rows = self._row_places.over_all(chain, sides // 2 + here.row_base[number])
        found: list[int] = self._tx_places.over_all(chain, txs + here.tx_base[number]).tolist()
        return rows * 2 + sides % 2, found

    def _sides_of_tx(self, tx: int, address: int, asset: int | None) -> list[int]:
        found = []
        for row in self.rows_of_tx(tx):
            if row.payer == address and asset in (None, row.payer_asset):
                found.append(row.number * 2)
            if row.payee == address and asset in (None, row.payee_asset):
                found.append(row.number * 2 + 1)
        return found

    def ignored_at(self, addresses: Iterable[int]) -> list[Row]:
        """Give the rows at these addresses that are ignored for a reason, in order."""
        found: set[int] = set()
        for address in addresses:
            who = self.numbers.address_bytes(address)
            for chain, one in enumerate(self._chains):
                for number in range(len(one.ranges)):
                    found.update(self._ignored_in(chain, number, who))
        return [self.at(row) for row in sorted(found)]

    def _ignored_in(self, chain: int, number: int, who: bytes) -> list[int]:
        here = self._chains[chain]
        columns = here.ranges[number]
        address = columns.find_address(who)
        if address == NONE:
            return []
        rows = finding.ignored_at(columns, address, *here.believed(number))
        base = here.row_base[number]
        alone, whole = finding.apart(columns, rows)
        found: list[int] = self._row_places.over_all(chain, alone + base).tolist()
        ignored = set(rows.tolist())
        for tx in whole.tolist():
            read = self._read(self._tx_over_all(chain, tx + here.tx_base[number]))
            found += [read.first + place for row, place in read.place_of.items() if row in ignored]
        return found

    def tips(self) -> list[tuple[int, str]]:
        """Give the newest block of each chain: height, hash in hex (empty where only transfers are known)."""
        return [one.tip for one in self._chains]

    def dataset_hash(self, height: int | None = None) -> str:
        """Name the data up to ``height``: sha256 over each chain's id, first height, and its blocks.

        Of each block its hash, and that of its time and rows (``columns``): an index that lacks rows has another name.

        Of transfers that come without blocks: over the rows themselves.
        """
        digest = hashlib.sha256()
        for one in self._chains:
            digest.update(one.name.encode() + b"\0" + one.data(height))
        return digest.hexdigest()
