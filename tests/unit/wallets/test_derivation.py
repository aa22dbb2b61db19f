"""Derivation by libwally, judged by embit's descriptors."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from embit.descriptor import Descriptor
from embit.networks import NETWORKS
from hypothesis import given
from hypothesis import strategies as st

from strongroom.wallets import derivation
from strongroom.wallets import service as wallets
from strongroom.wallets.errors import KeySetInvalidError, KeySetUnknownError
from strongroom.wallets.model import KeySet, KeySetKind
from strongroom_core.assets import BITCOIN, BITCOIN_REGTEST
from tests.integration.wallets.key_sets import HOLDERS, account, chain_settings

CHAIN = chain_settings()
INDEX = st.integers(0, 2**31 - 1)


def recorded(kind: str = "hot") -> KeySet:
    found = [account(kind, holder) for holder in HOLDERS]
    (first, one), (second, two), (third, three) = found
    return KeySet(BITCOIN_REGTEST.id, f"{kind}-1", KeySetKind(kind), (first, second, third), (one, two, three))


def by_embit(branch: int, index: int) -> Descriptor:
    keys = ",".join(f"{origin}{xpub}/{branch}/*" for xpub, origin in (account("hot", holder) for holder in HOLDERS))
    return Descriptor.from_string(f"wsh(sortedmulti(2,{keys}))").derive(index)


@given(branch=INDEX, index=INDEX)
def test_scripts_are_those_of_an_independent_descriptor(branch: int, index: int) -> None:
    derived = derivation.derive(recorded(), branch, (index,))[0]
    judge = by_embit(branch, index)
    assert derived.script == judge.script_pubkey().data
    assert derived.witness_script == judge.witness_script().data
    assert derived.script == b"\x00\x20" + hashlib.sha256(derived.witness_script).digest()


def test_a_witness_script_of_the_settings_is_the_addresses() -> None:
    script = wallets.witness_script(CHAIN, KeySetKind.HOT, 2, 7)
    assert script == by_embit(2, 7).witness_script().data
    assert len(script) == 105
    assert script != wallets.witness_script(CHAIN, KeySetKind.COLD, 2, 7)


def test_key_origins_name_the_keys_of_the_witness_script_in_its_order_with_full_paths() -> None:
    origins = wallets.key_origins(CHAIN, KeySetKind.HOT, 2, 7)
    script = wallets.witness_script(CHAIN, KeySetKind.HOT, 2, 7)
    assert script == b"\x52" + b"".join(b"\x21" + origin.public_key for origin in origins) + b"\x53\xae"
    hard = 0x80000000
    assert {origin.path for origin in origins} == {(48 | hard, 1 | hard, 0 | hard, 2 | hard, 2, 7)}
    assert {origin.fingerprint.hex() for origin in origins} == {account("hot", holder)[1][1:9] for holder in HOLDERS}


def test_a_scan_descriptor_is_read_by_embit_and_gives_the_same_scripts() -> None:
    found = derivation.scan_descriptor(recorded(), 5, 90)
    body, checksum = found.descriptor.split("#")
    assert len(checksum) == 8
    assert found.last_index == 90
    derived = derivation.derive(recorded(), 5, range(3))
    assert [Descriptor.from_string(body).derive(index).address(NETWORKS["regtest"]) for index in range(3)] == [
        by_embit(5, item.index).address(NETWORKS["regtest"]) for item in derived
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"xpubs": ("tpubnonsense", *recorded().xpubs[1:])}, "not a BIP 32"),
        ({"xpubs": (recorded().xpubs[1], *recorded().xpubs[1:])}, "twice"),
        ({"chain": BITCOIN.id}, "main network"),
        ({"origins": ("[zz]", *recorded().origins[1:])}, "origin"),
        ({"origins": ("[d34db33f/2147483648h]", *recorded().origins[1:])}, "2147483648"),
    ],
)
def test_unusable_keys_are_refused_without_showing_them(change: dict[str, object], words: str) -> None:
    bad = replace(recorded(), **change)  # type: ignore[arg-type]
    with pytest.raises(KeySetInvalidError, match=words) as caught:
        derivation.check(bad)
    assert "tpub" not in str(caught.value)


def test_a_private_key_is_refused() -> None:
    secret = "tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58LninorQAfcKZWARbtRtfnLcJ5MQ2AtHcQJCCRUcMRvmDUjyEmNUWwx8UbK"  # noqa: E501 -- BIP 32's own test vector 1, on the test network
    with pytest.raises(KeySetInvalidError):
        derivation.check(replace(recorded(), xpubs=(secret, *recorded().xpubs[1:])))


def test_a_kind_without_keys_is_a_clear_error() -> None:
    with pytest.raises(KeySetUnknownError, match="cold"):
        wallets.witness_script(chain_settings(key_sets=CHAIN.key_sets[:1]), KeySetKind.COLD, 0, 0)
