"""Where a trace stops: at services, named by the surest tag, with the others' words beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from strongroom_tracing.tags.addresses import canonical
from strongroom_tracing.tags.model import Category
from strongroom_tracing.tags.services import STOPS, lists_used, stops, stops_by_text
from strongroom_tracing.tags.store import TagStore
from tests.unit.tracing import kit
from tests.unit.tracing.tags.made import BITCOIN, ETHEREUM, evm, put, tag

COINS = ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")


class Chain:
    """An index that has seen two addresses, the second one first."""

    chain = BITCOIN

    def addresses_of(self, texts: Iterable[str]) -> dict[str, int]:
        return {text: {COINS[0]: 7, COINS[1]: 3}[text] for text in texts if text in COINS}


def test_services_of_a_chain_of_coins_have_their_numbers(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    unseen = "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"
    put(store, "a", [tag(coin, chain=BITCOIN, label=coin[:3]) for coin in (*COINS, unseen)])
    put(store, "b", [tag(COINS[0], Category.MIXER, "Mix", chain=BITCOIN, confidence=90)])
    assert stops(store, Chain()) == {3: "bc1 (exchange)", 7: "Mix (mixer) / 1Bv (exchange)"}
    assert list(stops(store, Chain())) == [3, 7]
    assert stops(store, Chain(), confidence=60) == {7: "Mix (mixer)"}
    assert lists_used(store) == {"a": "2025-01-01", "b": "2025-01-01"}


@pytest.mark.parametrize("category", Category)
def test_only_services_stop_a_trace(tmp_path: Path, category: Category) -> None:
    store = TagStore.open(tmp_path)
    put(store, "a", [tag(evm(1), category)])
    stopping = category in {"exchange", "mixer", "bridge", "pool", "merchant-services", "gambling", "wallet-provider"}
    assert (stops_by_text(store, ETHEREUM) == {evm(1): f"L ({category})"}) is stopping is (category in STOPS)


def test_a_service_counts_on_every_evm_chain_and_says_where_it_was_said(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    put(store, "a", [tag(evm(1), label=f"L{number}", chain=f"eip155:{number}") for number in (1, 10, 56, 137)])
    assert stops_by_text(store, "eip155:10") == {
        evm(1): "L1 (exchange, said on eip155:1) / L10 (exchange) / L137 (exchange, said on eip155:137) / and 1 more"
    }


def test_every_kind_of_address_of_a_real_chain_is_found_by_its_tag(shared_data: Path, tmp_path: Path) -> None:
    index = kit.testnet(shared_data)
    numbers = range(0, index.columns.addresses, 5)
    texts = {index.address_text(number): number for number in numbers}
    forms = {text[: 2 if text[0] in "mn2" else 4] for text in texts}
    assert {"tb1q", "scri"} < forms
    store = TagStore.open(tmp_path)
    put(store, "a", [tag(canonical(index.chain, text), chain=index.chain, label=text[:9]) for text in texts])
    assert stops(store, index) == {number: f"{text[:9]} (exchange)" for text, number in texts.items()}
