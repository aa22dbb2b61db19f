"""Addresses have one form per chain, and their checks are verified. Vectors are those of the specifications."""

from __future__ import annotations

import pytest
from embit import base58
from eth_utils.address import to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_core import assets
from strongroom_tracing.index.addresses import address_of, network_of
from strongroom_tracing.tags import currencies
from strongroom_tracing.tags.addresses import asked, canonical, key, place, recognise
from strongroom_tracing.tags.errors import BadAddressError

EIP55 = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55's first vector
BIP173 = "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"  # BIP-173's own address, in upper case
BIP350 = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
CASH = ("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu")
MONERO = "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A"


@pytest.mark.parametrize(
    ("currency", "written", "chain", "kept"),
    [
        ("ETH", EIP55, "eip155:1", EIP55.lower()),
        ("eth", EIP55.lower(), "eip155:1", EIP55.lower()),
        ("ETH", "0x" + EIP55[2:].upper(), "eip155:1", EIP55.lower()),
        ("XBT", BIP173.lower(), currencies.BITCOIN, BIP173.lower()),
        ("BTC", BIP350, currencies.BITCOIN, BIP350),
        ("BTC ", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", currencies.BITCOIN, "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
        ("BCH", CASH[0], currencies.BITCOIN_CASH, CASH[1]),
        ("BCH", CASH[0].partition(":")[2].upper(), currencies.BITCOIN_CASH, CASH[1]),
        ("BCH", CASH[1], currencies.BITCOIN_CASH, CASH[1]),
        ("XMR", MONERO, "currency:XMR", MONERO),
        ("USDT", EIP55, "eip155:1", EIP55.lower()),
        ("USDT", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", currencies.TRON, "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"),
        ("XRP", "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh", "xrpl:0", "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh"),
        ("BNB", "bnb136ns6lfw4zs5hg4n85vdthaad7hq5m4gtkgf23", currencies.BNB_BEACON, None),
        ("BNB", EIP55, "eip155:56", EIP55.lower()),
        ("Green Satoshi", "3yY3tAWX41n8q", "currency:GREEN-SATOSHI", "3yY3tAWX41n8q"),
    ],
)
def test_a_currency_and_an_address_have_one_place(currency: str, written: str, chain: str, kept: str | None) -> None:
    assert place(currency, written) == (chain, written if kept is None else kept)


def test_litecoins_two_ways_to_write_a_script_are_one() -> None:
    # The same hash under versions 5 and 50.
    assert canonical(currencies.LITECOIN, "3MSvaVbVFFLML86rt5eqgA9SvW23upaXdY") == canonical(
        currencies.LITECOIN, "MTf4tP1TCNBn8dNkyxeBVoPrFCcVzxJvvh"
    )


@pytest.mark.parametrize(
    ("chain", "written"),
    [
        ("eip155:1", EIP55[:-1] + "D"),  # one letter's case
        ("eip155:1", EIP55[:-1]),
        (currencies.BITCOIN, "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3"),
        (currencies.BITCOIN, BIP173[:-1] + "5"),
        (currencies.BITCOIN, BIP173[:10] + BIP173[10:].lower()),
        (currencies.BITCOIN, "14bwh6gmvol5ntwbvxqjkjdtzv4y5ebtvm"),  # lower-cased by its publisher
        (currencies.BITCOIN, "MTf4tP1TCNBn8dNkyxeBVoPrFCcVzxJvvh"),
        (currencies.BITCOIN_CASH, CASH[0][:-1] + "q"),
        (currencies.MONERO, MONERO[:-1] + "B"),
        (currencies.TRON, "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u"),
        (currencies.XRP_LEDGER, "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTi"),
        (currencies.SOLANA, "42RLPACwZPx3vYYmxSueqsogfynBDqXK"),
        (currencies.BITCOIN, ""),
        (currencies.BITCOIN, "1BvBMSEYstWetqTFn5Au4m4G Fg7xJaNVN2"),
        (currencies.BITCOIN, "9" * 100_000),
        (currencies.BITCOIN, "bc1ü"),
    ],
)
def test_a_wrong_check_is_refused(chain: str, written: str) -> None:
    with pytest.raises(BadAddressError) as caught:
        canonical(chain, written)
    assert caught.value.code == "tags-address"


@given(raw=st.binary(min_size=20, max_size=20), at=st.integers(0, 39))
@settings(max_examples=50, deadline=None)
def test_eip55_is_as_another_library_has_it_and_a_letters_case_decides(raw: bytes, at: int) -> None:
    written = to_checksum_address(raw)
    assert canonical("eip155:1", written) == "0x" + raw.hex()
    other = written[: 2 + at] + written[2 + at].swapcase() + written[3 + at :]
    one_case = other[2:] in (other[2:].lower(), other[2:].upper())
    if other != written and not one_case:
        with pytest.raises(BadAddressError):
            canonical("eip155:1", other)


@given(payload=st.binary(min_size=20, max_size=20), at=st.integers(0, 60), letter=st.sampled_from("12Az"))
@settings(max_examples=50, deadline=None)
def test_base58_is_as_another_library_has_it_and_one_letter_decides(payload: bytes, at: int, letter: str) -> None:
    written = base58.encode_check(b"\x00" + payload)
    assert canonical(currencies.BITCOIN, written) == written
    at %= len(written)
    other = written[:at] + letter + written[at + 1 :]
    if other != written:
        with pytest.raises(BadAddressError):
            canonical(currencies.BITCOIN, other)


def test_a_script_without_an_address_is_named_as_the_index_names_it() -> None:
    assert canonical(currencies.BITCOIN, "script:6A00") == "script:6a00"
    with pytest.raises(BadAddressError):
        canonical(currencies.BITCOIN, "script:6a0")
    with pytest.raises(BadAddressError):
        canonical(currencies.BITCOIN, "script-sha256:6a00")
    for length in (200, 201, 5000):
        script = bytes([0x6A]) * length
        named = address_of(script, network_of(currencies.BITCOIN))
        assert canonical(currencies.BITCOIN, f"script:{script.hex()}") == canonical(currencies.BITCOIN, named) == named


def test_an_evm_address_is_found_on_every_evm_chain_and_a_coin_address_on_its_own() -> None:
    on_ethereum = key("eip155:1", EIP55.lower())
    assert asked(assets.ARBITRUM.id, EIP55) == on_ethereum == key("currency:VET", EIP55.lower())
    assert asked(currencies.BITCOIN, CASH[1]) != asked(currencies.BITCOIN_CASH, CASH[0])
    assert asked(currencies.BITCOIN_CASH, CASH[0]) == key(currencies.BITCOIN_CASH, CASH[1])
    assert asked(currencies.BITCOIN, "no address") == f"{currencies.BITCOIN}|no address"


def test_an_address_without_a_currency_is_known_by_its_form() -> None:
    assert recognise(BIP173) == (currencies.BITCOIN, BIP173.lower())
    assert recognise(EIP55)[0] == "eip155:1"
    assert recognise("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t")[0] == currencies.TRON
    assert recognise(MONERO)[0] == currencies.MONERO
    with pytest.raises(BadAddressError):
        recognise("hello")
