"""A small model of a chain with two Safes and an allowance, and of a signer: what the machine checks comes from them.

The model executes what it is sent as the contracts do, over the product's bytes: it checks the two signatures, the
nonce, limits and balances, and a failing call moves nothing (GS013).
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field

from strongroom.chains.errors import CallRevertedError
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.model import Block
from strongroom.chains.ethereum.owners import owner_address, owner_signatures
from strongroom.outbound.errors import SignerAnswerError
from strongroom.outbound.safe import building
from strongroom.outbound.safe.model import Contracts
from strongroom_core.abi import padded, read_tail, word
from strongroom_core.evm import (
    DELEGATECALL,
    EXEC_TRANSACTION,
    TRANSFER,
    Call,
    SafeTx,
    decode_draw,
    decode_exec_transaction,
    decode_multi_send,
    decode_transfer,
)
from strongroom_core.intents import SignedIntent
from strongroom_core.messages import Refused, SafeSigned
from tests.simulation.outbound.machine import ModelSigner

REVERTED = "execution reverted"


def key_of(name: str) -> bytes:
    return keccak(f"model owner {name}".encode())


@dataclass
class Money:
    """What the contracts know: base units of the one token, the Safe's nonce, destinations that are blocked."""

    hot: int = 0
    cold: int = 0
    left: int = 0
    nonce: int = 0
    paid: dict[bytes, int] = field(default_factory=dict)

    def run(self, calls: tuple[Call, ...], places: Contracts, blocked: frozenset[bytes]) -> bool:
        """Do all calls, or say that one fails."""
        for call in calls:
            if call.to == places.allowance:
                _, amount = decode_draw(call.data)
                if amount > min(self.left, self.cold):
                    return False
                self.left, self.cold, self.hot = self.left - amount, self.cold - amount, self.hot + amount
            elif call.data:
                to, amount = decode_transfer(call.data)
                if amount > self.hot or to in blocked:
                    return False
                self.hot -= amount
                self.paid[to] = self.paid.get(to, 0) + amount
        return True


@dataclass
class ModelBlock:
    """A block: the money after it, and the executions in it as (txid, nonce, safeTxHash)."""

    digest: str
    money: Money
    executions: list[tuple[str, int, str]]


@dataclass
class ModelChain:
    """Blocks, and what a node answers about them."""

    places: Contracts
    owners: tuple[bytes, ...]
    blocks: list[ModelBlock] = field(default_factory=list)
    blocked: frozenset[bytes] = frozenset()
    made: int = 0

    @property
    def money(self) -> Money:
        """As of the best block."""
        return self.blocks[-1].money

    def at(self, place: int | str) -> Money:
        return self.money if isinstance(place, str) else self.blocks[place].money

    def mine(self, calldata: list[bytes]) -> tuple[ModelBlock, dict[bytes, bool]]:
        """Make a block that executes what it can, in this order; whether each succeeded."""
        money, executions, done = copy.deepcopy(self.money), [], {}
        for raw in calldata:
            after = self._executed(money, raw)
            done[raw] = after is not None
            if after is not None:
                tx, _ = decode_exec_transaction(raw, self.places.hot_safe, money.nonce)
                txid = "0x" + hashlib.sha256(raw + bytes([self.made % 256])).hexdigest()
                executions.append((txid, money.nonce, building.built(self.places, tx).hash_text))
                money = after
        self.made += 1
        digest = "0x" + hashlib.sha256(f"block {self.made}".encode()).hexdigest()
        block = ModelBlock(digest, money, executions)
        self.blocks.append(block)
        return block, done

    def _executed(self, before: Money, raw: bytes) -> Money | None:
        tx, signatures = decode_exec_transaction(raw, self.places.hot_safe, before.nonce)
        owners = [building.owner_of(self.places, tx, signatures[at : at + 65]) for at in (0, 65)]
        if owners[0] >= owners[1] or not set(owners) <= set(self.owners):
            return None  # GS026: not signed for this nonce
        money = copy.deepcopy(before)
        calls = decode_multi_send(tx.data) if tx.operation == DELEGATECALL else (tx.call,)
        money.nonce += 1
        return money if money.run(calls, self.places, self.blocked) else None

    async def call(
        self,
        to: bytes,
        data: bytes,
        block: int | str = "latest",
        *,
        sender: bytes | None = None,
        gas: int | None = None,
    ) -> bytes:
        money = self.at(block)
        if to == self.places.allowance:
            return word(money.left)
        selector = data[:4]
        if selector == TRANSFER:
            return word(1)
        if selector == EXEC_TRANSACTION:
            try:
                fine = self._executed(money, data) is not None
            except SignerAnswerError:
                fine = False
            if not fine:
                raise CallRevertedError(REVERTED)
            return word(1)
        if selector.hex() == "b4faba09":
            calls = decode_multi_send(read_tail(data, 4 + 64))
            fine = copy.deepcopy(money).run(calls, self.places, self.blocked)
            raise CallRevertedError(REVERTED, word(int(fine)) + word(0))
        if selector.hex() == "a0e67e2b":
            return word(32) + word(len(self.owners)) + b"".join(padded(owner) for owner in self.owners)
        return word(money.nonce)

    async def balance(self, address: bytes, block: int | str = "latest") -> int:
        raise NotImplementedError  # the coin is not held here

    async def token_balance(self, token: bytes, address: bytes, block: int | str = "latest") -> int:
        money = self.at(block)
        known = {self.places.hot_safe: money.hot, self.places.cold_safe: money.cold}
        return known.get(address, money.paid.get(address, 0))

    async def code(self, address: bytes, block: int | str = "latest") -> bytes:
        return b""

    async def block(self, place: int | str) -> Block | None:
        if not isinstance(place, int) or place >= len(self.blocks):
            return None
        return Block(place, self.blocks[place].digest, "0x00", 0, 0, 30_000_000)


@dataclass
class ModelOwner(ModelSigner):
    """Bound to one nonce for ever; the same bytes are signed for the same intents only."""

    places: Contracts = field(kw_only=True)
    signed: dict[bytes, frozenset[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> bytes:
        return owner_address(key_of(self.name))

    async def sign_safe(self, chain: str, safe_tx: bytes, evidence: tuple[SignedIntent, ...]) -> SafeSigned | Refused:
        self.here()
        tx = SafeTx.decode(safe_tx)
        intents = frozenset(item.intent for item in evidence)
        if self.signed.get(safe_tx, intents) != intents:
            return Refused("r", "slot-payments", "these bytes were signed for other intents", "")
        for intent in sorted(intents):
            refused = self.refusal(intent, self.bound.get(intent, tx.nonce) != tx.nonce)
            if refused is not None:
                return refused
        self.bound |= dict.fromkeys(intents, tx.nonce)
        self.signed[safe_tx] = intents
        return SafeSigned("r", owner_signatures(tx.hash(self.places.chain_number, keccak), [key_of(self.name)]), 1)
