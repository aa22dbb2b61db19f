"""What other rooms do with chains: have scripts watched, read facts in order, ask a node, read and write addresses."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.chains import store
from strongroom.chains.bitcoin import addresses
from strongroom.chains.bitcoin.node import BitcoinNode
from strongroom.chains.bitcoin.parameters import BitcoinParameters, parameters_of
from strongroom.chains.model import ChainEvent, ChainNode, Tip
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings


async def watch_scripts(connection: Connection, chain_id: str, scripts: Sequence[bytes]) -> None:
    """Have the watcher look for scripts from the caller's commit on; idempotent. What was before is not searched."""
    await store.watch(connection, chain_id, scripts)


async def read_events(connection: Connection, chain_id: str, after: int, limit: int) -> list[ChainEvent]:
    """Read at most ``limit`` facts of a chain past event ``after``, in their order."""
    return await store.read_events(connection, chain_id, after, limit)


async def take_cursor(connection: Connection, consumer: str, chain_id: str) -> int:
    """Give the last event that a consumer handled (0 at first); other takers wait for this transaction's end."""
    return await store.take_cursor(connection, consumer, chain_id)


async def cursor(connection: Connection, consumer: str, chain_id: str) -> int:
    """Give the last event that a consumer had handled when it was read (0 at first); it may be further by now."""
    return await store.cursor(connection, consumer, chain_id)


async def advance_cursor(connection: Connection, consumer: str, chain_id: str, event_id: int) -> None:
    """Record that a consumer has handled everything up to ``event_id``, in the transaction that did so."""
    await store.advance_cursor(connection, consumer, chain_id, event_id)


async def tip(connection: Connection, chain_id: str) -> Tip | None:
    """Give how far the facts reach and whether they can be relied on; None before the watcher's first start."""
    return await store.tip(connection, chain_id)


async def raw_txs(connection: Connection, chain_id: str, txids: Sequence[str]) -> dict[str, bytes]:
    """Give the recorded chain txs among ``txids`` in full, by txid; those never matched are missing."""
    return await store.raw_txs(connection, chain_id, txids)


def connect_node(settings: ChainSettings) -> ChainNode:
    """Make a client of a chain's node; nothing is opened before its first call. Close it when done."""
    return BitcoinNode(settings)


def parameters(chain_id: str) -> BitcoinParameters:
    """Give what differs between the bitcoin-likes. Raises ``UnknownChainError``."""
    return parameters_of(chain_id)


def address_to_script(chain_id: str, text: str) -> bytes:
    """Read an address of the chain. Raises ``AddressError`` for any other text, other chains' addresses included."""
    return addresses.address_to_script(chain_id, text)


def script_to_address(chain_id: str, script: bytes) -> str | None:
    """Write the address of an output script, or None where it has none."""
    return addresses.script_to_address(chain_id, script)
