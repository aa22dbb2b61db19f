"""Addresses of every chain, both ways; vectors from BIP 173, BIP 350 and chain explorers' common knowledge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains.bitcoin.addresses import address_to_script, script_to_address
from strongroom.chains.bitcoin.parameters import PARAMETERS, parameters_of
from strongroom.chains.errors import AddressError
from strongroom_core.assets import (
    BITCOIN,
    BITCOIN_REGTEST,
    BITCOIN_TESTNET,
    LITECOIN,
    LITECOIN_REGTEST,
    Chain,
    UnknownChainError,
)

VECTORS = [
    (BITCOIN, "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
    (
        BITCOIN,
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    ),
    (BITCOIN, "BC1SW50QGDZ25J", "6002751e"),
    (
        BITCOIN_TESTNET,
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
    ),
    (BITCOIN, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac"),
    (BITCOIN, "3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87"),
    # Litecoin's: the same programs as BIP 173's, and the examples that ltcd's address tests are made of.
    (LITECOIN, "LTC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KGMN4N9", "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
    (LITECOIN, "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1", "76a91413c60d8e68d7349f5b4ca362c3954b15045061b188ac"),
    (LITECOIN, "MVcg9uEvtWuP5N6V48EHfEtbz48qR8TKZ9", "a914ee34ac676bdaf6e370c8c820b948edfad3a873d887"),
    (LITECOIN_REGTEST, "rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3", "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
]
SCRIPTS = st.one_of(
    st.binary(min_size=20, max_size=20).map(lambda digest: b"\x76\xa9\x14" + digest + b"\x88\xac"),
    st.binary(min_size=20, max_size=20).map(lambda digest: b"\xa9\x14" + digest + b"\x87"),
    st.binary(min_size=20, max_size=20).map(lambda program: b"\x00\x14" + program),
    st.binary(min_size=32, max_size=32).map(lambda program: b"\x00\x20" + program),
    st.binary(min_size=32, max_size=32).map(lambda program: b"\x51\x20" + program),
)


@pytest.mark.parametrize(("chain", "text", "script"), VECTORS)
def test_vectors(chain: object, text: str, script: str) -> None:
    assert address_to_script(str(chain), text).hex() == script
    written = script_to_address(str(chain), bytes.fromhex(script))
    assert written == (text.lower() if text.lower().startswith(("bc1", "tb1", "ltc1")) else text)


@given(st.sampled_from(sorted(PARAMETERS)), SCRIPTS)
def test_every_script_survives_both_ways_on_every_chain(chain: str, script: bytes) -> None:
    address = script_to_address(chain, script)
    assert address is not None
    assert address_to_script(chain, address) == script


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 91,
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",  # checksum
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kV8f3t4",  # mixed case
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",  # version 1 with BIP 173's checksum
        "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",  # testnet's
        "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",  # testnet's
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",  # checksum
        "LWwMPnXVuZ9xyhxF7WBSzVbGGXXc6rqmXr",  # litecoin's
        "bc1",
        "é",
        "bc1q\x00",
    ],
)
def test_other_texts_are_refused_with_the_code(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        address_to_script(BITCOIN.id, text)
    assert caught.value.code == "address-invalid"


def test_litecoins_old_p2sh_form_is_refused_since_it_reads_as_bitcoin() -> None:
    with pytest.raises(AddressError):
        address_to_script(LITECOIN.id, "3P14159f73E4gFr7JterCCQh9QjiTjiZrG")


@given(st.text(max_size=95))
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    try:
        script = address_to_script(BITCOIN_REGTEST.id, text)
    except AddressError:
        return
    assert script_to_address(BITCOIN_REGTEST.id, script) in {text, text.lower()}


@pytest.mark.parametrize("script", [b"", b"\x6a\x01x", b"\x00\x15" + bytes(21), b"\x51", b"\x51\x01x", b"\x76\xa9\x14"])
def test_scripts_without_an_address(script: bytes) -> None:
    assert script_to_address(BITCOIN.id, script) is None


def test_an_unknown_chain_is_refused() -> None:
    with pytest.raises(UnknownChainError):
        parameters_of("bip122:00000000000000000000000000000000")


@pytest.mark.parametrize(
    ("chain", "spacing", "dust", "tiers"),
    [
        (BITCOIN, 600, 546, [(1, 1_000_000), (2, 100_000_000), (6, None)]),
        (LITECOIN, 150, 5_460, [(3, 100_000_000), (6, 10_000_000_000), (24, None)]),
    ],
    ids=str,
)
def test_what_a_chain_asks_for_where_the_settings_name_nothing(
    chain: Chain, spacing: int, dust: int, tiers: list[tuple[int, int | None]]
) -> None:
    own = parameters_of(chain.id)
    assert (own.spacing_seconds, own.dust) == (spacing, dust)
    assert [(tier.confirmations, tier.amount_max) for tier in own.tiers] == tiers
