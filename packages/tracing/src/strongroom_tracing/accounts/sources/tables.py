"""Transfers from a table of somebody's own: CSV or Parquet with a row for each, and no blocks.

Columns: ``block``, ``txid``, ``from``, ``to``, ``value`` (base units, decimal), and where they are known ``contract``
(empty: the chain's coin), ``kind`` (a name of ``Kind`` in small letters), ``tx_index``, ``place``. Rows without a
``tx_index`` stand in a block in the order of the file. What such a table leaves out is not known to the trace either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from strongroom_tracing.accounts.errors import SourceError
from strongroom_tracing.accounts.model import Kind, Transfer
from strongroom_tracing.accounts.sources.etl import rows_of
from strongroom_tracing.accounts.sources.reading import address, address_or_none, digest, number, take


def read_transfers(path: Path) -> list[Transfer]:
    """Read a table; in chain order. Raises ``SourceError``."""
    return transfers_of(rows_of(path))


def transfers_of(rows: Iterable[Any]) -> list[Transfer]:
    """Make transfers of such rows."""
    txs: dict[tuple[int, bytes], int] = {}
    places: Counter[tuple[int, bytes, int]] = Counter()
    found = []
    for row in rows:
        block, txid = number(take(row, "block")), digest(take(row, "txid"))
        contract = address_or_none(row.get("contract")) or b""
        kind = _kind(row.get("kind"), contract)
        index = _given(row.get("tx_index"), txs.setdefault((block, txid), len(txs)))
        place = _given(row.get("place"), places[block, txid, kind.rank])
        places[block, txid, kind.rank] += 1
        ends = address(take(row, "from")), address(take(row, "to"))
        found.append(Transfer(block, index, kind, place, txid, *ends, contract, number(take(row, "value"))))
    return sorted(found, key=lambda one: one.order)


def _given(value: object, otherwise: int) -> int:
    return otherwise if value in (None, "") else number(value)


def _kind(name: object, contract: bytes) -> Kind:
    if name in (None, ""):
        return Kind.TOKEN if contract else Kind.VALUE
    try:
        return Kind[str(name).upper()]
    except KeyError:
        message = f"{name!r:.40} is no kind of transfer; these are: {', '.join(kind.name.lower() for kind in Kind)}"
        raise SourceError(message) from None
