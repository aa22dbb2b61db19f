"""Signatures are used only where they recover to two different owners, in the order that the Safe wants."""

from __future__ import annotations

import pytest
from eth_keys.datatypes import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.owners import owner_address, owner_signatures
from strongroom.outbound.errors import DraftInvalidError, SignerAnswerError
from strongroom.outbound.model import SlotKind
from strongroom.outbound.safe import building
from strongroom.outbound.safe.model import Contracts, Portion, SafeDraft
from strongroom_core.evm import SafeTx, decode_exec_transaction
from tests.fixtures.devnet import TOKEN, devnet

PLACES = building.contracts(devnet())
TX = SafeTx(PLACES.hot_safe, 3, bytes([9] * 20), 5, b"", 0)
DIGEST = TX.hash(PLACES.chain_number, keccak)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEYS = [keccak(bytes([number])) for number in range(1, 4)]


def signature(key: bytes) -> bytes:
    return owner_signatures(DIGEST, [key])


def test_signatures_stand_in_the_order_of_their_owners() -> None:
    for first, second in ((0, 1), (1, 0), (2, 1), (0, 2)):
        raw = building.combine(PLACES, TX, [signature(KEYS[first]), signature(KEYS[second])])
        tx, signatures = decode_exec_transaction(raw, PLACES.hot_safe, 3)
        assert tx == TX
        owners = [building.owner_of(PLACES, TX, signatures[at : at + 65]) for at in (0, 65)]
        assert owners == sorted([owner_address(KEYS[first]), owner_address(KEYS[second])])


def test_one_owner_twice_is_one_signature() -> None:
    with pytest.raises(SignerAnswerError, match="1 different owners"):
        building.combine(PLACES, TX, [signature(KEYS[0])] * 2)


@given(st.integers(0, 64), st.integers(1, 255))
def test_a_bent_signature_is_nobodys_or_somebody_elses(at: int, flip: int) -> None:
    bent = bytearray(signature(KEYS[0]))
    bent[at] ^= flip
    try:
        owner = building.owner_of(PLACES, TX, bytes(bent))
    except SignerAnswerError:
        return
    assert owner != owner_address(KEYS[0])


def test_a_signature_has_one_form() -> None:
    found = PrivateKey(KEYS[0]).sign_msg_hash(DIGEST)
    r, s, v = int(found.r), int(found.s), int(found.v)
    twin = r.to_bytes(32, "big") + (ORDER - s).to_bytes(32, "big") + bytes([27 + (1 - v)])
    for wrong in (twin, signature(KEYS[0])[:64] + bytes([v]), signature(KEYS[0])[:64], bytes(65)):
        with pytest.raises(SignerAnswerError):
            building.owner_of(PLACES, TX, wrong)


def test_another_chain_or_nonce_is_another_hash() -> None:
    elsewhere = Contracts(1, *(getattr(PLACES, name) for name in list(Contracts.__dataclass_fields__)[1:]))
    assert building.owner_of(elsewhere, TX, signature(KEYS[0])) != owner_address(KEYS[0])


@pytest.mark.parametrize(
    "draft",
    [
        SafeDraft("chain", SlotKind.PAYOUTS, 1),
        SafeDraft("chain", SlotKind.CANCEL, 1, sweeps=(Portion(TOKEN, 1),)),
    ],
)
def test_a_draft_moves_something_or_cancels(draft: SafeDraft) -> None:
    with pytest.raises(DraftInvalidError):
        building.build(PLACES, draft)
