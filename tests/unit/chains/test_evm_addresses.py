"""Addresses of EVM chains, and chains by their kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains import service
from strongroom.chains.errors import AddressError
from strongroom_core.assets import BITCOIN, DEVNET, ETHEREUM, UnknownChainError

# EIP-55's own examples
EXAMPLES = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_eip_55_are_read_and_written(text: str) -> None:
    script = service.address_to_script(ETHEREUM.id, text)
    assert service.script_to_address(ETHEREUM.id, script) == text
    assert service.address_to_script(ETHEREUM.id, text.lower()) == script
    assert service.address_to_script(ETHEREUM.id, "0x" + text[2:].upper()) == script


@given(st.binary(min_size=20, max_size=20))
def test_what_is_written_is_read(script: bytes) -> None:
    text = service.script_to_address(DEVNET.id, script)
    assert text is not None
    assert service.address_to_script(DEVNET.id, text) == script


@pytest.mark.parametrize(
    "text",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed",  # one letter's case is wrong
        "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed0",
        "0xgaAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x" + "٠" * 40,
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        service.address_to_script(ETHEREUM.id, text)


def test_bytes_of_another_length_have_no_address() -> None:
    assert service.script_to_address(ETHEREUM.id, bytes(19)) is None
    assert service.script_to_address(ETHEREUM.id, bytes(21)) is None


def test_every_chain_has_parameters_of_its_kind() -> None:
    assert service.parameters(ETHEREUM.id).tiers[0].confirmations == 12
    assert service.parameters(BITCOIN.id).tiers[0].confirmations == 1
    with pytest.raises(UnknownChainError):
        service.parameters("eip155:999999")
