"""Clusters, reasons, change links and peeling chains as Arrow tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import pyarrow as pa

from strongroom_tracing.clusters.changes import ChangeLink
from strongroom_tracing.clusters.model import Clusters, Joint
from strongroom_tracing.clusters.peeling import PeelingChain
from strongroom_tracing.columns import Columns

AddressText = Callable[[int], str]
"""Gives an address as people write it, by its number; an index has it."""

MEMBERS: Final = pa.schema([("cluster", pa.int64()), ("number", pa.int64()), ("address", pa.string())])
REASONS: Final = pa.schema(
    [("address", pa.string()), ("other", pa.string()), ("txid", pa.string()), ("height", pa.int64())]
)
CHANGES: Final = pa.schema(
    [
        ("txid", pa.string()),
        ("output", pa.string()),
        ("value", pa.int64()),
        ("address", pa.string()),
        ("spender", pa.string()),
        ("signs", pa.list_(pa.string())),
        ("score", pa.int64()),
    ]
)
PEELS: Final = pa.schema(
    [
        ("hop", pa.int64()),
        ("txid", pa.string()),
        ("height", pa.int64()),
        ("peeled", pa.string()),
        ("peeled_address", pa.string()),
        ("peeled_value", pa.int64()),
        ("carried", pa.string()),
        ("carried_value", pa.int64()),
        ("signs", pa.list_(pa.string())),
    ]
)


def members_table(clusters: Clusters, addresses: Iterable[int], address_text: AddressText) -> pa.Table:
    """Give the members of the clusters of these addresses, lowest cluster first; each cluster once."""
    ids = sorted({clusters.of(address) for address in addresses})
    rows = [(cluster, member) for cluster in ids for member in clusters.walk(cluster)]
    return _table(MEMBERS, ((cluster, member, address_text(member)) for cluster, member in rows))


def reasons_table(clusters: Clusters, joints: Iterable[Joint], address_text: AddressText) -> pa.Table:
    """Give the chain of reasons of ``Clusters.why``, in its order."""
    columns = clusters.columns
    return _table(
        REASONS,
        (
            (address_text(address), address_text(other), columns.txid_text(tx), columns.height_of_tx(tx))
            for address, other, tx in joints
        ),
    )


def changes_table(columns: Columns, links: Iterable[ChangeLink], address_text: AddressText) -> pa.Table:
    """Give change links, in the order they come."""
    return _table(
        CHANGES,
        (
            (
                columns.txid_text(link.tx),
                columns.outpoint_text(link.output),
                int(columns.output_value[link.output]),
                address_text(link.address),
                address_text(link.spender),
                [str(sign) for sign in link.signs],
                link.score,
            )
            for link in links
        ),
    )


def peels_table(columns: Columns, chain: PeelingChain, address_text: AddressText) -> pa.Table:
    """Give the hops of a peeling chain."""
    return _table(
        PEELS,
        (
            (
                number,
                columns.txid_text(hop.tx),
                columns.height_of_tx(hop.tx),
                columns.outpoint_text(hop.peeled),
                address_text(int(columns.output_address[hop.peeled])),
                hop.peeled_value,
                columns.outpoint_text(hop.carried),
                hop.carried_value,
                [str(sign) for sign in hop.signs],
            )
            for number, hop in enumerate(chain.hops, start=1)
        ),
    )


def _table(schema: pa.Schema, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.Table.from_arrays(
        [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)], schema=schema
    )
