"""Transfers from files that ethereum-etl exported: JSON lines, CSV or Parquet, one file for each kind of thing.

Source: blockchain-etl/ethereum-etl, docs/schema.md. Needed: blocks and transactions with their receipts' columns (or a
file of receipts); logs, or where they are missing its token transfers; traces where there are some. A file holds a
range of blocks, and is read as a whole: export ranges of a size that fits in memory, and build range after range.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from strongroom_tracing.accounts.errors import SourceError
from strongroom_tracing.accounts.model import WORD_BYTES, Block, BlockTransfers
from strongroom_tracing.accounts.sources.calls import Call, from_calls, from_etl
from strongroom_tracing.accounts.sources.decoding import (
    GWEI,
    TRANSFER,
    ChainTx,
    Issue,
    Log,
    block_transfers,
)
from strongroom_tracing.accounts.sources.reading import (
    address,
    address_or_none,
    data,
    digest,
    number,
    optional,
    take,
    unix_time,
)

Row = Mapping[str, Any]
_TOLD: Final = ("logs", "token transfers", "traces")


@dataclass(frozen=True, slots=True)
class EtlFiles:
    """The files of one export."""

    blocks: Path
    transactions: Path
    logs: Path | None = None
    token_transfers: Path | None = None
    receipts: Path | None = None
    traces: Path | None = None


def rows_of(path: Path) -> Iterator[Row]:
    """Read a file's rows by its ending: .parquet, .csv, else JSON lines or one JSON array. Raises ``SourceError``."""
    try:
        if path.suffix == ".parquet":
            yield from pq.read_table(path).to_pylist()
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                yield from csv.DictReader(file)
        else:
            yield from _json_rows(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {error}"
        raise SourceError(message) from error


def _json_rows(text: str) -> Iterator[Row]:
    if text.lstrip().startswith("["):
        yield from json.loads(text)
    else:
        for line in text.splitlines():
            if line.strip():
                yield json.loads(line)


class EtlSource:
    """One export, as a source of blocks."""

    def __init__(self, chain: str, files: EtlFiles) -> None:
        """Read the files. Raises ``SourceError``."""
        self.chain = chain
        self.traced = files.traces is not None
        self._heads = {number(take(row, "number")): row for row in rows_of(files.blocks)}
        if not self._heads:
            message = f"{files.blocks} has no blocks"
            raise SourceError(message)
        self.first = min(self._heads)
        receipts = (
            {} if files.receipts is None else {take(row, "transaction_hash"): row for row in rows_of(files.receipts)}
        )
        self._txs = _grouped(files.transactions, "block_number")
        self._receipts = receipts
        self._traces = _grouped(files.traces, "block_number")
        self._logs = _grouped(files.logs, "block_number")
        self._token_transfers = _grouped(None if files.logs else files.token_transfers, "block_number")

    def tip(self) -> tuple[int, bytes]:
        """Give the last block of the files."""
        last = max(self._heads)
        return last, digest(take(self._heads[last], "hash"))

    def hash_at(self, height: int) -> bytes | None:
        """Give the hash of a block; None where the files do not have it."""
        head = self._heads.get(height)
        return None if head is None else digest(take(head, "hash"))

    def blocks(self, first: int, last: int) -> Iterator[BlockTransfers]:
        """Read blocks in order. Raises ``SourceError`` where one is missing."""
        for height in range(first, last + 1):
            if height not in self._heads:
                message = f"block {height} is not in the files, which begin with {self.first}"
                raise SourceError(message)
            yield self._block(height, self._heads[height])

    def _block(self, height: int, head: Row) -> BlockTransfers:
        block = Block(
            height, digest(take(head, "hash")), digest(take(head, "parent_hash")), unix_time(take(head, "timestamp"))
        )
        base = optional(head.get("base_fee_per_gas"))
        rows = self._txs.get(height, ())
        receipts = [self._receipts.get(take(row, "hash"), row) for row in rows]
        told = (self._logs.get(height, ()), self._token_transfers.get(height, ()), self._traces.get(height, ()))
        _check_same_block(block, ("chain txs", rows), ("receipts", receipts), *zip(_TOLD, told, strict=True))
        txs = [_chain_tx(row, receipt, base) for row, receipt in zip(rows, receipts, strict=True)]
        _check_count(block, head, txs)
        index = {tx.txid: tx.index for tx in txs}
        logs = [_log(row) for row in told[0]]
        logs += [_token_log(row, index) for row in told[1]]
        if any(index.get(log.txid) != log.tx_index for log in logs):
            message = f"logs of block {height} are of chain txs that it does not have: export both anew"
            raise SourceError(message)
        calls, rewards = _calls(told[2])
        if self.traced:
            _check_traced(block, index, calls)
        inner = {txid: from_calls(found) for txid, found in calls.items()}
        issues = [
            Issue(address(one["address"]), number(one["amount"]) * GWEI) for one in _list(head.get("withdrawals"))
        ]
        return block_transfers(block, address(take(head, "miner")), txs, logs, inner, issues + rewards)


def _grouped(path: Path | None, column: str) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    if path is not None:
        for row in rows_of(path):
            found[number(take(row, column))].append(row)
    return dict(found)


def _list(value: object) -> Sequence[Any]:
    """Read a list that CSV writes as JSON text."""
    if isinstance(value, str):
        return list(json.loads(value)) if value else []
    return list(value) if isinstance(value, list | tuple) else []


def _chain_tx(row: Row, receipt: Row, base: int) -> ChainTx:
    prefix = "" if receipt is not row else "receipt_"
    used = number(take(receipt, f"{prefix}gas_used"))
    price = optional(receipt.get(f"{prefix}effective_gas_price") or row.get("gas_price"))
    status = receipt.get(f"{prefix}status")
    created = address_or_none(receipt.get(f"{prefix}contract_address"))
    blobs = optional(receipt.get(f"{prefix}blob_gas_used")) * optional(receipt.get(f"{prefix}blob_gas_price"))
    return ChainTx(
        txid=digest(take(row, "hash")),
        index=number(take(row, "transaction_index")),
        sender=address(take(row, "from_address")),
        recipient=address_or_none(row.get("to_address")) or created,
        value=optional(row.get("value")),
        success=status in (None, "") or number(status) == 1,
        fee=used * price + blobs + optional(receipt.get(f"{prefix}l1_fee")),
        tip=used * max(0, price - base),
    )


def _log(row: Row) -> Log:
    topics = take(row, "topics")
    if isinstance(topics, str):
        topics = [one for one in topics.split(",") if one]
    return Log(
        digest(take(row, "transaction_hash")), number(take(row, "transaction_index")), number(take(row, "log_index")),
        address(take(row, "address")), tuple(data(one) for one in topics or ()), data(row.get("data") or "0x"),
    )  # fmt: skip


_PADDING: Final = bytes(12)
_NOWHERE: Final = -1


def _token_log(row: Row, index: Mapping[bytes, int]) -> Log:
    """Write a row of token transfers as the log that it was made from (which of two standards is not told)."""
    txid = digest(take(row, "transaction_hash"))
    place = index.get(txid, _NOWHERE)
    ends = (_PADDING + address(take(row, name)) for name in ("from_address", "to_address"))
    value = number(take(row, "value")).to_bytes(WORD_BYTES, "big")
    return Log(
        txid, place, number(take(row, "log_index")), address(take(row, "token_address")), (TRANSFER, *ends), value
    )


def _calls(rows: Sequence[Row]) -> tuple[dict[bytes, list[Call]], list[Issue]]:
    calls: dict[bytes, list[Call]] = defaultdict(list)
    rewards: list[Issue] = []
    for row in rows:
        if row.get("transaction_hash"):
            calls[digest(row["transaction_hash"])].append(from_etl(row))
        elif row.get("trace_type") in ("reward", "genesis", "daofork"):
            rewards.append(Issue(address(take(row, "to_address")), number(take(row, "value"))))
    return dict(calls), rewards


def _check_same_block(block: Block, *told: tuple[str, Sequence[Row]]) -> None:
    """Refuse rows of another block of that height. All but chain txs may leave out which one they are of."""
    for what, rows in told:
        for row in rows:
            named = take(row, "block_hash") if what == "chain txs" else row.get("block_hash")
            if named not in (None, "") and digest(named) != block.block_hash:
                message = f"{what} of block {block.height} are of another block of that height: export both anew"
                raise SourceError(message)


def _check_count(block: Block, head: Row, txs: Sequence[ChainTx]) -> None:
    """Refuse a block of which chain txs are missing, or there twice: its own count is compared where it is given."""
    count = head.get("transaction_count")
    due = len(txs) if count in (None, "") else number(count)
    if sorted(tx.index for tx in txs) != list(range(due)):
        message = f"the files do not have all chain txs of block {block.height} once: it has {due}, they {len(txs)}"
        raise SourceError(message)


def _check_traced(block: Block, index: Mapping[bytes, int], calls: Mapping[bytes, Sequence[Call]]) -> None:
    """Refuse traces that leave out a chain tx: each has a top-level call, if it did nothing more."""
    whole = {txid for txid, found in calls.items() if any(not call.place for call in found)}
    if whole != set(index) or len(calls) != len(whole):
        message = f"the traces of block {block.height} are not those of its chain txs: export them anew"
        raise SourceError(message)
