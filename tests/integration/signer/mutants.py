"""Requests that a signer must refuse, each with the tag of the rule that has to say no.

Each is the honest request with one thing changed. `expires` is unix seconds in the future of the signer's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from nacl.signing import SigningKey

from strongroom_core.assets import BTC
from strongroom_core.ids import MerchantId
from strongroom_core.intents import PaymentIntent, SignedIntent
from strongroom_core.messages import SignRequest
from tests.unit.signer.kit import (
    COLD,
    HOT,
    MERCHANT_KEY,
    OTHER_MERCHANT,
    SATS,
    SHOP,
    Coin,
    Draft,
    Pay,
    change,
    coin,
    intent,
    payout,
    sign,
    to,
)

ELSEWHERE = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
STRANGER = MerchantId("mer_01j9zzzzzzzzzzzzzzzzzzzzz9")


@dataclass(frozen=True)
class Scene:
    """What the mutants start from: an intent, its honest draft, and how to make more intents that have not expired."""

    payment: PaymentIntent
    draft: Draft
    expires: int

    def pay(self, **changes: Any) -> Draft:
        """An honest draft for an intent like the first with changes."""
        values = {"expires_at": self.expires} | changes
        return payout(intent(**values), coins=(coin(amount=18 * SATS, salt=7),))


def scene(expires: int, amount: int = SATS) -> Scene:
    payment = intent(expires_at=expires, amount=amount)
    return Scene(payment, payout(payment), expires)


def _bend(evidence: SignedIntent, **changes: Any) -> tuple[SignedIntent, ...]:
    return (replace(evidence, **changes),)


def _foreign_coin() -> Coin:
    return replace(coin(), branch=2, place=1)


def _lying_amount(s: Scene) -> Draft:
    # The previous tx says twice the amount; its id is then another than the one that is spent.
    lie = replace(coin(amount=6 * SATS), txid=coin().txid)
    return s.draft.but(coins=(lie,), pays=(s.draft.pays[0], change(5 * SATS - 5_000)))


def _swap(s: Scene, **changes: Any) -> Draft:
    first, rest = s.draft.pays
    return s.draft.but(pays=(replace(first, **changes), rest))


def _rest(s: Scene, *rest: Pay) -> Draft:
    return s.draft.but(pays=(s.draft.pays[0], *rest))


REST = 2 * SATS - 5_000
WITNESS_LIE = (3 * SATS + 1).to_bytes(8, "little") + b"\x22" + HOT.script(2, 0)
ANYONE_CAN_PAY = (0x81).to_bytes(4, "little")
SIGHASH_NONE = (2).to_bytes(4, "little")

# name: (what to send, the tag that must come back)
MUTANTS: dict[str, tuple[Callable[[Scene], Draft], str]] = {
    "amount one unit higher": (lambda s: _swap(s, amount=SATS + 1), "intent-unmatched"),
    "amount one unit lower": (lambda s: _swap(s, amount=SATS - 1), "intent-unmatched"),
    "destination swapped": (lambda s: s.draft.but(pays=(to(ELSEWHERE, SATS), s.draft.pays[1])), "intent-unmatched"),
    "destination missing": (lambda s: s.draft.but(pays=(s.draft.pays[1],)), "intent-unmatched"),
    "paid twice": (lambda s: _rest(s, s.draft.pays[0], change(REST - SATS)), "output-unmatched"),
    "extra output to a stranger": (lambda s: _rest(s, to(ELSEWHERE, 1_000), change(REST - 1_000)), "output-unmatched"),
    "change to a stranger": (lambda s: _rest(s, to(ELSEWHERE, REST)), "output-unmatched"),
    "change claimed but not derived": (
        lambda s: _rest(s, replace(to(ELSEWHERE, REST), at=(HOT, 0, 0))),
        "output-unmatched",
    ),
    "change without a claim": (lambda s: _rest(s, Pay(REST, HOT.script(0, 0))), "output-unmatched"),
    "change to a merchant's branch": (lambda s: _rest(s, change(REST, branch=2)), "change-branch"),
    "change to the house branch": (lambda s: _rest(s, change(REST, branch=1)), "change-branch"),
    "sweep to a cold merchant branch": (lambda s: _rest(s, change(REST, branch=3, key_set=COLD)), "change-branch"),
    "change out of reach": (lambda s: _rest(s, change(REST, index=1_000_000)), "change-index"),
    "change as an OP_RETURN": (lambda s: _rest(s, Pay(0, b"\x6a\x01x"), change(REST)), "output-unmatched"),
    "dust change": (lambda s: _rest(s, change(545), change(REST - 545)), "output-dust"),
    "no evidence": (lambda s: s.draft.but(evidence=()), "output-unmatched"),
    "an intent that nothing pays": (
        lambda s: s.draft.but(evidence=(*s.draft.evidence, sign(intent(expires_at=s.expires, destination=ELSEWHERE)))),
        "intent-unmatched",
    ),
    "the same intent twice": (
        lambda s: s.draft.but(
            pays=(s.draft.pays[0], s.draft.pays[0], change(REST - SATS)), evidence=s.draft.evidence * 2
        ),
        "intent-repeated",
    ),
    "signature bent": (
        lambda s: s.draft.but(evidence=_bend(s.draft.evidence[0], signature=bytes(64))),
        "intent-unsigned",
    ),
    "signed by a key of the thief's": (
        lambda s: s.draft.but(evidence=(sign(s.payment, SigningKey(b"t" * 32)),)),
        "intent-unsigned",
    ),
    "signed by another merchant": (
        lambda s: s.pay(merchant=OTHER_MERCHANT).but(
            evidence=(sign(intent(merchant=OTHER_MERCHANT, expires_at=s.expires), MERCHANT_KEY),)
        ),
        "intent-unsigned",
    ),
    "intent bytes bent": (
        lambda s: s.draft.but(evidence=_bend(s.draft.evidence[0], intent=s.draft.evidence[0].intent + b"\x00")),
        "intent-malformed",
    ),
    "for another deployment": (lambda s: s.pay(deployment="production"), "intent-deployment"),
    "for another asset": (lambda s: s.pay(asset=BTC.id), "asset-unknown"),
    "merchant never enrolled": (lambda s: s.pay(merchant=STRANGER), "merchant-unknown"),
    "address of the main network": (
        lambda s: s.draft.but(
            evidence=(sign(intent(expires_at=s.expires, destination="bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")),)
        ),
        "destination-invalid",
    ),
    "with a destination tag": (lambda s: s.pay(tag="12345"), "destination-invalid"),
    "expired": (lambda s: s.pay(expires_at=1_700_000_000), "intent-expired"),
    "fee ceiling below the fee": (lambda s: s.pay(fee_ceiling=999), "fee-ceiling"),
    "above the merchant's limit": (lambda s: s.pay(amount=4 * SATS + 1, destination=ELSEWHERE), "limit-payout"),
    "fee burnt": (lambda s: _rest(s, change(REST - 300_000)), "fee-rate"),
    "all change burnt": (lambda s: s.draft.but(pays=s.draft.pays[:1]), "fee-rate"),
    "outputs above inputs": (lambda s: _rest(s, change(REST + 6_000)), "tx-malformed"),
    "SIGHASH_ALL|ANYONECANPAY": (lambda s: s.draft.but(input_changes={b"\x03": ANYONE_CAN_PAY}), "sighash"),
    "SIGHASH_NONE": (lambda s: s.draft.but(input_changes={b"\x03": SIGHASH_NONE}), "sighash"),
    "a coin at another place than claimed": (
        lambda s: s.draft.but(coins=(_foreign_coin(),)),
        "input-foreign",
    ),
    "a stranger's coin": (
        lambda s: s.draft.but(coins=(*s.draft.coins, replace(coin(salt=5), index=0, amount=4_321))),
        "input-foreign",
    ),
    "a cold coin": (lambda s: s.draft.but(coins=(coin(key_set=COLD),)), "input-foreign"),
    "another witness script": (
        lambda s: s.draft.but(input_changes={b"\x05": HOT.witness_script(2, 9)}),
        "input-foreign",
    ),
    "a coin twice": (lambda s: s.draft.but(coins=s.draft.coins * 2), "input-repeated"),
    "previous tx missing": (lambda s: s.draft.but(input_changes={b"\x00": None}), "previous-tx-missing"),
    "only a witness UTXO": (
        lambda s: s.draft.but(input_changes={b"\x00": None, b"\x01": WITNESS_LIE}),
        "previous-tx-missing",
    ),
    "lying previous tx": (_lying_amount, "previous-tx-mismatch"),
    "previous tx of another coin": (
        lambda s: s.draft.but(input_changes={b"\x00": coin(salt=4).previous}),
        "previous-tx-mismatch",
    ),
    "output index beyond the previous tx": (
        lambda s: s.draft.but(coins=(replace(s.draft.coins[0], index=2),)),
        "previous-tx-mismatch",
    ),
    "lying witness UTXO": (lambda s: s.draft.but(input_changes={b"\x01": WITNESS_LIE}), "previous-tx-mismatch"),
    "locktime in the future": (lambda s: s.draft.but(locktime=2_000_000_000), "tx-malformed"),
    "relative lock": (lambda s: s.draft.but(sequence=144), "tx-malformed"),
    "version 3": (lambda s: s.draft.but(version=3), "tx-malformed"),
    "version 2 fields in an input": (
        lambda s: s.draft.but(input_changes={b"\x0f": b"\x00\x00\x00\x00"}),
        "tx-malformed",
    ),
    "version 2 fields in an output": (
        lambda s: s.draft.but(output_changes={b"\x03": bytes(8)}),
        "tx-malformed",
    ),
    "a crowd of claims": (
        lambda s: s.draft.but(input_changes={b"\x06\x02" + bytes([at]) * 32: bytes(12) for at in range(9)}),
        "tx-malformed",
    ),
    "too heavy to relay": (
        lambda s: s.draft.but(pays=(*s.draft.pays, *(change(546, 1) for _ in range(2_400)))),
        "tx-malformed",
    ),
    "a final witness": (lambda s: s.draft.but(input_changes={b"\x08": b"\x00"}), "tx-malformed"),
    "bytes after the end": (lambda s: s.draft.but(trailing=b"\x00"), "tx-malformed"),
    "no PSBT at all": (lambda s: s.draft.but(global_changes={b"\x00": b"\x00"}), "tx-malformed"),
}

# name: (drafts that are signed first, in order; then the one that must be refused; its tag)
Story = Callable[[Scene], tuple[list[Draft], Draft]]


def _replayed_elsewhere(s: Scene) -> tuple[list[Draft], Draft]:
    return [s.draft], payout(s.payment, coins=(coin(salt=1),))


def _coin_dropped(s: Scene) -> tuple[list[Draft], Draft]:
    both = (coin(), coin(salt=1))
    return [payout(s.payment, coins=both)], payout(s.payment, coins=both[:1])


def _payment_added(s: Scene) -> tuple[list[Draft], Draft]:
    return [s.draft], payout(s.payment, intent(expires_at=s.expires, amount=SATS // 2))


def _two_slots_joined(s: Scene) -> tuple[list[Draft], Draft]:
    other = intent(expires_at=s.expires)
    coins = (coin(), coin(salt=1))
    return [s.draft, payout(other, coins=coins[1:])], payout(s.payment, other, coins=coins)


def _claimed_for_another(s: Scene) -> tuple[list[Draft], Draft]:
    # Two intents of one amount to one address: the very chain tx that pays the first must not pass for the second.
    twin = intent(expires_at=s.expires)
    return [s.draft], s.draft.but(evidence=(sign(twin),))


def _same_payout_id(s: Scene) -> tuple[list[Draft], Draft]:
    again = intent(payout=s.payment.payout, expires_at=s.expires + 1)
    return [s.draft], payout(again, coins=(coin(salt=1),))


def _many(s: Scene, count: int, **changes: Any) -> list[Draft]:
    drafts = []
    for salt in range(count):
        values = {"amount": 3 * SATS, "expires_at": s.expires} | changes
        drafts.append(payout(intent(**values), coins=(coin(4 * SATS, salt=100 + salt),)))
    return drafts


def _unlisted_cap(s: Scene) -> tuple[list[Draft], Draft]:
    *first, last = _many(s, 3, destination=SHOP)
    return first, last


def _merchant_window(s: Scene) -> tuple[list[Draft], Draft]:
    *first, last = _many(s, 4, destination=ELSEWHERE)
    return first, last


def _daily_fees(s: Scene) -> tuple[list[Draft], Draft]:
    def sweep(salt: int, fee: int) -> Draft:
        many = tuple(coin(SATS, salt=1000 + 100 * salt + at) for at in range(40))
        return Draft(many, (change(40 * SATS - fee),))

    return [sweep(0, 190_000), sweep(1, 190_000)], sweep(2, 190_000)


def _fee_absolute(s: Scene) -> tuple[list[Draft], Draft]:
    many = tuple(coin(SATS, salt=1000 + at) for at in range(40))
    return [], Draft(many, (change(40 * SATS - 200_001),))


STORIES: dict[str, tuple[Story, str]] = {
    "replayed in another slot": (_replayed_elsewhere, "intent-bound"),
    "a coin of the earlier version dropped": (_coin_dropped, "slot-inputs"),
    "a payment added to a later version": (_payment_added, "slot-payments"),
    "a signed chain tx claimed for another intent": (_claimed_for_another, "slot-payments"),
    "two slots joined": (_two_slots_joined, "intent-bound"),
    "a second intent for a payout id": (_same_payout_id, "intent-bound"),
    "unlisted cap used up": (_unlisted_cap, "destination-unlisted"),
    "merchant's window used up": (_merchant_window, "velocity-merchant"),
    "day's fees used up": (_daily_fees, "fee-daily"),
    "fee above the absolute limit": (_fee_absolute, "fee-absolute"),
}


def mutant_request(name: str, expires: int) -> tuple[SignRequest, str]:
    """The request of a mutant, and its tag."""
    make, tag = MUTANTS[name]
    return make(scene(expires)).request(name[:60]), tag
