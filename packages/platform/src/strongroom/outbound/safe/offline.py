"""What the cold Safe's owners signed offline: checked, sent once, and booked when it is final, whoever executed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from strongroom.chains.errors import CallRevertedError, NodeRefusedError
from strongroom.chains.model import ChainEvent, ObservedSpend, ObservedTx
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings
from strongroom.ledger import service as ledger
from strongroom.ledger.errors import InsufficientFundsError
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.outbound.errors import (
    ColdCapitalError,
    ColdNonceError,
    ColdSignatureError,
    ColdSimulationError,
    SignerAnswerError,
)
from strongroom.outbound.ethereum import relay
from strongroom.outbound.ethereum.model import Relayed, RelayPurpose, RelayState
from strongroom.outbound.safe import building, cold, reading, store
from strongroom.outbound.safe.model import ColdKind, ColdMove, Contracts, Funds, SafeBuilt, SafeNode, token_of
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, asset_by_id
from strongroom_core.evm import SafeTx

_log = structlog.get_logger(__name__)
# One call of a Safe; what is not used is not paid, and rollups count the layer below on top.
GAS_LIMIT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ColdSafe:
    """The cold Safe of one chain, asked through ``node``. Every method that asks raises ``NodeError``."""

    settings: ChainSettings
    node: SafeNode

    @property
    def places(self) -> Contracts:
        """Where the contracts are."""
        return building.contracts(self.settings)

    def transfer(self, asset: Asset, amount: int, to: bytes | None = None) -> ColdMove:
        """Give the move of base units to an address, or to the hot Safe."""
        return cold.transfer(self.places, asset, amount, to or self.places.hot_safe)

    def limit(self, asset: Asset, per_day: int) -> ColdMove:
        """Give the move that sets an asset's allowance in 24 hours."""
        return cold.limit(self.places, asset, per_day)

    def read(self, tx: SafeTx) -> ColdMove:
        """Read what a Safe transaction does. Raises ``ColdTransactionError``."""
        return cold.read(self.places, [item.asset for item in self.settings.held_assets], tx)

    def named(self, tx: SafeTx) -> SafeBuilt:
        """Name a Safe transaction by its safeTxHash."""
        return building.built(self.places, tx)

    async def propose(self, move: ColdMove, nonce: int | None = None) -> SafeBuilt:
        """Build the transaction of a move at the cold Safe's next nonce, or at a later one."""
        now = await self._nonce() if nonce is None else nonce
        return self.named(cold.safe_tx(self.places, now, move))

    async def funds(self, asset: Asset) -> Funds:
        """Give what both Safes have of an asset now, and what may still be drawn."""
        return await reading.funds(self.node, self.places, asset, "latest")

    async def checked(self, tx: SafeTx, signatures: Sequence[bytes]) -> bytes:
        """Give the calldata that executes it, once owners, nonce and simulation are right.

        Raises ``ColdTransactionError``, ``ColdSignatureError``, ``ColdNonceError``, ``ColdSimulationError``.
        """
        move = self.read(tx)
        raw = await self._combined(tx, signatures)
        nonce = await self._nonce()
        if nonce != tx.nonce:
            done = "propose it again" if nonce > tx.nonce else "send what stands before it first"
            message = f"the cold Safe's next nonce is {nonce}, and this is nonce {tx.nonce}: {done}"
            raise ColdNonceError(message)
        why = await self._idle(move, tx)
        why = why or await reading.exec_fails(self.node, self.places, raw, GAS_LIMIT, safe=self.places.cold_safe)
        if why:
            message = f"the chain would refuse it: {why}; nothing was sent"
            raise ColdSimulationError(message)
        return raw

    async def _combined(self, tx: SafeTx, signatures: Sequence[bytes]) -> bytes:
        owners = await reading.owners(self.node, self.places, safe=self.places.cold_safe)
        try:
            for number, signature in enumerate(signatures, 1):
                owner = building.owner_of(self.places, tx, signature)
                if owner not in owners:
                    message = f"signature {number} is of 0x{owner.hex()}: no owner of the cold Safe, or of another file"
                    raise ColdSignatureError(message)
            return building.combine(self.places, tx, signatures)
        except SignerAnswerError as error:
            raise ColdSignatureError(error.message) from None

    async def _idle(self, move: ColdMove, tx: SafeTx) -> str | None:
        """Say whether the token answers "no" instead of failing: it would be executed and move nothing."""
        if move.kind is ColdKind.LIMIT or token_of(move.asset) is None:
            return None
        try:
            answer = await self.node.call(tx.to, tx.data, sender=self.places.cold_safe)
        except (CallRevertedError, NodeRefusedError) as error:
            return error.message
        return "the token would move nothing" if answer and not any(answer) else None

    async def _nonce(self) -> int:
        return await reading.nonce(self.node, self.places, safe=self.places.cold_safe)


async def find(connection: Connection, settings: ChainSettings, effect: str) -> Relayed | None:
    """Tell how it stands with the relayer; None where it is to be sent, or again."""
    found = await relay.find(connection, settings.id, RelayPurpose.COLD, effect)
    return None if found is None or found.state is RelayState.DROPPED else found


async def send(
    connection: Connection, settings: ChainSettings, move: ColdMove, built: SafeBuilt, raw: bytes
) -> Relayed | None:
    """Have the relayer execute what ``checked`` gave, once. Raises ``ColdCapitalError``, ``RelayConflictError``."""
    own = await capital(connection, move.asset, but=built.safe_tx.nonce)
    if move.kind is ColdKind.WITHDRAWAL and move.amount > own:
        message = f"the house has {Amount(move.asset, own)} of its own: the rest is merchants' money"
        raise ColdCapitalError(message)
    chain, effect = settings.id, built.hash_text
    values = {"kind": move.kind, "asset": move.asset.id, "amount": move.amount}
    await store.run(connection, "insert_cold", chain=chain, effect=effect, nonce=built.safe_tx.nonce, **values)
    if await relay.find(connection, chain, RelayPurpose.COLD, effect) is None:
        await relay.submit(connection, chain, RelayPurpose.COLD, effect, built.safe_tx.safe, raw, GAS_LIMIT)
    else:
        await relay.retry(connection, chain, RelayPurpose.COLD, effect)
    return await find(connection, settings, effect)


async def capital(connection: Connection, asset: Asset, but: int = -1) -> int:
    """Give what the house has of an asset in base units; the gas that was spent covers nobody.

    Withdrawals that were sent and are not booked yet have gone already, but for one at nonce ``but``: of those at one
    nonce only one can happen.
    """
    paid_in = await ledger.balance(connection, Account(AccountType.HOUSE_CAPITAL, asset))
    spent = -await ledger.balance(connection, Account(AccountType.NETWORK_FEES, asset))
    place = {"chain": asset.chain_id, "asset": asset.id, "nonce": but}
    ((leaving,),) = [row.values() for row in await store.rows(connection, "cold_leaving", **place)]
    return max(0, paid_in - spent - int(leaving))


async def executed(connection: Connection, chain: str, event: ChainEvent, tx: ObservedTx, spend: ObservedSpend) -> None:
    """Take in one execution of the cold Safe; what was not sent through us is for reconciliation to name."""
    if spend.success:
        place: dict[str, Any] = {"txid": tx.txid, "height": event.height, "hash": event.block_hash}
        await store.run(connection, "cold_executed", chain=chain, effect=spend.effect, **place)


async def settle(connection: Connection, chain: str, deep: int) -> None:
    """Book what is beyond the horizon; what the books have no money for is tried again with the next step."""
    for row in await store.rows(connection, "cold_deep", chain=chain, height=deep):
        place = {"chain": chain, "effect": row["effect"]}
        try:
            async with connection.transaction():
                await _book(connection, chain, row)
                await store.run(connection, "cold_final", **place)
                await store.run(connection, "cold_passed", chain=chain, nonce=row["nonce"])
        except InsufficientFundsError as error:
            _log.error("an execution of the cold Safe cannot be booked yet", **place, reason=error.message)
            await store.run(connection, "cold_reason", **place, reason=f"not booked yet: {error.message}")


async def _book(connection: Connection, chain: str, row: dict[str, Any]) -> None:
    kind, asset = ColdKind(row["kind"]), asset_by_id(row["asset"])
    if kind is ColdKind.LIMIT:
        return
    source = AccountType.CHAIN_HOT if kind is ColdKind.REFILL else AccountType.HOUSE_CAPITAL
    accounts = (Account(source, asset), Account(AccountType.CHAIN_COLD, asset))
    posting = Posting(*accounts, Amount(asset, int(row["amount"])))
    memo = {"txid": row["txid"], "kind": str(kind)}
    await ledger.post(connection, [LedgerTransaction("cold", f"cold:{chain}:{row['effect']}", (posting,), memo)])
