"""What a signer's answer about addresses means, and when it is asked again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from nacl.signing import SigningKey

from strongroom.attestations import rules
from strongroom.attestations.model import Dispute, Due
from strongroom.wallets.model import KeySetKind, WalletAddress
from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_core.attestations import attestation_bytes
from strongroom_core.ids import HOUSE_MERCHANT, AddressId, MerchantId
from strongroom_core.proof_messages import Attestation, Attested

KEY = SigningKey(bytes(32))
CHAIN = BITCOIN_REGTEST.id
MERCHANT = MerchantId("mer_01jd0000000000000000000000")
DUE = Due(CHAIN, KeySetKind.COLD, 2, MERCHANT, 5, 8, 0, None, None)


def ours(index: int) -> WalletAddress:
    places = {"chain": CHAIN, "key_set": "cold-1", "kind": KeySetKind.COLD, "branch": 2, "index": index}
    empty = dict.fromkeys(("purpose", "merchant_id", "reference", "asset", "handed_out_at"))
    return WalletAddress(id=AddressId(f"adr_{index}"), script=b"", address=f"address-{index}", **places, **empty)  # type: ignore[arg-type]


def word(index: int, address: str = "") -> Attestation:
    text = address or f"address-{index}"
    data = attestation_bytes("test", CHAIN, MERCHANT, "cold", index, text)
    return Attestation(index, text, bytes(KEY.sign(data).signature))


def answer(*words: Attestation) -> Attested:
    return Attested("req", bytes(KEY.verify_key), words)


def test_words_for_our_addresses_are_kept_as_they_were_signed():
    kept, dispute = rules.judge([ours(5), ours(6)], answer(word(5), word(6)), "A", "cold")
    assert dispute is None
    assert [(item.address_id, item.signer, item.index, item.key_set) for item in kept] == [
        ("adr_5", "A", 5, "cold"),
        ("adr_6", "A", 6, "cold"),
    ]
    assert kept[0].signature == word(5).signature


def test_nothing_is_kept_from_the_first_other_address_on():
    kept, dispute = rules.judge([ours(5), ours(6), ours(7)], answer(word(5), word(6, "other"), word(7)), "A", "cold")
    assert [item.index for item in kept] == [5]
    assert dispute == Dispute(6, "address-6", "other", handed_out=False)


def test_a_signature_that_is_not_the_identitys_is_found():
    good = answer(word(5), word(6), word(7))
    assert rules.unsigned("test", DUE, good, "cold") is None
    assert rules.unsigned("other", DUE, good, "cold") == 5
    assert rules.unsigned("test", DUE, good, "hot") == 5
    assert rules.unsigned("test", replace(DUE, merchant_id=None), good, "cold") == 5
    bent = answer(word(5), replace(word(6), signature=bytes(64)), word(7))
    assert rules.unsigned("test", DUE, bent, "cold") == 6
    assert rules.unsigned("test", DUE, replace(good, identity=b"short"), "cold") == 5


def test_the_house_has_a_name_of_its_own_and_a_chain_its_key_set():
    assert rules.holder(DUE) == MERCHANT
    assert rules.holder(replace(DUE, merchant_id=None)) == HOUSE_MERCHANT
    assert rules.key_set(DUE, evm=False) == "cold"
    assert rules.key_set(DUE, evm=True) == "forwarder"


def test_pauses_double_and_end():
    assert [rules.pause(attempts).total_seconds() for attempts in (0, 1, 2, 30, 10**6)] == [2, 4, 8, 600, 600]
    assert rules.pause(9, rules.LONGEST_ABSENCE) == timedelta(seconds=30)
