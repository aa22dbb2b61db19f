"""What became of open chain txs: their block was orphaned and no later one has them with anything for us, or none had.

Such a chain tx may wait to be mined again; or it never will: the endpoints forgot it, another of its sender took its
nonce, or it is in a block again but failed there, or paid somebody else this time.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from strongroom.chains.ethereum.blocks import removal
from strongroom.chains.ethereum.endpoint import Endpoint
from strongroom.chains.ethereum.endpoints import Endpoints
from strongroom.chains.ethereum.memory import Memory, OpenTx
from strongroom.chains.ethereum.reading import quantity
from strongroom.chains.facts import Fact
from strongroom.chains.jsonrpc import call_of
from strongroom.chains.model import RemovalReason

AT_ONCE: Final = 200


class Fate(StrEnum):
    """What an endpoint says of an open chain tx."""

    WAITS = "waits"
    FORGOTTEN = "forgotten"
    DISPLACED = "displaced"


_REASONS: Final = {Fate.FORGOTTEN: RemovalReason.EVICTED, Fate.DISPLACED: RemovalReason.CONFLICT}


async def look_for(endpoints: Endpoints, memory: Memory) -> list[Fact]:
    """Find the open chain txs that are gone, where enough endpoints say so; changes memory.

    Those that the pending block has (``memory.listed``) are not asked about.
    """
    txs = [tx for tx in memory.open.values() if tx.txid not in memory.listed][:AT_ONCE]
    if not txs or memory.tip is None:
        return []
    height = memory.tip.height
    answers = await endpoints.gather(lambda endpoint: _fates(endpoint, txs, height))
    facts = []
    for place, tx in enumerate(txs):
        said = [fates[place] for fates in answers.values()]
        memory.open[tx.txid] = memory.open.pop(tx.txid)  # the others have their turn first
        for fate, reason in _REASONS.items():
            if said.count(fate) >= _enough(tx, fate, len(said), endpoints.agree_min):
                memory.drop_open(tx.txid)
                facts.append(removal(tx.txid, reason, tx.source))
    return facts


def _enough(tx: OpenTx, fate: Fate, asked: int, agree_min: int) -> int:
    """Say how many have to: what waits for its first block may be in one endpoint's pool and never in another's."""
    return asked if tx.pending and fate is Fate.FORGOTTEN else agree_min


async def _fates(endpoint: Endpoint, txs: Sequence[OpenTx], height: int) -> list[Fate]:
    calls = [call_of("eth_getTransactionByHash", tx.txid) for tx in txs]
    calls += [call_of("eth_getTransactionCount", tx.sender, hex(height)) for tx in txs]
    answers = await endpoint.ask(calls)
    found, counts = answers[: len(txs)], answers[len(txs) :]
    return [
        _fate(chain_tx, quantity(count), tx, height) for chain_tx, count, tx in zip(found, counts, txs, strict=True)
    ]


def _fate(chain_tx: dict[str, str] | None, count: int, tx: OpenTx, height: int) -> Fate:
    mined = None if chain_tx is None else chain_tx.get("blockNumber")
    if mined is not None:
        return Fate.WAITS if quantity(mined) > height else Fate.DISPLACED
    if count > tx.nonce:
        return Fate.DISPLACED
    return Fate.FORGOTTEN if chain_tx is None else Fate.WAITS
