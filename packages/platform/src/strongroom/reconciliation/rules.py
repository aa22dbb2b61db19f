"""Pure: the comparison. Books with themselves, books with a chain, journals with what we sent."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from strongroom.ledger.model import AccountAudit, AccountType
from strongroom.reconciliation.model import (
    BookFacts,
    CoinFacts,
    ColdFacts,
    Difference,
    DifferenceName,
    Journal,
    Movement,
    PaymentFacts,
    RelayerFacts,
    SentFacts,
    SignedRow,
    SlotFacts,
    VersionFacts,
    VoidFacts,
)
from strongroom_core.messages import JournalRow

_N = DifferenceName
_GENESIS_PREVIOUS: Final = bytes(32)
_CHAIN_ACCOUNT: Final = {"hot": AccountType.CHAIN_HOT, "cold": AccountType.CHAIN_COLD}
#: From here on both signatures exist, so the payments stand in both journals and, until final, in transit.
_SIGNED_STATES: Final = frozenset({"signed", "broadcast", "confirmed"})
_PAID_STATES: Final = _SIGNED_STATES | {"final"}


def check_books(books: BookFacts) -> Iterator[Difference]:
    """Compare the books with themselves: entries, balances, sums per asset, and held money with holds."""
    for audit in books.accounts:
        if not audit.sound:
            detail = (
                f"{audit.account.name}: balance {audit.balance}, last entry {audit.last_after}, "
                f"{audit.entries} entries counted, {audit.entry_count} found, {audit.breaks} out of line"
            )
            yield Difference(_N.BALANCE_ENTRIES, audit.account.asset.id, audit.entry_sum, audit.balance, detail)
    for transaction, line in books.broken_postings:
        detail = f"posting {line} of ledger transaction {transaction} is not two equal legs of one asset"
        yield Difference(_N.POSTING_UNBALANCED, "", 2, 0, detail)
    yield from _check_sums(books.accounts)
    yield from _check_holds(books)


def _check_sums(accounts: Iterable[AccountAudit]) -> Iterator[Difference]:
    sums: dict[str, int] = defaultdict(int)
    for audit in accounts:
        sums[audit.account.asset.id] += audit.balance
        if audit.account.type is AccountType.SUSPENSE and audit.balance:
            detail = "payments to addresses that were given to nobody; an operator has to look"
            yield Difference(_N.SUSPENSE, audit.account.asset.id, 0, audit.balance, detail)
    for asset, total in sums.items():
        if total:
            yield Difference(_N.ASSET_SUM, asset, 0, total, "all balances of an asset sum to zero")


def _check_holds(books: BookFacts) -> Iterator[Difference]:
    held = {
        (str(audit.account.owner), audit.account.asset.id): audit.balance
        for audit in books.accounts
        if audit.account.type is AccountType.MERCHANT_HELD
    }
    for merchant, asset in sorted(held.keys() | books.holds.keys()):
        expected, found = books.holds.get((merchant, asset), 0), held.get((merchant, asset), 0)
        if expected != found:
            yield Difference(_N.HELD_HOLDS, asset, expected, found, f"open holds and held balance of {merchant}")


def check_chain(books: BookFacts, sent: SentFacts, coins: CoinFacts) -> Iterator[Difference]:
    """Compare the books with the coins that a node finds, explaining what may differ for now."""
    for place, amount in coins.unknown:
        detail = f"{place} pays a script of ours that we did not derive"
        yield Difference(_N.COIN_UNKNOWN, sent.asset, 0, amount, detail)
    if (sent.deposit_tip or coins.block_hash) != coins.block_hash:
        detail = f"deposits have not handled block {coins.block_hash} yet; try again"
        yield Difference(_N.BOOKS_BEHIND, sent.asset, coins.height, 0, detail)
    if sent.outbound_height not in (None, coins.height):
        detail = "outbound has not handled the node's best block yet; try again"
        yield Difference(_N.BOOKS_BEHIND, sent.asset, coins.height, sent.outbound_height or 0, detail)
    yield from _uncredited(sent)
    yield from _in_flight(sent)
    for kind, account in _CHAIN_ACCOUNT.items():
        expected = -_balance(books, account, sent.asset) + _pending(sent, kind)
        found = coins.held.get(kind, 0)
        if expected != found:
            detail = f"the {kind} key set at height {coins.height}: books and what explains itself, against coins"
            yield Difference(_N.BOOKS_CHAIN, sent.asset, expected, found, detail)
    expected = sum(slot.paid for slot in sent.slots if slot.state in _SIGNED_STATES)
    found = _balance(books, AccountType.IN_TRANSIT, sent.asset)
    if expected != found:
        yield Difference(_N.IN_TRANSIT_SLOTS, sent.asset, expected, found, "open slots and the in-transit balance")


def as_before(held: Mapping[str, int], moves: Iterable[ColdFacts]) -> dict[str, int]:
    """Give what hot and cold had before moves of the cold Safe that are not booked yet."""
    before = dict(held)
    for move in moves:
        before["cold"] += move.amount
        before["hot"] -= move.amount * move.to_hot
    return before


def cold_in_flight(moves: Iterable[ColdFacts]) -> Iterator[Difference]:
    """Name moves of the cold Safe that are in a block and not final."""
    for move in moves:
        detail = f"the cold Safe's transaction in {move.txid} is in a block and not final yet"
        yield Difference(_N.IN_FLIGHT, move.asset, 0, move.amount, detail)


def check_gas(books: BookFacts, asset: str, spent: int) -> Iterator[Difference]:
    """Compare an EVM chain's network fees in the books, which are relayers' gas, with ``spent`` wei of final nonces."""
    posted = -_balance(books, AccountType.NETWORK_FEES, asset)
    if posted != spent:
        detail = "what relayers' final chain txs have cost, against network fees in the books"
        yield Difference(_N.RELAY_GAS, asset, spent, posted, detail)


def check_relayer(facts: RelayerFacts) -> Iterator[Difference]:
    """Explain a relayer's balance: gas capital paid in, less what its chain txs have cost. More was paid in since."""
    name = f"the relayer 0x{facts.address.hex()} at height {facts.height}"
    if facts.behind:
        detail = f"{name}: what its nonce {facts.lowest_open} has cost is not known yet; try again"
        yield Difference(_N.BOOKS_BEHIND, facts.asset, facts.nonce, facts.lowest_open or 0, detail)
        return
    expected = facts.capital - facts.spent
    if facts.entries and facts.balance < expected:
        detail = (
            f"{name}: {facts.capital} paid in, less {facts.spent} for gas; the rest left it by no call of ours. Where "
            "you took it out yourself, say so with `strongroom relayer taken`"
        )
        yield Difference(_N.RELAYER_BALANCE, facts.asset, expected, facts.balance, detail)


def _pending(sent: SentFacts, kind: str) -> int:
    """Give what the chain has beyond the books: deposits not credited, less what left and is not final."""
    pending = sum(item.amount for item in sent.uncredited if item.kind == kind)
    for slot, version in _mined(sent.slots):
        moved = version.swept - version.drawn
        pending += moved if kind == "cold" else -(slot.paid + version.fee + moved)
    return pending


def _mined(slots: Iterable[SlotFacts]) -> Iterator[tuple[SlotFacts, VersionFacts]]:
    for slot in slots:
        if slot.state == "confirmed":
            yield from ((slot, version) for version in slot.versions if version.txid == slot.txid)


def _uncredited(sent: SentFacts) -> Iterator[Difference]:
    for item in sent.uncredited:
        name = _N.BELOW_MINIMUM if item.below_minimum else _N.DEPOSIT_UNCREDITED
        yield Difference(name, sent.asset, 0, item.amount, f"{item.count} deposits on the {item.kind} key set")


def _in_flight(sent: SentFacts) -> Iterator[Difference]:
    for slot, version in _mined(sent.slots):
        detail = f"{slot.id} is in a block as {version.txid} and not final yet"
        amount = slot.paid + version.fee + version.swept
        if amount or version.drawn:
            yield Difference(_N.IN_FLIGHT, sent.asset, 0, amount, detail)


def _balance(books: BookFacts, kind: AccountType, asset: str) -> int:
    return sum(item.balance for item in books.accounts if (item.account.type, item.account.asset.id) == (kind, asset))


def read_journal(signer: str, rows: Sequence[JournalRow]) -> Journal:
    """Verify a journal from row 1 and read what it signed and voided, as far as it verifies.

    A row's hash is SHA-256(previous ‖ number as 8 bytes, big-endian ‖ body), and the first follows 32 zero bytes.
    """
    previous, signed, voided = _GENESIS_PREVIOUS, list[SignedRow](), set[str]()
    for count, row in enumerate(rows, 1):
        hashed = hashlib.sha256(previous + count.to_bytes(8, "big") + row.body).digest()
        if (row.number, row.previous, row.hash) != (count, previous, hashed):
            return Journal(signer, count - 1, tuple(signed), frozenset(voided), f"row {count} does not verify")
        previous = row.hash
        try:
            body = json.loads(row.body)
            _read_row(row.number, body, signed, voided)
        except (ValueError, KeyError, TypeError, AttributeError):
            return Journal(signer, count - 1, tuple(signed), frozenset(voided), f"row {count} cannot be read")
    broken = "" if rows else "it has no rows; a journal begins with its genesis row"
    return Journal(signer, len(rows), tuple(signed), frozenset(voided), broken)


def _read_row(number: int, body: Any, signed: list[SignedRow], voided: set[str]) -> None:
    if body["kind"] == "signed":
        intents = tuple(str(payment["intent"]) for payment in body["payments"])
        signed.append(SignedRow(number, str(body["chain"]), str(body["txid"]), int(body["fee"]), intents))
    elif body["kind"] == "safe-signed":
        intents = tuple(str(payment["intent"]) for payment in body["payments"])
        moved = [
            Movement(to, str(item["asset"]), int(item["amount"]))
            for to, name in (("hot", "draws"), ("cold", "sweeps"))
            for item in body[name]
        ]
        row = SignedRow(number, str(body["chain"]), str(body["txid"]), 0, intents, _sorted(moved))
        signed.append(row)
    elif body["kind"] == "voided":
        voided.add(str(body["intent"]))


def of_asset(sent: SentFacts, asset: str) -> SentFacts:
    """Give of what was sent on a chain of many assets what is of one of them."""
    return replace(
        sent,
        asset=asset,
        slots=tuple(_slot_of(slot, asset) for slot in sent.slots),
        uncredited=tuple(item for item in sent.uncredited if item.asset == asset),
    )


def _slot_of(slot: SlotFacts, asset: str) -> SlotFacts:
    versions = tuple(
        replace(version, swept=_moved(version, "cold", asset), drawn=_moved(version, "hot", asset))
        for version in slot.versions
    )
    payments = tuple(payment for payment in slot.payments if payment.asset == asset)
    return replace(slot, payments=payments, versions=versions)


def _moved(version: VersionFacts, to: str, asset: str) -> int:
    return sum(item.amount for item in version.movements if (item.to, item.asset) == (to, asset))


def _sorted(movements: Iterable[Movement]) -> tuple[Movement, ...]:
    return tuple(sorted(movements, key=lambda item: (item.to, item.asset, item.amount)))


def check_journal(journal: Journal, before: Sequence[SentFacts], now: Sequence[SentFacts]) -> Iterator[Difference]:
    """Compare one signer's journal with everything that we sent, as known before and after the journal was read.

    What was signed before has to be in it; what is in it has to be known now. So nothing that happens while it is read
    looks like a difference: we record a version before we ask for a signature.
    """
    if journal.broken:
        detail = f"{journal.signer}: {journal.broken}"
        yield Difference(_N.JOURNAL_BROKEN, "", journal.rows + 1, journal.rows, detail)
    known = {
        (facts.chain, version.txid): (facts, slot, version)
        for facts in now
        for slot in facts.slots
        for version in slot.versions
    }
    for row in journal.signed:
        if (row.chain, row.txid) in known:
            yield from _check_row(journal, row, *known[row.chain, row.txid])
        else:
            detail = f"{journal.signer} row {row.number} signed {row.txid}, which we never planned"
            yield Difference(_N.JOURNAL_EXTRA_ROW, "", 0, 1, detail)
    for facts in before:
        yield from _check_rows_exist(journal, facts)
        yield from _check_intents_exist(journal, facts)
        yield from _check_voids(journal, facts)


def _check_row(
    journal: Journal, row: SignedRow, facts: SentFacts, slot: SlotFacts, version: VersionFacts
) -> Iterator[Difference]:
    extra = Counter(row.intents) - Counter(payment.intent for payment in slot.payments)
    for intent in sorted(extra.elements()):
        detail = f"{journal.signer} row {row.number} paid intent {intent}, which {slot.id} does not have"
        yield Difference(_N.JOURNAL_EXTRA_INTENT, facts.asset, 0, 1, detail)
    if row.movements != _sorted(version.movements):
        detail = f"{journal.signer} row {row.number}: draws and sweeps of {row.txid} are not what we planned"
        expected, found = (sum(item.amount for item in moves) for moves in (version.movements, row.movements))
        yield Difference(_N.JOURNAL_MOVEMENT, facts.asset, expected, found, detail)
    if row.fee != version.fee:
        detail = f"{journal.signer} row {row.number}: the miner's fee of {row.txid}"
        yield Difference(_N.JOURNAL_FEE, facts.asset, version.fee, row.fee, detail)


def _check_rows_exist(journal: Journal, facts: SentFacts) -> Iterator[Difference]:
    txids = {row.txid for row in journal.signed if row.chain == facts.chain}
    for slot in facts.slots:
        for version in slot.versions:
            if version.signed and version.txid not in txids:
                detail = f"{journal.signer} has no row for {version.txid} of {slot.id}, which it signed"
                yield Difference(_N.JOURNAL_MISSING_ROW, facts.asset, 1, 0, detail)


def _check_intents_exist(journal: Journal, facts: SentFacts) -> Iterator[Difference]:
    signed = {intent for row in journal.signed if row.chain == facts.chain for intent in row.intents}
    for slot in facts.slots:
        if slot.state in _PAID_STATES:
            for payment in slot.payments:
                if payment.intent not in signed:
                    detail = f"{journal.signer} did not journal {_intent_of(payment)}, paid by {slot.id}"
                    yield Difference(_N.JOURNAL_MISSING_INTENT, facts.asset, payment.amount, 0, detail)


def _intent_of(item: PaymentFacts | VoidFacts) -> str:
    """Name an intent: a payout id alone may be several merchants', the hash of an intent is in every journal."""
    return f"the intent {item.intent} of {item.payout_id}"


def _check_voids(journal: Journal, facts: SentFacts) -> Iterator[Difference]:
    signed = {intent for row in journal.signed for intent in row.intents}
    for void in facts.voids:
        if void.signer != journal.signer:
            continue
        if void.intent not in journal.voided:
            detail = f"{journal.signer} has no void of {_intent_of(void)}, whose hold was released on it"
            yield Difference(_N.JOURNAL_MISSING_VOID, facts.asset, 1, 0, detail)
        if void.intent in signed:
            detail = f"{journal.signer} signed {_intent_of(void)} although it had promised never to"
            yield Difference(_N.JOURNAL_SIGNED_VOID, facts.asset, 0, 1, detail)
