"""PSBTs of ours: the same plan is the same bytes, the signer's own strict reader agrees with them, lies are noticed."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from pathlib import Path

import pytest
import wallycore

from strongroom.infra.settings import ChainSettings
from strongroom.outbound.errors import DraftInvalidError, SignerAnswerError
from strongroom.outbound.model import Draft, OwnOutput, Payment, SlotKind, SpentCoin
from strongroom.outbound.psbt import build, check_signed, combine, pay_to_witness_script
from strongroom.wallets.model import KeySetKind
from strongroom.wallets.service import witness_script
from strongroom_core.ids import HoldId, MerchantId, PayoutId
from strongroom_signer.decode import decode
from strongroom_signer.destination import script_of
from tests.integration.outbound.world import key_set
from tests.unit.signer.kit import CHAIN, PARAMS, POLICY, SHOP, coin, intent, sign

CHAIN_SETTINGS = ChainSettings(
    id=CHAIN,
    rpc_url="http://127.0.0.1:1",
    cookie_file=Path("/nonexistent"),
    key_sets=(key_set("hot", ("A", "B", "R")), key_set("cold", ("C1", "C2", "C3"))),
)
SCRIPT = script_of(SHOP, PARAMS)


def own(kind: KeySetKind, index: int, amount: int) -> OwnOutput:
    script = pay_to_witness_script(witness_script(CHAIN_SETTINGS, kind, 0, index))
    return OwnOutput(script, amount, kind.value, 0, index)


def payment(amount: int) -> Payment:
    evidence = sign(intent(amount=amount))
    return Payment(PayoutId.new(), MerchantId.new(), amount, 0, HoldId.new(), SCRIPT, evidence)


def plan(count: int = 3) -> tuple[Draft, dict[str, bytes]]:
    coins = [coin(amount=1_000_000 + salt, place=salt, salt=salt) for salt in range(count)]
    spent = tuple(SpentCoin(each.txid, each.index, each.amount, each.branch, each.place) for each in coins)
    paid = tuple(payment(amount) for amount in (300_000, 100_000, 300_000))
    draft = Draft(CHAIN, SlotKind.PAYOUTS, spent, paid, (own(KeySetKind.HOT, 7, 2_299_000 - 5_000),), 5)
    return draft, {each.txid: each.previous for each in coins}


def signed(psbt: bytes, name: str) -> bytes:
    seed = hashlib.sha256(f"test key {name}".encode()).digest()
    key = wallycore.bip32_key_from_seed(seed, wallycore.BIP32_VER_TEST_PRIVATE, 0)
    parsed = wallycore.psbt_from_bytes(psbt, 0)
    wallycore.psbt_sign_bip32(parsed, key, wallycore.EC_FLAG_GRIND_R)
    return bytes(wallycore.psbt_to_bytes(parsed, 0))


def test_the_same_plan_is_the_same_bytes_in_whatever_order_its_coins_come() -> None:
    draft, previous = plan()
    first = build(CHAIN_SETTINGS, draft, previous)
    coins = list(draft.coins)
    random.Random(1).shuffle(coins)
    assert build(CHAIN_SETTINGS, dataclasses.replace(draft, coins=tuple(coins)), previous) == first


def test_the_signers_own_reader_finds_the_payments_the_change_and_the_fee() -> None:
    draft, previous = plan()
    built = build(CHAIN_SETTINGS, draft, previous)
    _, tx = decode(built.psbt, POLICY.chains[CHAIN])
    assert (tx.txid, tx.fee, tx.virtual_bytes) == (built.txid, draft.fee, draft.virtual_bytes)
    assert [tx.outputs[vout].amount for vout in built.payment_vouts] == [300_000, 100_000, 300_000]
    assert [(item.place.branch, item.place.index) for item in tx.outputs if item.place] == [(0, 7)]


def test_two_signatures_complete_it_and_its_size_was_not_underestimated() -> None:
    draft, previous = plan()
    built = build(CHAIN_SETTINGS, draft, previous)
    raw = combine(built.psbt, [signed(built.psbt, "A"), signed(built.psbt, "B")])
    tx = wallycore.tx_from_bytes(raw, wallycore.WALLY_TX_FLAG_USE_WITNESS)
    assert bytes(wallycore.tx_get_txid(tx))[::-1].hex() == built.txid
    assert draft.virtual_bytes - 3 * len(draft.coins) <= wallycore.tx_get_vsize(tx) <= draft.virtual_bytes


def test_one_signature_is_not_enough() -> None:
    draft, previous = plan(3)
    built = build(CHAIN_SETTINGS, draft, previous)
    with pytest.raises(SignerAnswerError):
        combine(built.psbt, [signed(built.psbt, "A")])


def test_an_answer_about_another_chain_tx_or_without_signatures_is_no_answer() -> None:
    draft, previous = plan()
    built = build(CHAIN_SETTINGS, draft, previous)
    other = build(CHAIN_SETTINGS, dataclasses.replace(draft, payments=draft.payments[:2]), previous)
    check_signed(built.psbt, signed(built.psbt, "A"))
    for answer in (built.psbt, signed(other.psbt, "A"), b"psbt"):
        with pytest.raises(SignerAnswerError):
            check_signed(built.psbt, answer)


@pytest.mark.parametrize("lie", ["missing", "amount", "place", "other tx", "outputs"])
def test_a_plan_that_does_not_fit_its_coins_is_refused(lie: str) -> None:
    draft, previous = plan()
    first = draft.coins[0]
    if lie == "missing":
        del previous[first.txid]
    elif lie == "other tx":
        previous[first.txid] = previous[draft.coins[1].txid]
    elif lie == "outputs":
        draft = dataclasses.replace(draft, own_outputs=(own(KeySetKind.HOT, 7, 9_000_000),))
    else:
        off = int(lie == "amount")
        other = dataclasses.replace(first, amount=first.amount + off, index=first.index + 1 - off)
        draft = dataclasses.replace(draft, coins=(other, *draft.coins[1:]))
    with pytest.raises(DraftInvalidError):
        build(CHAIN_SETTINGS, draft, previous)
