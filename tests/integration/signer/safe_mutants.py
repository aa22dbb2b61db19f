"""Safe transactions that a signer must refuse, each with the tag of the rule that has to say no.

Each is the honest request with one thing changed. `expires` is unix seconds in the future of the signer's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from nacl.signing import SigningKey

from strongroom_core.assets import ETH, REGTEST_BTC
from strongroom_core.ids import MerchantId
from strongroom_core.intents import PaymentIntent
from strongroom_core.messages import SignSafeRequest
from tests.unit.signer.kit import MERCHANT_KEY, OTHER_MERCHANT, sign
from tests.unit.signer.safe_kit import (
    COIN,
    ETHER,
    HOUSE,
    LISTED,
    NEW_NONCES_PER_DAY,
    SHOP,
    UNITS,
    USDC,
    Part,
    SafeDraft,
    call,
    cancel,
    draw,
    intent,
    pay,
    payout,
    place,
    send,
    text_of,
    transfer,
)

THIEF = place("thief")
STRANGER = MerchantId("mer_01j9zzzzzzzzzzzzzzzzzzzzz9")


@dataclass(frozen=True)
class Scene:
    """What the mutants start from: two intents, the honest batch with a draw, and how to make more."""

    first: PaymentIntent
    second: PaymentIntent
    draft: SafeDraft
    expires: int

    def pay(self, **changes: Any) -> SafeDraft:
        """An honest draft for one intent like the first, with changes."""
        return payout(intent(**({"expires_at": self.expires} | changes)))

    @property
    def single(self) -> SafeDraft:
        """The first intent paid alone, without MultiSend."""
        return payout(self.first)


def scene(expires: int, nonce: int = 0) -> Scene:
    first = intent(expires_at=expires)
    second = intent(expires_at=expires, asset=COIN, amount=2 * ETHER, merchant=OTHER_MERCHANT)
    draft = payout(first, second, nonce=nonce, more=(draw(HOUSE.usdt, 250 * UNITS),))
    return Scene(first, second, draft, expires)


def _usdc(s: Scene, amount: int) -> PaymentIntent:
    """An intent to a listed destination."""
    return intent(expires_at=s.expires, asset=USDC, amount=amount, destination=text_of(LISTED))


def _with(s: Scene, *more: Part) -> SafeDraft:
    return s.draft.but(parts=(*s.draft.parts, *more))


def _instead(s: Scene, *parts: Part) -> SafeDraft:
    """The draw and the second payment as they are, the first payment replaced."""
    return s.draft.but(parts=(s.draft.parts[0], *parts, s.draft.parts[2]))


def _bent_transfer(s: Scene, data: bytes, value: int = 0) -> SafeDraft:
    return _instead(s, Part(HOUSE.usdt, data, value))


def _admin(signature: str, *values: object) -> Callable[[Scene], SafeDraft]:
    """A call of the Safe to itself, packed beside the honest ones."""
    return lambda s: _with(s, Part(HOUSE.hot_safe, call(signature, *values)))


def _outer(s: Scene, **fields: Any) -> SafeDraft:
    return s.draft.bent(**fields)


def _multi(s: Scene) -> bytes:
    return bytes(s.draft.values["data"])


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


HONEST = call("transfer(address,uint256)", text_of(SHOP), 250 * UNITS)

# name: (what to send, the tag that must come back)
MUTANTS: dict[str, tuple[Callable[[Scene], SafeDraft], str]] = {
    # the transaction's own form
    "another Safe": (lambda s: _outer(s, safe=place("another safe")), "safe-unknown"),
    "the cold Safe": (lambda s: _outer(s, safe=HOUSE.cold_safe), "safe-unknown"),
    "safeTxGas": (lambda s: _outer(s, safe_tx_gas=1), "gas-refund"),
    "baseGas": (lambda s: _outer(s, base_gas=1), "gas-refund"),
    "gasPrice": (lambda s: _outer(s, gas_price=1), "gas-refund"),
    "gasToken": (lambda s: _outer(s, gas_token=HOUSE.usdt), "gas-refund"),
    "refundReceiver": (lambda s: _outer(s, refund_receiver=THIEF), "gas-refund"),
    "an operation that there is not": (lambda s: _outer(s, operation=2), "safe-malformed"),
    "an address of 21 bytes": (lambda s: _outer(s, to=HOUSE.multisend + b"\x00"), "safe-malformed"),
    "a nonce that leaves a gap": (lambda s: s.draft.but(nonce=1), "nonce-ahead"),
    "a cancellation that leaves a gap": (lambda s: cancel(s.draft.nonce + 1), "nonce-ahead"),
    # delegatecalls
    "delegatecall to a stranger": (lambda s: _outer(s, to=THIEF), "delegatecall"),
    "delegatecall to a token": (
        lambda s: s.single.bent(operation=1),
        "delegatecall",
    ),
    "delegatecall with nothing in it": (lambda s: _outer(s, data=b""), "delegatecall"),
    "another function of MultiSend": (lambda s: _outer(s, data=b"\x8d\x80\xff\x0b" + _multi(s)[4:]), "delegatecall"),
    "MultiSend called, not delegated to": (lambda s: _outer(s, operation=0), "call-unknown"),
    "a delegatecall inside the batch": (
        lambda s: _with(s, Part(THIEF, b"\x12\x34\x56\x78", operation=1)),
        "delegatecall",
    ),
    "an honest call, but delegated": (
        lambda s: _instead(s, replace(s.draft.parts[1], operation=1)),
        "delegatecall",
    ),
    "coin sent along with the batch": (lambda s: _outer(s, value=1), "call-malformed"),
    # calls of the Safe to itself
    "a module enabled": (_admin("enableModule(address)", text_of(THIEF)), "safe-call"),
    "an owner added": (_admin("addOwnerWithThreshold(address,uint256)", text_of(THIEF), 1), "safe-call"),
    "an owner swapped": (
        _admin("swapOwner(address,address,address)", text_of(THIEF), text_of(SHOP), text_of(LISTED)),
        "safe-call",
    ),
    "the threshold changed": (_admin("changeThreshold(uint256)", 1), "safe-call"),
    "the guard changed": (_admin("setGuard(address)", text_of(THIEF)), "safe-call"),
    "the fallback handler changed": (_admin("setFallbackHandler(address)", text_of(THIEF)), "safe-call"),
    "a module enabled, alone": (
        lambda s: s.single.but(parts=(Part(HOUSE.hot_safe, call("enableModule(address)", text_of(THIEF))),)),
        "safe-call",
    ),
    # MultiSendCallOnly of Safe 1.5.0 calls the Safe itself where it reads the zero address.
    "a module enabled at the zero address": (
        lambda s: _with(s, Part(bytes(20), call("enableModule(address)", text_of(THIEF)))),
        "safe-call",
    ),
    "an empty call of the zero address inside a batch": (lambda s: _with(s, Part(bytes(20))), "safe-call"),
    "a cancellation inside a batch": (lambda s: _with(s, Part(HOUSE.hot_safe)), "safe-call"),
    "a cancellation with coin": (lambda s: cancel(s.draft.nonce).bent(value=1), "safe-call"),
    "a cancellation that is delegated": (lambda s: cancel(s.draft.nonce).bent(operation=1), "delegatecall"),
    # calls of others
    "approve": (
        lambda s: _bent_transfer(s, call("approve(address,uint256)", text_of(THIEF), 2**256 - 1)),
        "call-unknown",
    ),
    "transferFrom": (
        lambda s: _bent_transfer(
            s, call("transferFrom(address,address,uint256)", text_of(HOUSE.hot_safe), text_of(SHOP), 250 * UNITS)
        ),
        "call-unknown",
    ),
    "a token that is not listed": (lambda s: _with(s, transfer(place("other token"), SHOP, 1)), "call-unknown"),
    "a call of a stranger's contract": (lambda s: _with(s, Part(THIEF, b"\xde\xad\xbe\xef")), "call-unknown"),
    "a call of the cold Safe": (
        lambda s: _with(s, Part(HOUSE.cold_safe, call("enableModule(address)", text_of(THIEF)))),
        "call-unknown",
    ),
    "the allowance raised": (
        lambda s: _with(s, Part(HOUSE.allowance, call("set_limit(address,uint256)", text_of(HOUSE.usdt), 2**100))),
        "call-unknown",
    ),
    "calldata of three bytes": (lambda s: _bent_transfer(s, HONEST[:3]), "call-unknown"),
    # calldata that reads in two ways
    "dirty padding of an address": (
        lambda s: _bent_transfer(s, HONEST[:4] + b"\x01" + HONEST[5:]),
        "call-malformed",
    ),
    "bytes after a transfer": (lambda s: _bent_transfer(s, HONEST + b"\x00"), "call-malformed"),
    "a transfer cut off": (lambda s: _bent_transfer(s, HONEST[:-1]), "call-malformed"),
    "coin sent along with a transfer": (lambda s: _bent_transfer(s, HONEST, value=1), "call-malformed"),
    "bytes after multiSend": (lambda s: _outer(s, data=_multi(s) + bytes(32)), "call-malformed"),
    "dirty padding of multiSend": (lambda s: _outer(s, data=_multi(s)[:-1] + b"\x01"), "call-malformed"),
    "another offset in multiSend": (
        lambda s: _outer(s, data=_multi(s)[:4] + _word(64) + bytes(32) + _multi(s)[36:]),
        "call-malformed",
    ),
    "an empty batch": (lambda s: _outer(s, data=call("multiSend(bytes)", b"")), "call-malformed"),
    "a batch cut off inside": (
        lambda s: _outer(s, data=call("multiSend(bytes)", b"".join(item.pack() for item in s.draft.parts)[:-1])),
        "call-malformed",
    ),
    "a length beyond the end": (
        lambda s: _outer(s, data=_multi(s)[:36] + _word(2**255) + _multi(s)[68:]),
        "call-malformed",
    ),
    "more calldata than a chain tx holds": (
        lambda s: _with(s, *(send(SHOP, 1) for _ in range(1_500))),
        "safe-malformed",
    ),
    "a transfer of nothing": (lambda s: _with(s, transfer(HOUSE.usdt, SHOP, 0)), "call-empty"),
    "an empty call of a stranger": (lambda s: _with(s, send(THIEF, 0)), "call-empty"),
    "a draw of nothing": (lambda s: _with(s, draw(HOUSE.usdc, 0)), "call-empty"),
    # payments against intents
    "amount one unit higher": (lambda s: _instead(s, transfer(HOUSE.usdt, SHOP, 250 * UNITS + 1)), "intent-unmatched"),
    "amount one unit lower": (lambda s: _instead(s, transfer(HOUSE.usdt, SHOP, 250 * UNITS - 1)), "intent-unmatched"),
    "destination swapped": (lambda s: _instead(s, transfer(HOUSE.usdt, THIEF, 250 * UNITS)), "intent-unmatched"),
    "another token": (lambda s: _instead(s, transfer(HOUSE.usdc, SHOP, 250 * UNITS)), "intent-unmatched"),
    "coin instead of the token": (lambda s: _instead(s, send(SHOP, 250 * UNITS)), "intent-unmatched"),
    "a payment left out": (_instead, "intent-unmatched"),
    "paid twice": (lambda s: _with(s, pay(s.first)), "transfer-unmatched"),
    "a transfer to a stranger": (lambda s: _with(s, transfer(HOUSE.usdt, THIEF, 1)), "transfer-unmatched"),
    "coin to a stranger": (lambda s: _with(s, send(THIEF, 1)), "transfer-unmatched"),
    "a transfer to the hot Safe": (
        lambda s: _with(s, transfer(HOUSE.usdt, HOUSE.hot_safe, 500 * UNITS)),
        "transfer-unmatched",
    ),
    "a transfer to a token": (lambda s: _with(s, transfer(HOUSE.usdt, HOUSE.usdt, 1)), "transfer-unmatched"),
    "coin to the allowance": (lambda s: _with(s, send(HOUSE.allowance, 1)), "transfer-unmatched"),
    "no evidence": (lambda s: s.draft.but(evidence=()), "transfer-unmatched"),
    "an intent that nothing pays": (
        lambda s: s.draft.but(evidence=(*s.draft.evidence, sign(intent(expires_at=s.expires, amount=7)))),
        "intent-unmatched",
    ),
    "a cancellation with an intent": (lambda s: cancel().but(evidence=s.draft.evidence), "intent-unmatched"),
    "the same intent twice": (
        lambda s: s.draft.but(
            parts=(*s.draft.parts, s.draft.parts[1]), evidence=(*s.draft.evidence, s.draft.evidence[0])
        ),
        "intent-repeated",
    ),
    # draws and sweeps
    "a draw of a token that is not listed": (lambda s: _with(s, draw(place("other token"), 1)), "allowance-draw"),
    "two draws of one token": (lambda s: _with(s, draw(HOUSE.usdt, 1)), "allowance-draw"),
    "a draw and nothing that it pays": (
        lambda s: SafeDraft((draw(HOUSE.usdt, 1),), (), s.draft.nonce),
        "allowance-excess",
    ),
    "one unit more drawn than is paid": (
        lambda s: s.draft.but(parts=(draw(HOUSE.usdt, 250 * UNITS + 1), *s.draft.parts[1:])),
        "allowance-excess",
    ),
    "a draw of another asset than is paid": (lambda s: _with(s, draw(HOUSE.usdc, 1)), "allowance-excess"),
    "a draw that is swept back": (
        lambda s: SafeDraft((draw(HOUSE.usdc, 7), transfer(HOUSE.usdc, HOUSE.cold_safe, 7)), (), s.draft.nonce),
        "allowance-excess",
    ),
    "draws above the day's limit": (
        lambda s: payout(
            *(_usdc(s, 4_000 * UNITS) for _ in range(2)),
            nonce=s.draft.nonce,
            more=(draw(HOUSE.usdc, 6_000 * UNITS + 1),),
        ),
        "allowance-daily",
    ),
    "two sweeps of one token": (
        lambda s: _with(s, transfer(HOUSE.usdc, HOUSE.cold_safe, 1), transfer(HOUSE.usdc, HOUSE.cold_safe, 2)),
        "sweep-count",
    ),
    # what the intents say
    "signature bent": (
        lambda s: s.draft.but(evidence=(replace(s.draft.evidence[0], signature=bytes(64)), s.draft.evidence[1])),
        "intent-unsigned",
    ),
    "signed by a key of the thief's": (
        lambda s: s.single.but(evidence=(sign(s.first, SigningKey(b"t" * 32)),)),
        "intent-unsigned",
    ),
    "signed by another merchant": (
        lambda s: s.draft.but(evidence=(s.draft.evidence[0], sign(s.second, MERCHANT_KEY))),
        "intent-unsigned",
    ),
    "intent bytes bent": (
        lambda s: s.single.but(evidence=(replace(s.single.evidence[0], intent=s.single.evidence[0].intent + b"\x00"),)),
        "intent-malformed",
    ),
    "for another deployment": (lambda s: s.pay(deployment="production"), "intent-deployment"),
    "for the coin of another chain": (
        lambda s: s.single.but(evidence=(sign(intent(expires_at=s.expires, asset=ETH.id)),)),
        "asset-unknown",
    ),
    "for a bitcoin": (
        lambda s: s.single.but(evidence=(sign(intent(expires_at=s.expires, asset=REGTEST_BTC.id)),)),
        "asset-unknown",
    ),
    "merchant never enrolled": (lambda s: s.pay(merchant=STRANGER), "merchant-unknown"),
    "a wrong checksum in the destination": (
        lambda s: (
            s.pay(destination=text_of(SHOP)[:-1] + text_of(SHOP)[-1].swapcase())
            if text_of(SHOP)[-1].isalpha()
            else s.pay(destination="0x" + text_of(SHOP)[2:].swapcase())
        ),
        "destination-invalid",
    ),
    "a destination without its 0x": (
        lambda s: s.single.but(evidence=(sign(intent(expires_at=s.expires, destination=text_of(SHOP)[2:])),)),
        "destination-invalid",
    ),
    "a bitcoin address": (
        lambda s: s.single.but(
            evidence=(sign(intent(expires_at=s.expires, destination="1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2")),)
        ),
        "destination-invalid",
    ),
    "with a destination tag": (lambda s: s.pay(tag="12345"), "destination-invalid"),
    "to the zero address": (lambda s: s.pay(destination=text_of(bytes(20))), "destination-invalid"),
    "to a precompiled contract": (
        lambda s: s.pay(destination=text_of(bytes(19) + b"\x01")),
        "destination-invalid",
    ),
    "to the token itself": (lambda s: s.pay(destination=text_of(HOUSE.usdt)), "destination-invalid"),
    "to another token": (lambda s: s.pay(destination=text_of(HOUSE.usdc)), "destination-invalid"),
    "to the hot Safe": (lambda s: s.pay(destination=text_of(HOUSE.hot_safe)), "destination-invalid"),
    "to the cold Safe": (lambda s: s.pay(destination=text_of(HOUSE.cold_safe)), "destination-invalid"),
    "to MultiSend": (lambda s: s.pay(destination=text_of(HOUSE.multisend)), "destination-invalid"),
    "expired": (lambda s: s.pay(expires_at=1_700_000_000), "intent-expired"),
    "fee ceiling below the fee": (lambda s: s.pay(fee_ceiling=999), "fee-ceiling"),
    "above the merchant's limit": (
        lambda s: s.pay(amount=4_000 * UNITS + 1, destination=text_of(LISTED)),
        "limit-payout",
    ),
    "unlisted above the cap": (
        lambda s: payout(*(intent(expires_at=s.expires, amount=4_000 * UNITS) for _ in range(3))),
        "destination-unlisted",
    ),
    "above the merchant's window": (
        lambda s: payout(
            *(intent(expires_at=s.expires, amount=4_000 * UNITS, destination=text_of(LISTED)) for _ in range(3))
        ),
        "velocity-merchant",
    ),
    # bytes
    "no Safe transaction at all": (lambda s: s.draft.bent(safe=b""), "safe-malformed"),
}

# name: (drafts that are signed first, in order; then the one that must be refused; its tag)
Story = Callable[[Scene], tuple[list[SafeDraft], SafeDraft]]


def _replayed_at_another_nonce(s: Scene) -> tuple[list[SafeDraft], SafeDraft]:
    return [s.draft], s.draft.but(nonce=s.draft.nonce + 1)


def _one_of_two_replayed(s: Scene) -> tuple[list[SafeDraft], SafeDraft]:
    return [s.draft], payout(s.second, nonce=s.draft.nonce + 1)


def _replayed_after_a_cancellation(s: Scene) -> tuple[list[SafeDraft], SafeDraft]:
    return [s.draft, cancel(s.draft.nonce)], payout(s.first, nonce=s.draft.nonce + 1)


def _same_payout_id(s: Scene) -> tuple[list[SafeDraft], SafeDraft]:
    again = intent(payout=s.first.payout, expires_at=s.expires + 1)
    return [s.draft], payout(again, nonce=s.draft.nonce)


def _claimed_for_another(s: Scene) -> tuple[list[SafeDraft], SafeDraft]:
    # Two intents of one amount to one address: what pays the first must not pass for the second.
    twin = intent(expires_at=s.expires)
    single = s.single.but(nonce=s.draft.nonce)
    return [single], single.but(evidence=(sign(twin),))


def _gap(s: Scene) -> tuple[list[SafeDraft], SafeDraft]:
    return [cancel(s.draft.nonce), cancel(s.draft.nonce + 1)], s.draft.but(nonce=s.draft.nonce + 3)


def _walked(s: Scene) -> tuple[list[SafeDraft], SafeDraft]:
    """Empty calls, one nonce after the other, until the day has no more."""
    return [cancel(nonce) for nonce in range(NEW_NONCES_PER_DAY)], s.draft.but(nonce=NEW_NONCES_PER_DAY)


def _draws_used_up(s: Scene) -> tuple[list[SafeDraft], SafeDraft]:
    def draws(nonce: int) -> SafeDraft:
        amount = 2_000 * UNITS
        return payout(_usdc(s, amount), nonce=s.draft.nonce + nonce, more=(draw(HOUSE.usdc, amount),))

    return [draws(0), draws(1), draws(2)], draws(3)


def _unlisted_cap(s: Scene) -> tuple[list[SafeDraft], SafeDraft]:
    first, second, third = (
        payout(intent(expires_at=s.expires, asset=USDC, amount=3_000 * UNITS), nonce=s.draft.nonce + at)
        for at in range(3)
    )
    return [first, second], third


STORIES: dict[str, tuple[Story, str]] = {
    "replayed at another nonce": (_replayed_at_another_nonce, "intent-bound"),
    "one of two replayed at another nonce": (_one_of_two_replayed, "intent-bound"),
    "replayed at another nonce after a cancellation": (_replayed_after_a_cancellation, "intent-bound"),
    "a second intent for a payout id": (_same_payout_id, "intent-bound"),
    "a signed Safe transaction claimed for another intent": (_claimed_for_another, "slot-payments"),
    "a gap after the highest nonce": (_gap, "nonce-ahead"),
    "nonces walked by cancellations": (_walked, "nonce-daily"),
    "the day's draws used up": (_draws_used_up, "allowance-daily"),
    "unlisted cap used up": (_unlisted_cap, "destination-unlisted"),
}


def mutant_request(name: str, expires: int) -> tuple[SignSafeRequest, str]:
    """The request of a mutant, and its tag."""
    make, tag = MUTANTS[name]
    return make(scene(expires)).request(name[:60]), tag
