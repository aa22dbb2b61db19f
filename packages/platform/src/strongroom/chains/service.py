"""What other rooms do with chains: have scripts watched, read facts in order, ask a node, read and write addresses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from strongroom.chains import store
from strongroom.chains.bitcoin import addresses
from strongroom.chains.bitcoin.node import BitcoinNode
from strongroom.chains.bitcoin.parameters import BitcoinParameters, parameters_of
from strongroom.chains.ethereum import addresses as evm_addresses
from strongroom.chains.ethereum import contracts, refusals
from strongroom.chains.ethereum import parameters as evm_parameters
from strongroom.chains.ethereum import store as ethereum_store
from strongroom.chains.ethereum.node import EthereumNode
from strongroom.chains.ethereum.parameters import EthereumParameters
from strongroom.chains.model import ChainEvent, ChainNode, Tip
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings
from strongroom_core.assets import chain_by_id


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


async def ever_came(connection: Connection, asset_id: str) -> bool:
    """Whether any payment in an asset was ever recorded; slow where none was."""
    return await store.ever_came(connection, asset_id)


def connect_node(settings: ChainSettings) -> ChainNode:
    """Make a client of a bitcoin-like's node; nothing is opened before its first call. Close it when done.

    Raises ``UnknownChainError`` for an EVM chain: see ``connect_ethereum``.
    """
    parameters_of(settings.id)
    return BitcoinNode(settings)


def connect_ethereum(settings: ChainSettings) -> EthereumNode:
    """Make a client of an EVM chain's endpoints; nothing is opened before its first call. Close it when done.

    Raises ``ValueError`` for a chain of another kind.
    """
    return EthereumNode(settings)


async def watch_balances(connection: Connection, chain_id: str, scripts: Sequence[bytes], until: datetime) -> None:
    """Have the coin of addresses on an EVM chain found by their balances until a time, where no traces can be had.

    Idempotent; a later time prolongs it. For addresses that are watched anyhow, from the caller's commit on.
    """
    await ethereum_store.watch_balances(connection, chain_id, scripts, until)


async def refused_tokens(connection: Connection, chain_id: str) -> dict[str, str]:
    """Give the tokens of an EVM chain that are refused now, by CAIP-19 id, each with the reason."""
    return await ethereum_store.load_refused(connection, chain_id)


async def accept_token(connection: Connection, chain_id: str, asset_id: str) -> bool:
    """Have a refused token believed again, on an operator's word; False where it is not refused.

    What arrived of it meanwhile becomes facts once its blocks are final. The watcher may refuse it again.
    """
    return await refusals.accept(connection, chain_id, asset_id)


def parameters(chain_id: str) -> BitcoinParameters | EthereumParameters:
    """Give what differs between the chains of a kind. Raises ``UnknownChainError``."""
    return evm_parameters.parameters_of(chain_id) if _is_evm(chain_id) else parameters_of(chain_id)


def address_to_script(chain_id: str, text: str) -> bytes:
    """Read an address of the chain. Raises ``AddressError`` for any other text, other chains' addresses included."""
    if _is_evm(chain_id):
        return evm_addresses.address_to_script(text)
    return addresses.address_to_script(chain_id, text)


def script_to_address(chain_id: str, script: bytes) -> str | None:
    """Write the address of an output script (of an EVM chain: of 20 bytes, EIP-55), or None where it has none."""
    if _is_evm(chain_id):
        return evm_addresses.script_to_address(script)
    return addresses.script_to_address(chain_id, script)


def forwarder_addresses(factory: bytes, treasury: bytes, branch: int, indices: Sequence[int]) -> list[bytes]:
    """Derive the keyless deposit addresses of a branch on an EVM chain, 20 bytes each; some 50,000 a second."""
    return [contracts.forwarder_address(factory, treasury, branch, index) for index in indices]


def _is_evm(chain_id: str) -> bool:
    return chain_by_id(chain_id).is_evm
