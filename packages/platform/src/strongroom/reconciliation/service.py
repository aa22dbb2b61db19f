"""Reconciliation: gather what books, chains and journals say, compare, keep what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from strongroom.chains.ethereum.node import EthereumNode
from strongroom.chains.model import ChainNode, ScanRange, UtxoScan
from strongroom.chains.service import connect_ethereum, connect_node
from strongroom.infra.database import Connection, Pool, transaction
from strongroom.infra.settings import ChainSettings, Settings
from strongroom.ledger import service as ledger
from strongroom.reconciliation import accounts, rules, store
from strongroom.reconciliation.errors import JournalReadError, NotPaidInError
from strongroom.reconciliation.model import (
    BookFacts,
    ChainFound,
    CoinFacts,
    Difference,
    DifferenceName,
    Report,
    SentFacts,
)
from strongroom.wallets import service as wallets
from strongroom_core.amounts import Amount
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import RequestId
from strongroom_core.messages import JournalRequest, JournalRow, JournalRows
from strongroom_core.wire import Message

Node = ChainNode | EthereumNode
ROWS_PER_REQUEST: Final = 1000
# A block that comes between scan and reading is waited for; one that never gets handled is a difference.
ATTEMPTS: Final = 10
ATTEMPT_SECONDS: Final = 1.0


class JournalSource(Protocol):
    """A signer that can be asked for its journal; outbound's clients are such."""

    @property
    def name(self) -> str:
        """The name in our settings."""
        ...

    async def ask(self, request: Message) -> Message:
        """Send one message and read the answer."""
        ...


async def read_journal(source: JournalSource) -> tuple[JournalRow, ...]:
    """Read a signer's whole journal, from row 1, unverified. Raises the source's errors and ``JournalReadError``."""
    rows: list[JournalRow] = []
    while True:
        request = JournalRequest(RequestId.new(), len(rows) + 1, ROWS_PER_REQUEST)
        answer = await source.ask(request)
        if not isinstance(answer, JournalRows):
            message = f"{source.name} answered a request for its journal with {type(answer).__name__}"
            raise JournalReadError(message)
        if not answer.rows:
            return tuple(rows)
        rows += answer.rows


async def read_journals(sources: Sequence[JournalSource]) -> dict[str, tuple[JournalRow, ...]]:
    """Read the journals of all signers that answer; one that does not is missing, and a difference in the report."""
    found: dict[str, tuple[JournalRow, ...]] = {}
    for source in sources:
        try:
            found[source.name] = await read_journal(source)
        except (StrongroomError, OSError):
            continue
    return found


def connect_nodes(settings: Settings) -> dict[str, Node]:
    """Make a client of every chain's node, by CAIP-2 id; nothing is opened before the first call. Close each."""
    return {chain.id: connect_ethereum(chain) if chain.is_evm else connect_node(chain) for chain in settings.chains}


async def compare(
    settings: Settings, pool: Pool, nodes: Mapping[str, Node], sources: Sequence[JournalSource]
) -> Report:
    """Read the signers' journals and compare everything, also while all of it works on.

    ``nodes`` are by CAIP-2 id, as ``connect_nodes`` makes them.
    """
    before = await _all_sent(settings, pool)
    return await reconcile(settings, pool, nodes, await read_journals(sources), before)


async def reconcile(
    settings: Settings,
    pool: Pool,
    nodes: Mapping[str, Node],
    signer_rows: Mapping[str, Sequence[JournalRow]],
    before: Sequence[SentFacts] | None = None,
) -> Report:
    """Compare books, chains and journals; every difference is named.

    ``pool`` connects as the auditor, whose role reads everything and writes nothing; ``nodes`` by CAIP-2 id;
    ``signer_rows`` by the signers' names in the settings, each journal from row 1. ``before`` is what had been sent
    when the journals began to be read; without it nothing may be sent meanwhile.
    """
    async with transaction(pool) as connection:
        await store.begin_snapshot(connection)
        differences = list(rules.check_books(await _books(connection)))
    chains = [await _check_chain(pool, chain, nodes.get(chain.id)) for chain in settings.chains]
    differences += [item for found in chains for item in found.differences]
    relayers = tuple(item for found in chains for item in found.relayers)
    now = await _all_sent(settings, pool)
    journal_rows = 0
    for signer in settings.signers:
        rows = signer_rows.get(signer.name)
        if rows is None:
            detail = f"the journal of {signer.name} could not be read"
            differences.append(Difference(DifferenceName.JOURNAL_UNAVAILABLE, "", 1, 0, detail))
            continue
        journal = rules.read_journal(signer.name, rows)
        journal_rows += journal.rows
        differences += rules.check_journal(journal, now if before is None else before, now)
    return Report(datetime.now(UTC), tuple(differences), len(settings.chains), journal_rows, relayers)


async def record(connection: Connection, report: Report) -> None:
    """Keep a report (as the worker's role), and what was found to be paid in to relayers."""
    await store.record(connection, report)
    for facts in report.relayers:
        if facts.paid_in and not facts.behind:
            await store.paid_in(connection, facts)


async def record_taken(
    connection: Connection, chain: str, relayer: bytes, amount: Amount, reason: str, by: str
) -> None:
    """Keep that an operator took gas capital out of a relayer (as the worker's role). Raises ``NotPaidInError``."""
    if not await store.taken_out(connection, chain, relayer, amount.base_units, reason, by):
        message = f"{amount} was never found in 0x{relayer.hex()} on {chain}: look at `strongroom reconcile` first"
        raise NotPaidInError(message)


async def latest(connection: Connection) -> Report | None:
    """Read the last report that was kept."""
    return await store.latest(connection)


async def _all_sent(settings: Settings, pool: Pool) -> list[SentFacts]:
    async with transaction(pool) as connection:
        await store.begin_snapshot(connection)
        return [await store.sent(connection, chain.id, chain.asset.id) for chain in settings.chains]


async def _check_chain(pool: Pool, chain: ChainSettings, node: Node | None) -> ChainFound:
    if node is None:
        return _unavailable(chain, "no node of this chain was given")
    found = ChainFound(())
    for attempt in range(ATTEMPTS):
        if attempt:
            await asyncio.sleep(ATTEMPT_SECONDS)
        try:
            found = await _compare_chain(pool, chain, node)
        except (StrongroomError, OSError) as error:
            return _unavailable(chain, str(error))
        if not any(item.name is DifferenceName.BOOKS_BEHIND for item in found.differences):
            break
    return found


async def _compare_chain(pool: Pool, chain: ChainSettings, node: Node) -> ChainFound:
    if isinstance(node, EthereumNode):
        async with transaction(pool) as connection:
            await store.begin_snapshot(connection)
            return await accounts.compare(connection, chain, node, await _books(connection))
    books, sent, coins = await _gather(pool, chain, node)
    return ChainFound(tuple(rules.check_chain(books, sent, coins)))


async def _gather(pool: Pool, chain: ChainSettings, node: ChainNode) -> tuple[BookFacts, SentFacts, CoinFacts]:
    scan = await _scan(pool, chain, node)
    async with transaction(pool) as connection:
        await store.begin_snapshot(connection)
        coins = await store.sort_coins(connection, chain.id, scan)
        return await _books(connection), await store.sent(connection, chain.id, chain.asset.id), coins


async def _scan(pool: Pool, chain: ChainSettings, node: ChainNode) -> UtxoScan:
    async with transaction(pool) as connection:
        descriptors = await wallets.scan_descriptors(connection, chain.id)
    return await node.utxo_scan([ScanRange(item.descriptor, item.last_index) for item in descriptors])


async def _books(connection: Connection) -> BookFacts:
    accounts, broken = await ledger.audit(connection)
    return BookFacts(tuple(accounts), tuple(broken), await store.holds(connection))


def _unavailable(chain: ChainSettings, why: str) -> ChainFound:
    return ChainFound((Difference(DifferenceName.CHAIN_UNAVAILABLE, chain.asset.id, 1, 0, why),))
