"""What waits to be mined, where an endpoint shows its pending block: payments are seen before any block has them.

This is one endpoint's word, the first in the settings that offers it. It is enough, because what is told here is a
projection: nothing is posted before enough endpoints agree on the block that has it, and a chain tx that never comes
is said to be gone. Only what can be read off a chain tx itself is seen: coin sent directly, and calls of ``transfer``
and ``transferFrom`` on an allowed token. Whatever a contract pays is first seen in its block.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from strongroom.chains.errors import NodeError, NodeRefusedError
from strongroom.chains.ethereum.blocks import removal
from strongroom.chains.ethereum.endpoint import Endpoint
from strongroom.chains.ethereum.endpoints import Endpoints
from strongroom.chains.ethereum.memory import Memory
from strongroom.chains.ethereum.reading import address_of, data_of, field_of, hash_of, quantity
from strongroom.chains.ethereum.view import COIN_VOUT, Lens, raw_of
from strongroom.chains.facts import Fact, SeenTx
from strongroom.chains.jsonrpc import call_of
from strongroom.chains.model import EventKind, ObservedOutput, ObservedTx, RemovalReason
from strongroom_core.abi import ADDRESS_BYTES, WORD
from strongroom_core.evm import TRANSFER

AGAIN_SECONDS: Final = 60.0  # an endpoint that showed no pending block is asked again so much later
NEW_AT_ONCE: Final = 200
OPEN_MAX: Final = 2_000  # so many at a time: an endpoint that makes them up fills no table
TOKEN_VOUT: Final = 0  # a plain transfer logs itself, and first; where a token does otherwise its block corrects it
# of ERC-20: transferFrom(address,address,uint256)
_TRANSFER_FROM: Final = bytes.fromhex("23b872dd")
_MALFORMED: Final = (LookupError, TypeError, ValueError, AttributeError)
Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """A chain tx in a pending block: what it would pay us, where it would."""

    txid: str
    sender: str
    nonce: int
    raw: Raw
    output: ObservedOutput | None

    @property
    def place(self) -> tuple[str, int]:
        """What only one chain tx can have: a nonce of an account."""
        return self.sender, self.nonce


class PendingFollower:
    """Compares one endpoint's pending block with the open chain txs."""

    def __init__(self, endpoints: Endpoints, memory: Memory) -> None:
        """Share the watcher's endpoints and memory."""
        self._endpoints = endpoints
        self._memory = memory
        self._asked_next: dict[Endpoint, float] = {}
        self._failing: set[str] = set()  # would fail on the block below
        self._failing_on = ""

    async def look(self, lens: Lens) -> list[Fact]:
        """Find what appeared and what was replaced, none where no endpoint shows what follows our tip."""
        self._memory.listed = frozenset()
        for endpoint in self._endpoints.all:
            if endpoint.resting or time.monotonic() < self._asked_next.get(endpoint, 0.0):
                continue
            try:
                shown = await self._shown(endpoint, lens)
                if shown is not None:
                    return self._facts(await self._new(endpoint, shown), shown)
            except NodeError:
                continue
        return []

    async def _shown(self, endpoint: Endpoint, lens: Lens) -> list[Shown] | None:
        """Read an endpoint's pending block; None where it does not follow our tip, or there is none."""
        tip = self._memory.tip
        if tip is None:
            return None
        await endpoint.check_network()
        try:
            block = await endpoint.call("eth_getBlockByNumber", "pending", True)  # noqa: FBT003 - positional
            if hash_of(block["parentHash"]) == tip.block_hash:
                return [_read(answer, lens, self._memory.refused) for answer in block["transactions"]]
            if block.get("hash") != tip.block_hash:
                return None  # it, or we, are a block behind: the next look
        except (NodeRefusedError, *_MALFORMED):
            pass
        self._asked_next[endpoint] = time.monotonic() + AGAIN_SECONDS
        return None

    async def _new(self, endpoint: Endpoint, shown: Sequence[Shown]) -> list[Shown]:
        """Choose what is new and would not fail: a transfer that nothing covers is nothing to show anybody."""
        tip_hash = self._memory.tip.block_hash if self._memory.tip else ""
        if self._failing_on != tip_hash:
            self._failing, self._failing_on = set(), tip_hash
        room = min(NEW_AT_ONCE, OPEN_MAX - len(self._memory.open))
        skipped = self._failing | self._memory.open.keys()
        new = [item for item in shown if item.output is not None and item.txid not in skipped][: max(0, room)]
        calls = [item for item in new if item.output is not None and item.output.vout < COIN_VOUT]
        answers = await endpoint.batch([call_of("eth_call", _message(item.raw), "latest") for item in calls])
        self._failing |= {item.txid for item, answer in zip(calls, answers, strict=True) if not _moves(answer)}
        return [item for item in new if item.txid not in self._failing]

    def _facts(self, new: Sequence[Shown], shown: Sequence[Shown]) -> list[Fact]:
        """Change the memory, and say what changed."""
        self._memory.listed = frozenset(item.txid for item in shown)
        there = {item.place: item.txid for item in shown}
        facts = []
        for known in [item for item in self._memory.open.values() if item.pending]:
            other = there.get((known.sender, known.nonce), known.txid)
            if other != known.txid:
                self._memory.drop_open(known.txid)
                facts.append(removal(known.txid, RemovalReason.REPLACED, known.source, other))
        return facts + [_appearance(item) for item in new]

    def recorded(self, facts: Sequence[Fact], ids: Sequence[int]) -> None:
        """Remember what appeared by its event, once that is known."""
        for fact, event_id in zip(facts, ids, strict=True):
            if fact.kind is EventKind.MEMPOOL_ADDED:
                for seen in fact.txs:
                    self._memory.add_waiting(event_id, seen)


def _read(answer: Raw, lens: Lens, refused: dict[str, str]) -> Shown:
    """Read a chain tx as a node gives it. Raises ``AnswerError``, or as any malformed answer does."""
    sender = "0x" + address_of(field_of(answer, "from")).hex()
    paid = _payment(answer, lens)
    if paid is not None and paid.asset in refused:
        paid = None
    return Shown(hash_of(field_of(answer, "hash")), sender, quantity(field_of(answer, "nonce")), answer, paid)


def _payment(answer: Raw, lens: Lens) -> ObservedOutput | None:
    if answer.get("to") is None:
        return None
    to = address_of(answer["to"])
    asset = lens.tokens.get(to)
    if asset is not None:
        recipient, amount = _transferred(data_of(field_of(answer, "input")))
        vout = TOKEN_VOUT
    else:
        recipient, amount, vout, asset = to, quantity(field_of(answer, "value")), COIN_VOUT, lens.coin
    if asset is None or not amount or recipient not in lens.scripts:
        return None
    return ObservedOutput(vout, recipient, amount, coinbase=False, asset=asset)


def _transferred(data: bytes) -> tuple[bytes, int]:
    """Read the recipient and the amount off a call; nobody and nothing where it is another. What follows is ignored."""
    words = {TRANSFER: 2, _TRANSFER_FROM: 3}.get(data[:4], 0)
    arguments = [data[4 + WORD * place :][:WORD] for place in range(words)]
    clean = all(len(word) == WORD for word in arguments) and not any(
        any(word[: WORD - ADDRESS_BYTES]) for word in arguments[:-1]
    )
    if not words or not clean:
        return b"", 0
    return arguments[-2][-ADDRESS_BYTES:], int.from_bytes(arguments[-1], "big")


def _message(raw: Raw) -> dict[str, Any]:
    return {"from": raw["from"], "to": raw["to"], "data": raw["input"], "value": raw["value"]}


def _moves(answer: Any) -> bool:
    """Whether a transfer would go well: it is not refused, and says nothing (as USDT does) or anything but false."""
    return isinstance(answer, str) and (answer == "0x" or bool(answer.removeprefix("0x").strip("0")))


def _appearance(item: Shown) -> Fact:
    outputs = () if item.output is None else (item.output,)
    # Any account may send another chain tx at the same nonce as long as no block has this one.
    seen = SeenTx(ObservedTx(item.txid, rbf=True, outputs=outputs), raw_of(item.raw))
    return Fact(EventKind.MEMPOOL_ADDED, txid=item.txid, txs=(seen,))
