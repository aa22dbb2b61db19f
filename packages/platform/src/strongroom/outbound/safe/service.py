"""What the treasury asks of Safe slots: what the chain has, what is bound, a simulation, and to open a slot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from strongroom.infra import outbox
from strongroom.infra.database import Connection
from strongroom.infra.settings import ChainSettings
from strongroom.outbound import moves
from strongroom.outbound import store as slots
from strongroom.outbound.ethereum import relay
from strongroom.outbound.ethereum.model import Relayed, RelayPurpose
from strongroom.outbound.model import OpenSlot, Payment
from strongroom.outbound.safe import building, handing, offline, reading, rules, store
from strongroom.outbound.safe.model import (
    ColdMove,
    Contracts,
    Funds,
    Portion,
    SafeBuilt,
    SafeDraft,
    SafeNode,
    SafeSlot,
    Standing,
)
from strongroom.outbound.safe.offline import ColdSafe
from strongroom_core.assets import Asset
from strongroom_core.evm import Call
from strongroom_core.ids import SlotId


@dataclass(frozen=True, slots=True)
class Safes:
    """The Safes of one chain as its settings name them, asked through ``node``; every method raises ``NodeError``."""

    settings: ChainSettings
    node: SafeNode

    @property
    def places(self) -> Contracts:
        """Where the contracts are."""
        return building.contracts(self.settings)

    async def nonce(self, height: int) -> int:
        """Give the hot Safe's next nonce as of a block."""
        return await reading.nonce(self.node, self.places, height)

    async def funds(self, asset: Asset, height: int) -> Funds:
        """Give what hot and cold have of an asset as of a block, and what may still be drawn."""
        return await reading.funds(self.node, self.places, asset, height)

    async def draw_limit(self, asset: Asset) -> int:
        """Give what the chain lets hot draw of an asset in 24 hours, now, in base units."""
        return await reading.draw_limit(self.node, self.places, asset)

    async def has_code(self, address: bytes) -> bool:
        """Whether a contract stands at an address.

        One that is sent coin may do what it likes, and may change its mind.
        """
        return bool(await self.node.code(address))

    async def moves_nothing(self, payment: Payment) -> bool:
        """Whether the token answers a transfer from the hot Safe with "no" instead of failing (as much as hot has)."""
        return await reading.moves_nothing(self.node, self.places, payment)

    async def balance(self, asset: Asset, address: bytes, height: int | str = "latest") -> int:
        """Give what an address has of an asset, in base units."""
        return await reading.balance(self.node, asset, address, height)

    async def would_fail(self, draft: SafeDraft) -> str | None:
        """Run a draft as the hot Safe on the latest block; why it fails, None where all of it succeeds."""
        gas = rules.gas_of(self.places, draft)
        return await reading.would_fail(self.node, self.places, rules.calls(self.places, draft), gas)


async def open_slot(connection: Connection, settings: ChainSettings, draft: SafeDraft) -> OpenSlot:
    """Bind a nonce and payments to a new slot, with its Safe transaction built and kept; nothing is signed yet.

    Raises ``CoinTakenError`` where the nonce is another open slot's, ``DraftInvalidError``.
    """
    places = building.contracts(settings)
    slot = SlotId.new()
    await store.insert_slot(connection, slot, places, draft, building.build(places, draft))
    await slots.run(connection, "insert_history", slot=slot, arrow="→ planned", reason="")
    state = await slots.load(connection, slot)
    await outbox.publish(connection, "outbound.planned", slot, moves.view(state))
    return state


async def is_mistakable(connection: Connection, settings: ChainSettings, draft: SafeDraft) -> bool:
    """Whether signers would take a draft for an earlier one at its nonce, that paid other payouts the same."""
    built = building.build(building.contracts(settings), draft)
    return await store.planned_for_others(connection, draft, built)


async def standing(connection: Connection, settings: ChainSettings) -> Standing:
    """Give the hot Safe's open slots, by nonce."""
    return await store.standing(connection, settings.id)


async def handled_height(connection: Connection, settings: ChainSettings) -> int | None:
    """Give the block that our reading of chain events has reached; None before the first."""
    found = await slots.rows(connection, "height", chain=settings.id)
    return int(found[0]["height"]) if found else None


async def cancel(connection: Connection, settings: ChainSettings, slot_id: SlotId, reason: str) -> bool:
    """Have the nonce of a signed slot cancelled, so that its payouts' money goes back; False where it is too late."""
    return await handing.plan_cancel(connection, settings, slot_id, reason)


def next_nonce(chain_nonce: int, taken: Standing) -> int | None:
    """Find the nonce for the next slot; None while as many are open as the signers allow."""
    return rules.next_nonce(chain_nonce, taken)


def is_gap(nonce: int, taken: Standing) -> bool:
    """Whether later nonces, which are open, wait for this one."""
    return rules.is_gap(nonce, taken)


def moved(items: Iterable[SafeSlot]) -> tuple[dict[str, int], dict[str, int]]:
    """Sum by asset what slots take from the hot Safe (less what they draw into it), and what they draw."""
    return rules.moved(items)


def shortfalls(needed: Mapping[str, int], hot: Mapping[str, int]) -> tuple[Portion, ...]:
    """Give what has to be drawn so that hot covers what is needed, by asset."""
    return rules.shortfalls(needed, hot)


async def gather(connection: Connection, settings: ChainSettings, reference: str, call: Call, gas_limit: int) -> None:
    """Have the relayer send a sweep of forwarders, once per reference. Raises ``RelayConflictError``."""
    await relay.submit(connection, settings.id, RelayPurpose.GATHER, reference, call.to, call.data, gas_limit)


async def gathered(connection: Connection, settings: ChainSettings, reference: str) -> Relayed | None:
    """Tell how a sweep of forwarders stands."""
    return await relay.find(connection, settings.id, RelayPurpose.GATHER, reference)


def cold_safe(settings: ChainSettings, node: SafeNode) -> ColdSafe:
    """Give the cold Safe of a chain: what its owners can be asked to sign offline, and whether it can be sent."""
    return ColdSafe(settings, node)


async def find_cold(connection: Connection, settings: ChainSettings, effect: str) -> Relayed | None:
    """Tell how a transaction of the cold Safe stands with the relayer; None where it is to be sent, or again."""
    return await offline.find(connection, settings, effect)


async def send_cold(
    connection: Connection, settings: ChainSettings, move: ColdMove, built: SafeBuilt, raw: bytes
) -> Relayed | None:
    """Have the relayer execute what the cold Safe's owners signed, once; booked when it is final.

    Raises ``ColdCapitalError``, ``RelayConflictError``.
    """
    return await offline.send(connection, settings, move, built, raw)


def draw_differences(on_chain: int, told: Mapping[str, int | None]) -> tuple[str, ...]:
    """Name what differs between the chain's limit of draws and each signer's policy; base units per day."""
    return rules.draw_differences(on_chain, told)


async def house_capital(connection: Connection, asset: Asset) -> int:
    """Give what the house has of an asset of its own, less the gas that was spent, in base units."""
    return await offline.capital(connection, asset)
