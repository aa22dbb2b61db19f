"""Change is a scored link: it merges nothing, rivals cost points, and what cannot be known counts for nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from strongroom_tracing.clusters import service
from strongroom_tracing.clusters.changes import ChangeFinder, Sign
from strongroom_tracing.clusters.peeling import Ended, chain_through, chains_between
from strongroom_tracing.clusters.scripts import ScriptKind, kind_of_script
from tests.unit.tracing.clusters.chains import Made, made_chains

COIN = 10**8


@settings(max_examples=100, deadline=None)
@given(made_chains())
def test_a_link_names_an_output_of_its_tx_and_a_score(chain: Made):
    columns = chain.columns()
    for link in ChangeFinder(columns).links(range(columns.txs)):
        assert columns.tx_first_output[link.tx] <= link.output < columns.tx_first_output[link.tx + 1]
        assert link.address == columns.output_address[link.output]
        assert link.signs
        assert 1 <= link.score <= 100


@settings(max_examples=100, deadline=None)
@given(made_chains())
def test_a_fresh_address_is_one_that_was_never_paid_before(chain: Made):
    columns = chain.columns()
    for link in ChangeFinder(columns).links(range(columns.txs)):
        if Sign.FRESH in link.signs:
            before = columns.output_address[: columns.tx_first_output[link.tx]]
            others = columns.output_address[columns.tx_first_output[link.tx] : columns.tx_first_output[link.tx + 1]]
            others = others[columns.output_value[columns.tx_first_output[link.tx] :][: len(others)] > 0]
            assert link.address not in before
            assert all(other in before for other in others if other != link.address)


def test_signs_for_another_output_cost_points():
    chain = Made()
    coins = chain.mint(("payer", 3 * COIN), ("shop", COIN))
    tx = chain.tx(coins[:1], ("payer", COIN), ("shop", 199_999_999))
    link = ChangeFinder(chain.columns()).link(tx)
    assert link is not None
    assert (link.address, link.signs, link.score) == (chain.names()["payer"], (Sign.REUSE,), 90 - 25)


def test_links_merge_no_clusters():
    chain = Made()
    coins = chain.mint(("payer", 3 * COIN), ("shop", COIN))
    chain.tx(coins[:1], ("change", 199_999_999), ("shop", COIN))
    columns = chain.columns()
    link = ChangeFinder(columns).link(1)
    assert link is not None
    assert set(link.signs) == {Sign.FRESH, Sign.ROUND}
    clusters = service.cluster(columns)
    assert clusters.of(link.address) != clusters.of(link.spender)


def test_coinbases_sweeps_and_coinjoins_have_no_change():
    chain = Made()
    coins = chain.mint(("a", COIN), ("b", COIN))
    sweep = chain.tx(coins, ("c", 2 * COIN))
    columns = chain.columns()
    assert [ChangeFinder(columns).link(tx) for tx in (0, sweep)] == [None, None]
    paid = chain.tx(chain.coins(sweep), ("c", 1), ("d", 10**6))
    columns = chain.columns()
    assert ChangeFinder(columns).link(paid) is not None
    mixing = np.zeros(columns.txs, dtype=np.uint8)
    mixing[paid] = 1
    assert ChangeFinder(columns, mixing=mixing).link(paid) is None


def test_an_input_of_unknown_value_makes_no_input_unnecessary():
    chain = Made()
    known = chain.mint(("a", COIN))
    tx = chain.tx([*known, chain.before(-1)], ("b", 5), ("c", COIN + 1))
    assert ChangeFinder(chain.columns()).link(tx) is None
    tx = chain.tx([*chain.mint(("a", COIN)), chain.before(9)], ("b", 5), ("c", COIN + 1))
    link = ChangeFinder(chain.columns()).link(tx)
    assert link is not None
    assert link.signs == (Sign.UNNECESSARY,)


def peeled(*shares: int, start: int = 10 * COIN) -> tuple[Made, list[int]]:
    chain = Made()
    carried = chain.mint(("start", start))[0]
    txs = []
    for number, share in enumerate(shares):
        start -= share + 1_000
        txs.append(chain.tx([carried], (f"paid{number}", share), (f"kept{number}", start)))
        carried = chain.coins(txs[-1])[1]
    return chain, txs


def test_a_chain_ends_where_its_shape_ends():
    chain, txs = peeled(10**6, 2 * 10**6, 3 * 10**6)
    finder = ChangeFinder(chain.columns())
    found = chain_through(finder, txs[1])
    assert found is not None
    assert (found.start, found.ended, found.end) == (0, Ended.UNSPENT, chain.coins(txs[-1])[1])
    collected = chain.tx([chain.coins(txs[-1])[1], *chain.mint(("x", 1))], ("exchange", 1))
    found = chain_through(ChangeFinder(chain.columns()), txs[0])
    assert found is not None
    assert (found.ended, found.ended_in, len(found.hops)) == (Ended.OTHER_SHAPE, collected, 3)
    short = chain_through(ChangeFinder(chain.columns()), txs[0], most=3)
    assert short is not None
    assert short.ended is Ended.HOP_LIMIT


def test_two_payments_in_a_row_are_no_chain():
    chain, txs = peeled(10**6, 2 * 10**6)
    finder = ChangeFinder(chain.columns())
    assert chain_through(finder, txs[0]) is None
    assert chain_through(finder, 0) is None
    assert list(chains_between(finder, 0, len(chain.spent))) == []
    assert [len(found.hops) for found in chains_between(finder, 0, len(chain.spent), least=2)] == [2]


def test_without_signs_the_larger_output_is_carried():
    chain, txs = peeled(111_111, 222_222, 333_333)
    found = chain_through(ChangeFinder(chain.columns()), txs[2])
    assert found is not None
    assert [hop.peeled_value for hop in found.hops] == [111_111, 222_222, 333_333]
    assert {hop.signs for hop in found.hops} <= {(), (Sign.ROUND,)}


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("76a914" + "11" * 20 + "88ac", ScriptKind.KEY_HASH),
        ("a914" + "11" * 20 + "87", ScriptKind.SCRIPT_HASH),
        ("0014" + "11" * 20, ScriptKind.WITNESS_KEY_HASH),
        ("0020" + "11" * 32, ScriptKind.WITNESS_SCRIPT_HASH),
        ("5120" + "11" * 32, ScriptKind.TAPROOT),
        ("6a0401020304", ScriptKind.NULL_DATA),
        ("21" + "02" * 33 + "ac", ScriptKind.KEY),
        ("5121" + "02" * 33 + "51ae", ScriptKind.MULTISIG),
        ("51024e73", ScriptKind.OTHER),
        ("", ScriptKind.OTHER),
    ],
)
def test_kinds_of_scripts(script: str, kind: ScriptKind):
    assert kind_of_script(bytes.fromhex(script)) is kind
