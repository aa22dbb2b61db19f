"""What a confirmed chain tx made impossible, and is given back: the slots whose coins it spent, the rest of a nonce."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from strongroom_core.refusals import RefusalTag
from strongroom_signer.destination import script_of
from strongroom_signer.model import Refusal
from strongroom_signer.proofs import NEW, Booking
from strongroom_signer.slots import NonceSlot, Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom_signer.books import Books
    from strongroom_signer.merkle import ProvenTx
    from strongroom_signer.model import Coin
    from strongroom_signer.policy import Policy
    from strongroom_signer.proofs import Executed
    from strongroom_signer.records import Body
    from strongroom_signer.slots import Version

#: Of one item, so that its row can be pushed to the peer; a nonce may have more.
MAX_INTENTS: Final = 5_000


@dataclass(slots=True)
class Returns:
    """Books what a confirmed chain tx made impossible: the slots whose coins it spent, the rest of a nonce."""

    chain: str
    policy: Policy
    books: Books
    booking: Booking = field(default_factory=Booking)
    _taken: set[int] = field(default_factory=set)

    def book_conflicts(self, found: Sequence[ProvenTx | Refusal]) -> Booking:
        """Give the slots of bitcoin-likes that are dead, and a result for each proof."""
        self.booking.results += [item if isinstance(item, Refusal) else self._conflict(item) for item in found]
        return self.booking

    def book_executions(self, found: Sequence[Executed | Refusal]) -> Booking:
        """Give what else was signed at a nonce that is used, and a result for each proof."""
        self.booking.results += [item if isinstance(item, Refusal) else self._execution(item) for item in found]
        return self.booking

    def _conflict(self, found: ProvenTx) -> int | Refusal:
        own = self.books.versions.get((self.chain, found.txid))
        dead = self._killed(found, own)
        if not dead:
            reason = (
                "it spends no coin that all versions of another slot spend; a slot's own version gives nothing back"
            )
            return Refusal(RefusalTag.PROOF_CONFLICT, reason)
        if own is None and any(self._may_have_paid(slot, found) for slot in dead):
            reason = (
                "it may pay what the slot pays, and this signer did not sign it; the recovery ceremony settles that"
            )
            return Refusal(RefusalTag.PROOF_CONFLICT, reason)
        told = [self.books.money.settled.get(slot.row, 0) for slot in dead]
        fresh = [slot for slot, row in zip(dead, told, strict=True) if not row and slot.row not in self._taken]
        self.booking.items += [self._slot_item(slot, found) for slot in fresh]
        self._taken |= {slot.row for slot in fresh}
        return max(told) if all(told) else NEW

    def _killed(self, found: ProvenTx, own: Version | None) -> list[Slot]:
        """Find slots that can never confirm: every version spends a coin that is gone, or one that never will be."""
        dead: dict[int, Slot] = {}
        gone: list[Coin] = [spent.coin for spent in found.tx.inputs]
        if own is not None:
            gone += _change_of(own.slot, but=found.txid)
        while gone:
            coin = gone.pop()
            for slot in self.books.slots_of_coin.get((self.chain, coin), ()):
                if slot.row not in dead and (own is None or slot is not own.slot):
                    dead[slot.row] = slot
                    gone += _change_of(slot)
        return [dead[row] for row in sorted(dead)]

    def _may_have_paid(self, slot: Slot, found: ProvenTx) -> bool:
        parameters = self.policy.chains[self.chain].parameters
        outputs = {(output.script, output.amount) for output in found.tx.outputs}
        payments = (self.books.money.paid[intent] for intent in slot.intents)
        return any((script_of(paid.destination, parameters), paid.amount) in outputs for paid in payments)

    def _slot_item(self, slot: Slot, found: ProvenTx) -> Body:
        return {
            "slot": slot.row,
            "asset": self.policy.chains[self.chain].parameters.asset.id,
            "by": found.txid,
            "executed": False,
            "intents": sorted(slot.intents),
            "fee": slot.fee,
            "height": found.height,
            "block": found.block,
        }

    def _execution(self, found: Executed) -> int | Refusal:
        version = self.books.versions.get((self.chain, found.effect))
        if version is None or not isinstance(version.slot, NonceSlot):
            return Refusal(RefusalTag.PROOF_CONFLICT, "this signer did not sign what was executed, nor knows its nonce")
        slot, returned = version.slot, self.books.money.returned
        left = [item for item in slot.intents if item not in version.intents and item not in returned]
        if slot.row in self._taken:
            return NEW
        if slot.executed and not left:
            return self.books.money.settled[slot.row]
        self._taken.add(slot.row)
        # At least one, which says that the nonce is used; those left by a crash between two rows are proven again.
        for at in range(0, max(len(left), 1), MAX_INTENTS):
            self.booking.items.append(_nonce_item(slot, found, sorted(left)[at : at + MAX_INTENTS]))
        return NEW


def _nonce_item(slot: NonceSlot, found: Executed, intents: list[str]) -> Body:
    return {
        "slot": slot.row,
        "asset": "",
        "by": found.effect,
        "executed": True,
        "intents": intents,
        "fee": 0,
        "height": found.height,
        "block": found.block,
    }


def _change_of(slot: Slot | NonceSlot, but: str = "") -> list[Coin]:
    """Give the change of all versions of a slot but one: coins that will never be."""
    if not isinstance(slot, Slot):
        return []
    return [(txid, output) for txid, outputs in slot.change.items() if txid != but for output in outputs]
