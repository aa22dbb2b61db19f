"""Addresses, with the examples of the standards that define them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_core.assets import BITCOIN, BITCOIN_REGTEST, BITCOIN_TESTNET, LITECOIN, LITECOIN_REGTEST, Chain
from strongroom_tracing.index.addresses import address_of, network_of, script_of

EXAMPLES = [
    # BIP 173 and BIP 350
    (BITCOIN, "0014751e76e8199196d454941c45d1b3a323f1433bd6", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
    (
        BITCOIN_TESTNET,
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
    ),
    (BITCOIN, "6002751e", "bc1sw50qgdz25j"),
    (BITCOIN, "5210751e76e8199196d454941c45d1b3a323", "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs"),
    (
        BITCOIN,
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    ),
    # Bitcoin Core's pay-to-anchor
    (BITCOIN, "51024e73", "bc1pfeessrawgf"),
    # The first coinbase's key, as hash; a multisig of BIP 16's first days
    (BITCOIN, "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    (BITCOIN, "a914f815b036d9bbbce5e9f2a00abd1bf3dc91e9551087", "3QJmV3qfvL9SuYo34YihAf3sRCW3qSinyC"),
    (LITECOIN, "0014751e76e8199196d454941c45d1b3a323f1433bd6", "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9"),
]


@pytest.mark.parametrize(("chain", "script", "text"), EXAMPLES)
def test_examples_of_the_standards(chain: Chain, script: str, text: str):
    network = network_of(chain.id)
    assert address_of(bytes.fromhex(script), network) == text
    assert script_of(text, network) == bytes.fromhex(script)


@pytest.mark.parametrize(
    "script",
    [
        "",
        "6a",
        "6a0548656c6c6f",
        "76a914" + "00" * 19 + "88ac",
        "0014" + "00" * 19,
        "0015" + "00" * 21,
        "41" + "04" * 65 + "ac",
    ],
)
def test_scripts_without_an_address_are_written_as_they_are(script: str):
    network = network_of(BITCOIN.id)
    assert address_of(bytes.fromhex(script), network) == f"script:{script}"
    assert script_of(f"script:{script}", network) == bytes.fromhex(script)


@pytest.mark.parametrize(
    "text",
    [
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
        "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",
        "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1",
        "script:zz",
        "0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
        "",
        "bc1",
        "l0O",
        "ünïcode",
    ],
)
def test_what_is_no_address_of_this_chain(text: str):
    assert script_of(text, network_of(BITCOIN.id)) is None


@pytest.mark.parametrize("text", ["LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1", "MVcg9uEvtWuP5N6V48EHfEtbz48qR8TKZ9"])
def test_addresses_of_litecoin_come_back(text: str):
    litecoin = network_of(LITECOIN.id)
    script = script_of(text, litecoin)
    assert script is not None
    assert address_of(script, litecoin) == text


def test_capital_letters_and_old_prefixes_are_read():
    assert script_of("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", network_of(BITCOIN.id)) is not None
    litecoin = network_of(LITECOIN.id)
    # Litecoin wrote pay-to-script-hash as Bitcoin does until 2017.
    old = script_of("3QJmV3qfvL9SuYo34YihAf3sRCW3qSinyC", litecoin)
    assert old is not None
    assert address_of(old, litecoin).startswith("M")


@given(
    st.sampled_from([BITCOIN, BITCOIN_REGTEST, LITECOIN, LITECOIN_REGTEST]),
    st.one_of(
        st.binary(max_size=50),
        st.binary(min_size=20, max_size=20).map(lambda data: b"\x76\xa9\x14" + data + b"\x88\xac"),
        st.binary(min_size=20, max_size=20).map(lambda data: b"\xa9\x14" + data + b"\x87"),
        st.tuples(st.integers(0, 16), st.binary(min_size=2, max_size=40)).map(
            lambda made: bytes([made[0] + 0x50 if made[0] else 0, len(made[1])]) + made[1]
        ),
    ),
)
def test_a_script_comes_back_from_its_text(chain: Chain, script: bytes):
    network = network_of(chain.id)
    assert script_of(address_of(script, network), network) == script
