"""What the journal adds up to: bound intents, slots, voids, sums in rolling windows, the halt. Rebuilt at every start.

The one function ``apply`` is used for a row that was just written and for a row that is read again, so what a signer
remembers cannot depend on whether it was restarted.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from strongroom_core.statements import Document
from strongroom_signer.balances import Balances
from strongroom_signer.pending import ANNOUNCED, CANCELLED, CHALLENGE, Changes
from strongroom_signer.slots import NonceSlot, Slot, Spend, Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_signer.model import Coin

SIGNED: Final = "signed"
SAFE_SIGNED: Final = "safe-signed"
REFUSED: Final = "refused"
VOIDED: Final = "voided"
HALTED: Final = "halted"
RESUMED: Final = "resumed"
GENESIS: Final = "genesis"
DEPOSITS: Final = "deposits"
REORGED: Final = "reorged"
CONFLICTED: Final = "conflicted"
CONVERTED: Final = "converted"
POLICY: Final = "policy"
ENROLMENT: Final = "enrolment"
DAY_SECONDS: Final = 86_400


@dataclass(slots=True)
class Books:
    """The fold over the journal; hashes are lower-case hex as the rows have them. ``money`` is who holds what."""

    money: Balances = field(default_factory=Balances)
    signed_rows: dict[str, int] = field(default_factory=dict)
    slot_of_intent: dict[str, Slot] = field(default_factory=dict)
    nonce_of_intent: dict[str, NonceSlot] = field(default_factory=dict)
    intent_of_payout: dict[tuple[str, str], str] = field(default_factory=dict)
    void_rows: dict[str, int] = field(default_factory=dict)
    slots: dict[int, Slot] = field(default_factory=dict)
    versions: dict[tuple[str, str], Version] = field(default_factory=dict)
    sweeps: dict[Coin, list[Slot]] = field(default_factory=dict)
    spends: dict[str, list[Spend]] = field(default_factory=dict)
    fee_marks: dict[str, list[tuple[int, Slot]]] = field(default_factory=dict)
    highest_index: dict[tuple[str, str], int] = field(default_factory=dict)
    nonces: dict[tuple[str, str, int], NonceSlot] = field(default_factory=dict)
    highest_nonce: dict[tuple[str, str], int] = field(default_factory=dict)
    nonce_marks: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    draw_marks: dict[tuple[str, str], list[tuple[int, NonceSlot]]] = field(default_factory=dict)
    slots_of_coin: dict[tuple[str, Coin], list[Slot]] = field(default_factory=dict)
    highest_executed: dict[tuple[str, str], int] = field(default_factory=dict)
    halted: bool = False
    halt_reason: str = ""
    halt_row: int = 0
    last_at: int = 0
    name: str = ""
    fingerprint: str = ""
    policy_hash: str = ""
    enrolment_hash: str = ""
    changes: Changes = field(default_factory=Changes)

    def apply(self, row: int, body: dict[str, Any]) -> None:
        """Take a row into account; raises ``KeyError`` or ``TypeError`` on one that this release cannot read."""
        # A clock that once was ahead stays the mark: time never goes back, whatever a later row says.
        self.last_at = max(self.last_at, body["at"])
        _APPLY[body["kind"]](self, row, body)

    @property
    def balances(self) -> dict[tuple[str, str], int]:
        """Base units by (holder, asset); a holder is a merchant's id or ``house``."""
        return self.money.of

    def spent(self, asset: str, since: int) -> Iterator[Spend]:
        """Give the spends of an asset after ``since`` (unix seconds), newest first."""
        for spend in reversed(self.spends.get(asset, [])):
            if spend.at <= since:
                return
            yield spend

    def fees(self, chain: str, since: int, without: Slot | None) -> int:
        """Add up every slot's highest fee on a chain, if reached after ``since``; ``without`` leaves one slot out."""
        total = 0
        for at, slot in reversed(self.fee_marks.get(chain, [])):
            if at <= since:
                break
            # A slot has a mark for every time that its fee rose; only the last one counts.
            if at == slot.fee_at and slot is not without:
                total += slot.fee
        return total

    def new_nonces(self, chain: str, safe: str, since: int) -> int:
        """Count the nonces of a Safe at which something was signed for the first time after ``since``."""
        marks = self.nonce_marks.get((chain, safe), [])
        return len(marks) - bisect_right(marks, since)

    def drawn(self, chain: str, asset: str, since: int, without: NonceSlot | None) -> int:
        """Add up every nonce's largest draw of an asset since ``since``; ``without`` leaves one nonce out."""
        total = 0
        for at, slot in reversed(self.draw_marks.get((chain, asset), [])):
            if at <= since:
                break
            amount, signed_at = slot.draws[asset]
            # A nonce has a mark for every time that its draw rose; only the last one counts.
            if at == signed_at and slot is not without:
                total += amount
        return total

    def sweep_slot(self, chain: str, coins: frozenset[Coin]) -> Slot | None:
        """Find the slot without intents that a sweep of ``coins`` is a later version of: it has all of its coins."""
        found = {slot.row: slot for coin in coins for slot in self.sweeps.get(coin, [])}
        return next(
            (found[row] for row in sorted(found) if found[row].chain == chain and found[row].coins <= coins), None
        )


def _signed(books: Books, row: int, body: dict[str, Any]) -> None:
    coins: set[Coin] = {(coin["txid"], coin["index"]) for coin in body["inputs"]}
    slot = books.slots.get(body["slot"] or row)
    if slot is None:
        slot = Slot(row, body["chain"], frozenset(item["intent"] for item in body["payments"]), coins)
        books.slots[row] = slot
        # Those of the first version only, which every version spends: whoever spends one of them kills them all.
        for coin in coins:
            books.slots_of_coin.setdefault((slot.chain, coin), []).append(slot)
        _bind(books, slot, body)
    slot.coins |= coins
    slot.change[body["txid"]] = tuple(item["output"] for item in body["change"])
    books.versions[(body["chain"], body["txid"])] = Version(row, slot.intents, slot)
    if body["fee"] > slot.fee:
        _mark_fee(books, slot, body)
    if not slot.intents:
        for coin in coins:
            if slot not in books.sweeps.setdefault(coin, []):
                books.sweeps[coin].append(slot)
    for item in body["change"]:
        key = (body["chain"], item["key_set"])
        books.highest_index[key] = max(books.highest_index.get(key, -1), item["index"])
        books.money.add_change(body["chain"], (body["txid"], item["output"]), body["asset"], item["amount"])


def _mark_fee(books: Books, slot: Slot, body: dict[str, Any]) -> None:
    marks = books.fee_marks.setdefault(body["chain"], [])
    if slot.fee_at != body["at"]:
        marks.append((body["at"], slot))
    books.money.charge(body["asset"], body["fee"] - slot.fee)
    slot.fee, slot.fee_at = body["fee"], body["at"]


def _bind(books: Books, slot: Slot, body: dict[str, Any]) -> None:
    for item in body["payments"]:
        books.slot_of_intent[item["intent"]] = slot
        _count(books, slot.row, item, body["at"])


def _count(books: Books, row: int, payment: dict[str, Any], at: int) -> None:
    """Count and book a payment that is signed for the first time."""
    books.money.pay(row, payment)
    books.signed_rows[payment["intent"]] = row
    books.intent_of_payout[(payment["merchant"], payment["payout"])] = payment["intent"]
    spend = Spend(at, payment["merchant"], payment["amount"], payment["listed"])
    books.spends.setdefault(payment["asset"], []).append(spend)


def _safe_signed(books: Books, row: int, body: dict[str, Any]) -> None:
    chain, safe, nonce = body["chain"], body["safe"], body["nonce"]
    if (chain, safe, nonce) not in books.nonces:
        # In order: nothing is signed while the clock stands before an earlier row's.
        books.nonce_marks.setdefault((chain, safe), []).append(body["at"])
    slot = books.nonces.setdefault((chain, safe, nonce), NonceSlot(row, chain, safe, nonce))
    books.highest_nonce[(chain, safe)] = max(books.highest_nonce.get((chain, safe), nonce), nonce)
    intents = frozenset(item["intent"] for item in body["payments"])
    books.versions[(chain, body["txid"])] = Version(row, intents, slot)
    slot.intents |= dict.fromkeys(item["intent"] for item in body["payments"])
    for item in body["payments"]:
        if item["intent"] not in books.nonce_of_intent:
            books.nonce_of_intent[item["intent"]] = slot
            _count(books, row, item, body["at"])
    for item in body["draws"]:
        _mark_draw(books, slot, item, body["at"])


def _mark_draw(books: Books, slot: NonceSlot, draw: dict[str, Any], at: int) -> None:
    asset, amount = draw["asset"], draw["amount"]
    largest, signed_at = slot.draws.get(asset, (0, -1))
    if amount > largest:
        if signed_at != at:
            books.draw_marks.setdefault((slot.chain, asset), []).append((at, slot))
        slot.draws[asset] = (amount, at)


def _deposits(books: Books, row: int, body: dict[str, Any]) -> None:
    for item in body["items"]:
        books.money.deposit(row, body["chain"], item)


def _reorged(books: Books, row: int, body: dict[str, Any]) -> None:
    del row
    for key in body["items"]:
        books.money.reorg(body["chain"], key)


def _conflicted(books: Books, row: int, body: dict[str, Any]) -> None:
    for item in body["items"]:
        for intent in item["intents"]:
            books.money.give_back(row, intent)
            # What was given back is dead: it must never be signed again.
            books.void_rows.setdefault(intent, row)
        books.money.settled[item["slot"]] = row
        if item["executed"]:
            _execute(books, books.versions[body["chain"], item["by"]].slot, item["by"])
        else:
            books.money.charge(item["asset"], -item["fee"])


def _execute(books: Books, slot: Slot | NonceSlot, effect: str) -> None:
    if isinstance(slot, NonceSlot):
        slot.executed = effect
        key = (slot.chain, slot.safe)
        books.highest_executed[key] = max(books.highest_executed.get(key, -1), slot.nonce)


def _converted(books: Books, row: int, body: dict[str, Any]) -> None:
    books.money.convert(row, body)


def _voided(books: Books, row: int, body: dict[str, Any]) -> None:
    books.void_rows[body["intent"]] = row


def _halted(books: Books, row: int, body: dict[str, Any]) -> None:
    books.halted, books.halt_reason, books.halt_row = True, body["reason"], row


def _resumed(books: Books, row: int, body: dict[str, Any]) -> None:
    del row, body
    books.halted, books.halt_reason, books.halt_row = False, "", 0


def _genesis(books: Books, row: int, body: dict[str, Any]) -> None:
    books.name, books.fingerprint = body["name"], body["fingerprint"]
    _policy(books, row, body)


def _policy(books: Books, row: int, body: dict[str, Any]) -> None:
    del row
    books.policy_hash = body["policy"]
    books.changes.put_in_force(Document.POLICY, body["text"], body["policy"], body)


def _enrolment(books: Books, row: int, body: dict[str, Any]) -> None:
    del row
    books.enrolment_hash = body["enrolment"]
    books.changes.put_in_force(Document.MERCHANTS, body["text"], body["enrolment"], body)


def _challenge(books: Books, row: int, body: dict[str, Any]) -> None:
    del row
    books.changes.challenge(body)


def _announced(books: Books, row: int, body: dict[str, Any]) -> None:
    books.changes.announce(row, body)


def _cancelled(books: Books, row: int, body: dict[str, Any]) -> None:
    del row
    books.changes.cancel(body)


def _refused(books: Books, row: int, body: dict[str, Any]) -> None:
    del books, row, body


_APPLY: Final = {
    GENESIS: _genesis,
    POLICY: _policy,
    ENROLMENT: _enrolment,
    CHALLENGE: _challenge,
    ANNOUNCED: _announced,
    CANCELLED: _cancelled,
    SIGNED: _signed,
    SAFE_SIGNED: _safe_signed,
    REFUSED: _refused,
    DEPOSITS: _deposits,
    REORGED: _reorged,
    CONFLICTED: _conflicted,
    CONVERTED: _converted,
    VOIDED: _voided,
    HALTED: _halted,
    RESUMED: _resumed,
}
