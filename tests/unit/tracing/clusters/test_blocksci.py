"""BlockSci's own regtest chain: its named CoinJoin, change outputs, peeling chain and clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from strongroom_tracing.clusters import service
from strongroom_tracing.clusters.changes import ChangeFinder, Sign
from strongroom_tracing.clusters.model import Clusters, Mixing
from strongroom_tracing.clusters.peeling import Ended, chain_through, chains_between
from strongroom_tracing.clusters.scripts import kind_of_script
from strongroom_tracing.clusters.unowned import unowned_addresses
from strongroom_tracing.index.service import Index
from tests.unit.tracing.kit import blocksci

PEELS = range(1, 10)  # the first of BlockSci's ten peels off nothing


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> tuple[Index, dict[str, Any]]:
    return blocksci(shared_data)


@pytest.fixture(scope="module")
def index(recorded: tuple[Index, dict[str, Any]]) -> Index:
    return recorded[0]


@pytest.fixture(scope="module")
def names(recorded: tuple[Index, dict[str, Any]]) -> dict[str, Any]:
    return recorded[1]


@pytest.fixture(scope="module")
def clusters(index: Index) -> Clusters:
    return service.cluster(index.columns)


@pytest.fixture(scope="module")
def finder(index: Index, clusters: Clusters) -> ChangeFinder:
    return ChangeFinder(
        index.columns, mixing=clusters.mixing, kind_of=lambda address: kind_of_script(index.script(address))
    )


def tx_of(index: Index, txid: str) -> int:
    tx = index.find_tx(txid)
    assert tx is not None
    return tx


def test_its_coinjoin_is_told_and_joins_nobody(index: Index, names: dict[str, Any], clusters: Clusters):
    columns = index.columns
    tx = tx_of(index, names["simple-coinjoin-tx"])
    assert clusters.mixing_of(tx) is Mixing.JOINMARKET
    coins = columns.input_spent[columns.tx_first_input[tx] : columns.tx_first_input[tx + 1]]
    assert len({clusters.of(int(columns.output_address[coin])) for coin in coins}) == 3
    assert [
        kind
        for peel in PEELS
        if (kind := clusters.mixing_of(tx_of(index, names[f"peeling-chain-{peel}-tx"]))) is not Mixing.NONE
    ] == []


def test_its_merging_tx_joins_what_it_spends_from(index: Index, names: dict[str, Any], clusters: Clusters):
    spending = tx_of(index, names["merge-final-tx"])
    numbers = index.addresses_of([names[f"merge-addr-{number}"] for number in (1, 2, 3)])
    assert len({clusters.of(number) for number in numbers.values()}) == 1
    first, second, _ = numbers.values()
    assert [step.tx for step in clusters.why(first, second)] == [spending]


CHANGE = (
    [(f"change-reuse-tx-{number}", f"change-reuse-position-{number}", {Sign.REUSE}) for number in range(3)]
    + [
        (f"change-address-type-tx-{number}", f"change-address-type-position-{number}", {Sign.SCRIPT})
        for number in range(3)
    ]
    + [
        (f"change-client-behavior-tx-{number}", f"change-client-behavior-position-{number}", {Sign.FRESH})
        for number in range(3)
    ]
    + [(f"change-ten-{number}-tx", f"change-ten-{number}-position", {Sign.ROUND}) for number in range(6)]
    + [
        (f"change-optimal-{number}-tx", f"change-optimal-{number}-position", {Sign.UNNECESSARY, Sign.ROUND})
        for number in range(2)
    ]
)


@pytest.mark.parametrize(("tx", "position", "signs"), CHANGE)
def test_its_named_change_outputs_are_found(
    index: Index, names: dict[str, Any], finder: ChangeFinder, tx: str, position: str, signs: set[Sign]
):
    number = tx_of(index, names[tx])
    link = finder.link(number)
    assert link is not None
    assert link.output == index.columns.tx_first_output[number] + names[position]
    assert set(link.signs) == signs


def test_where_it_sees_no_change_neither_do_we(index: Index, names: dict[str, Any], finder: ChangeFinder):
    assert finder.link(tx_of(index, names["change-negative-testcase-tx"])) is None
    assert finder.link(tx_of(index, names["simple-coinjoin-tx"])) is None


def test_its_peeling_chain_is_found_from_any_hop(index: Index, names: dict[str, Any], finder: ChangeFinder):
    hops = [tx_of(index, names[f"peeling-chain-{peel}-tx"]) for peel in PEELS]
    chains = {chain_through(finder, hop) for hop in hops}
    assert len(chains) == 1
    chain = chains.pop()
    assert chain is not None
    assert [hop.tx for hop in chain.hops] == hops
    first = index.columns.tx_first_output
    assert [hop.carried - first[hop.tx] for hop in chain.hops] == [
        names[f"peeling-chain-{peel}-position"] for peel in PEELS
    ]
    assert [hop.peeled_value for hop in chain.hops] == [peel * 10_000_000 for peel in PEELS]
    assert chain.peeled == 450_000_000
    assert (chain.ended, chain.ended_in) == (Ended.UNSPENT, -1)
    assert chain in set(chains_between(finder, 0, index.columns.txs))


def test_it_has_no_coins_of_nobody(index: Index):
    assert unowned_addresses(index) == ()
