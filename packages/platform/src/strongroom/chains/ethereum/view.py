"""What one endpoint says of one block, as far as it concerns us; equal views are what endpoints agree on. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from strongroom.chains.ethereum.decoding import Execution, Transfer, execution_of, payment_of, shares
from strongroom.chains.ethereum.model import Block, Receipt
from strongroom.chains.ethereum.traces import Inner
from strongroom.chains.ethereum.watched import Watched
from strongroom.chains.facts import SeenTx
from strongroom.chains.model import UNKNOWN_NONCE, ObservedOutput, ObservedSpend, ObservedTx
from strongroom_core.abi import InvalidCallError, Keccak
from strongroom_core.evm import EXEC_TRANSACTION, decode_exec_transaction

COIN_VOUT: Final = 1_000_000  # plus a payment's number in its chain tx; a log's place is below
BALANCE_VOUT: Final = 2_000_000
Key = tuple[bytes, bytes]  # token, address


@dataclass(frozen=True, slots=True)
class Lens:
    """What is looked for.

    Watched addresses, allowed tokens (address to CAIP-19 id), Safes, the coin where it is held.
    """

    chain_number: int
    scripts: Watched
    tokens: Mapping[bytes, str]
    safes: frozenset[bytes]
    coin: str | None

    @property
    def addresses(self) -> list[str]:
        """Whose logs are asked for."""
        return ["0x" + address.hex() for address in (*self.tokens, *sorted(self.safes))]


class Fault(StrEnum):
    """What makes a token one that cannot be credited."""

    SURPLUS = "a balance grew by more than was transferred"
    UNREADABLE = "a balance cannot be read"


@dataclass(frozen=True, slots=True)
class Oddity:
    """A token that did not behave as one; ``asset`` is its CAIP-19 id."""

    asset: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class BlockView:
    """One block: its header, the chain txs that concern us, what was odd, and balances after it that were read."""

    block: Block
    txs: tuple[SeenTx, ...] = ()
    oddities: tuple[Oddity, ...] = ()
    balances: tuple[tuple[Key, int], ...] = ()


@dataclass(slots=True)
class Pieces:
    """What was read of one block before it is put together.

    ``transactions`` are the chain txs that may concern us as the node gave them, with ``receipts``; ``moved`` the sums
    that logs name per token and address, in and out; ``balances`` those before and after, None where unreadable;
    ``nonces`` the Safes' before and after.
    """

    block: Block
    transactions: list[Any] = field(default_factory=list)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    inner: list[Inner] = field(default_factory=list)
    sent: dict[Key, int] = field(default_factory=dict)
    balances: dict[Key, tuple[int | None, int | None]] = field(default_factory=dict)
    nonces: dict[bytes, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A transfer to a watched address: its chain tx and the log's place in it."""

    txid: str
    place: int
    transfer: Transfer

    @property
    def key(self) -> Key:
        """Whose balance of what."""
        return self.transfer.token, self.transfer.recipient


def arrivals(receipts: Mapping[str, Receipt], lens: Lens) -> list[Arrival]:
    """Find the transfers to watched addresses that count before balances are looked at: allowed token, successful."""
    found = []
    for txid, receipt in receipts.items():
        if not receipt.success or not receipt.logs:
            continue
        first = receipt.logs[0].log_index
        for log in receipt.logs:
            transfer = payment_of(log) if log.address in lens.tokens else None
            if transfer is not None and transfer.recipient in lens.scripts:
                found.append(Arrival(txid, log.log_index - first, transfer))
    return found


def executions(receipts: Mapping[str, Receipt], lens: Lens) -> list[tuple[str, int, Execution]]:
    """Find the executions of our Safes, in order: chain tx, the log's place in it, what was executed."""
    found = []
    for txid, receipt in receipts.items():
        for log in receipt.logs if receipt.success else ():
            execution = execution_of(log) if log.address in lens.safes else None
            if execution is not None:
                found.append((txid, log.log_index - receipt.logs[0].log_index, execution))
    return found


def assemble(pieces: Pieces, lens: Lens, keccak: Keccak) -> BlockView:
    """Put a block's view together."""
    outputs: dict[str, list[ObservedOutput]] = {}
    oddities = _add_tokens(pieces, lens, outputs)
    if lens.coin is not None:
        _add_coin(pieces, lens.scripts, lens.coin, outputs)
    spends = _spends(pieces, lens, keccak)
    txs = []
    for answer in pieces.transactions:
        txid = str(answer["hash"]).lower()
        if txid in outputs or txid in spends:
            paid = tuple(sorted(outputs.get(txid, ()), key=lambda output: output.vout))
            txs.append(
                SeenTx(ObservedTx(txid, rbf=False, outputs=paid, spends=tuple(spends.get(txid, ()))), raw_of(answer))
            )
    after = tuple((key, now) for key, (_, now) in sorted(pieces.balances.items()) if now is not None)
    return BlockView(pieces.block, tuple(txs), tuple(oddities), after)


def _add_tokens(pieces: Pieces, lens: Lens, outputs: dict[str, list[ObservedOutput]]) -> list[Oddity]:
    by_key: dict[Key, list[Arrival]] = {}
    for arrival in arrivals(pieces.receipts, lens):
        by_key.setdefault(arrival.key, []).append(arrival)
    oddities = []
    for key, group in by_key.items():
        asset = lens.tokens[key[0]]
        before, after = pieces.balances.get(key, (None, None))
        if before is None or after is None:
            oddities.append(Oddity(asset, Fault.UNREADABLE))
            continue
        amounts = [arrival.transfer.value for arrival in group]
        arrived = after - before + pieces.sent.get(key, 0)
        if arrived > sum(amounts):
            oddities.append(Oddity(asset, Fault.SURPLUS))
        for arrival, amount in zip(group, shares(amounts, arrived), strict=True):
            if amount:
                output = ObservedOutput(arrival.place, key[1], amount, coinbase=False, asset=asset)
                outputs.setdefault(arrival.txid, []).append(output)
    return oddities


def _add_coin(pieces: Pieces, scripts: Watched, coin: str, outputs: dict[str, list[ObservedOutput]]) -> None:
    def add(txid: str, number: int, recipient: bytes, amount: int) -> None:
        receipt = pieces.receipts.get(txid)
        if receipt is not None and receipt.success and amount and recipient in scripts:
            output = ObservedOutput(COIN_VOUT + number, recipient, amount, coinbase=False, asset=coin)
            outputs.setdefault(txid, []).append(output)

    for answer in pieces.transactions:
        if answer.get("to") is not None:
            add(str(answer["hash"]).lower(), 0, bytes.fromhex(answer["to"][2:]), int(answer["value"], 16))
    for inner in pieces.inner:
        add(inner.txid, inner.number, inner.recipient, inner.amount)


def _spends(pieces: Pieces, lens: Lens, keccak: Keccak) -> dict[str, list[ObservedSpend]]:
    """Give every execution its nonce, or say that it is not known.

    A Safe counts up once for each execution, so those of a chain tx have the next ones. Where the calldata says which
    nonce was signed, that is taken; of what is left a single one has the nonce that is left. Several executions in one
    chain tx that another contract makes may be one inside another: the inner one logs first though it counts later, so
    their order says nothing.
    """
    calldata = {str(answer["hash"]).lower(): bytes.fromhex(answer["input"][2:]) for answer in pieces.transactions}
    groups: dict[tuple[str, bytes], list[tuple[int, Execution]]] = {}
    for txid, place, execution in executions(pieces.receipts, lens):
        groups.setdefault((txid, execution.safe), []).append((place, execution))
    following = {safe: before for safe, (before, _) in pieces.nonces.items()}
    spends: dict[str, list[ObservedSpend]] = {}
    for (txid, safe), group in groups.items():
        free = list(range(following[safe], following[safe] + len(group)))
        following[safe] += len(group)
        known: dict[int, int] = {}
        for place, execution in group:
            nonce = _signed_nonce(calldata[txid], execution, free, lens.chain_number, keccak)
            if nonce is not None:
                known[place] = nonce
                free.remove(nonce)
        rest = free[0] if len(free) == 1 else UNKNOWN_NONCE
        spends.setdefault(txid, []).extend(_spend(place, one, known.get(place, rest)) for place, one in group)
    return {txid: sorted(found, key=lambda spend: spend.vin) for txid, found in spends.items()}


def _signed_nonce(
    data: bytes, execution: Execution, nonces: Sequence[int], chain_number: int, keccak: Keccak
) -> int | None:
    if not data.startswith(EXEC_TRANSACTION):
        return None
    for nonce in nonces:
        try:
            safe_tx, _ = decode_exec_transaction(data, execution.safe, nonce)
        except InvalidCallError:
            return None
        if "0x" + safe_tx.hash(chain_number, keccak).hex() == execution.effect:
            return nonce
    return None


def _spend(place: int, execution: Execution, nonce: int) -> ObservedSpend:
    safe = "0x" + execution.safe.hex()
    return ObservedSpend(place, safe, nonce, effect=execution.effect, success=execution.success)


def raw_of(answer: Any) -> bytes:
    """Keep a chain tx as canonical JSON: what its sender signed, without the block that it is in."""
    return json.dumps(
        {
            "hash": str(answer["hash"]).lower(),
            "from": str(answer["from"]).lower(),
            "to": None if answer.get("to") is None else str(answer["to"]).lower(),
            "nonce": int(answer["nonce"], 16),
            "value": str(int(answer["value"], 16)),
            "input": str(answer["input"]).lower(),
        },
        separators=(",", ":"),
        sort_keys=True,
    ).encode()
