"""Multi-input clusters: against a slow and obvious version, their reasons, growth and reorgs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_tracing.clusters import service
from strongroom_tracing.clusters.errors import ClustersDamagedError, UnknownAddressError
from strongroom_tracing.clusters.model import Clusters, Joint, Mixing, Settings
from strongroom_tracing.columns import Columns
from tests.unit.tracing.clusters.chains import Made, made_chains


def spenders(columns: Columns, tx: int, unowned: tuple[int, ...] = ()) -> set[int]:
    """Give the addresses that a chain tx spends from."""
    first, last = columns.tx_first_input[tx], columns.tx_first_input[tx + 1]
    spent = columns.input_spent[first:last]
    return {int(columns.output_address[coin]) for coin in spent if coin >= 0} - set(unowned)


def obvious(clusters: Clusters) -> list[set[int]]:
    """Merge sets until nothing changes."""
    columns = clusters.columns
    sets = [{address} for address in range(columns.addresses)]
    for tx in range(columns.txs):
        if clusters.mixing[tx]:
            continue
        spending = spenders(columns, tx, clusters.settings.unowned)
        touched = [group for group in sets if group & spending]
        sets = [group for group in sets if not group & spending] + ([set().union(*touched)] if touched else [])
    return sorted(sets, key=min)


def same(one: Clusters, other: Clusters) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("up", "link", "cluster", "follow", "mixing")
    )


@settings(max_examples=150, deadline=None)
@given(made_chains(), st.lists(st.integers(0, 10), max_size=2))
def test_clusters_are_those_of_the_slow_and_obvious_version(chain: Made, unowned: list[int]):
    clusters = service.cluster(chain.columns(), Settings(unowned=tuple(unowned)))
    for group in obvious(clusters):
        assert clusters.members(max(group)) == tuple(sorted(group))
        assert {clusters.of(address) for address in group} == {min(group)}
        assert clusters.size(max(group)) == len(group)


@settings(max_examples=150, deadline=None)
@given(made_chains())
def test_every_two_addresses_of_a_cluster_have_a_chain_of_witnesses(chain: Made):
    clusters = service.cluster(chain.columns())
    for group in obvious(clusters):
        for other in group:
            steps = clusters.why(min(group), other)
            here = min(group)
            for step in steps:
                assert step.address == here
                assert {step.address, step.other} <= spenders(clusters.columns, step.tx)
                assert clusters.mixing_of(step.tx) is Mixing.NONE
                here = step.other
            assert here == other
            assert len(steps) < len(group)


@settings(max_examples=100, deadline=None)
@given(made_chains(), st.integers(0, 25))
def test_extending_by_new_blocks_gives_what_making_anew_gives_and_a_reorg_takes_it_back(chain: Made, until: int):
    txs = min(until, len(chain.spent))
    short, whole = service.cluster(chain.columns(txs)), service.cluster(chain.columns())
    assert same(service.extend(short, chain.columns()), whole)
    assert same(service.rewind(whole, chain.columns(txs)), short)


def test_a_reorg_parts_two_old_addresses():
    chain = Made()
    coins = chain.mint(("a", 10)) + chain.mint(("b", 10))
    chain.tx(coins, ("c", 20))
    whole = service.cluster(chain.columns())
    assert whole.of(1) == 0
    left = service.rewind(whole, chain.columns(2))
    assert (left.of(1), left.size(0), left.members(0)) == (1, 1, (0,))


def test_damaged_witnesses_are_told_instead_of_followed_for_ever():
    chain = Made()
    coins = [chain.mint((name, 10))[0] for name in "abcd"]
    first, second = chain.tx(coins[:2], ("b", 20)), chain.tx(coins[2:], ("c", 20))
    chain.tx([*chain.coins(first), *chain.coins(second)], ("e", 40))
    clusters = service.cluster(chain.columns())
    clusters.link[clusters.link >= 0] = clusters.link.max()
    with pytest.raises(ClustersDamagedError):
        clusters.why(0, 3)
    clusters.link[clusters.link >= 0] = 0
    with pytest.raises(ClustersDamagedError):
        clusters.why(0, 3)


def test_the_reasons_are_told_step_by_step():
    chain = Made()
    a, b, c, d = (chain.mint((name, 100))[0] for name in "abcd")
    ab = chain.tx([a, b], ("b", 150))
    cd = chain.tx([c, d], ("c", 150))
    both = chain.tx([*chain.coins(ab), *chain.coins(cd)], ("e", 290))
    clusters = service.cluster(chain.columns())
    names = chain.names()
    assert clusters.why(names["a"], names["d"]) == [
        Joint(names["a"], names["b"], ab),
        Joint(names["b"], names["c"], both),
        Joint(names["c"], names["d"], cd),
    ]
    assert clusters.why(names["d"], names["a"])[0] == Joint(names["d"], names["c"], cd)
    assert clusters.why(names["a"], names["a"]) == []
    assert clusters.why(names["a"], names["e"]) == []
    assert clusters.members(names["d"]) == tuple(range(4))
    with pytest.raises(UnknownAddressError):
        clusters.of(5)


def test_addresses_that_anybody_may_spend_from_join_nobody():
    chain = Made()
    a, anchor, b, again = (chain.mint((name, 100))[0] for name in ("a", "anchor", "b", "anchor"))
    chain.tx([a, anchor], ("x", 100))
    chain.tx([b, again], ("y", 100))
    names = chain.names()
    assert service.cluster(chain.columns()).of(names["b"]) == names["a"]
    apart = service.cluster(chain.columns(), Settings(unowned=(names["anchor"],)))
    assert [apart.of(names[name]) for name in ("a", "anchor", "b")] == [names[name] for name in ("a", "anchor", "b")]


def test_a_long_history_of_one_owner_needs_no_deep_recursion():
    chain = Made()
    for number in range(1, 400):
        coins = chain.mint((f"w{number - 1}", 10), (f"w{number}", 10))
        chain.tx(coins, (f"c{number}", 20))
    clusters = service.cluster(chain.columns())
    names = chain.names()
    steps = clusters.why(names["w0"], names["w399"])
    assert len(steps) == 399
    assert steps[0].address == names["w0"]
    assert steps[-1].other == names["w399"]
    assert clusters.size(0) == 400


def test_a_tree_is_never_deeper_than_the_logarithm_of_its_size():
    chain = Made()
    for number in range(1, 64):  # one owner grows by one address after the other
        chain.tx(chain.mint((f"w{number}", 10), (f"w{number - 1}", 10)), (f"c{number}", 20))
    clusters = service.cluster(chain.columns())
    depths = []
    for node in clusters.walk(0):
        depth, at = 0, node
        while clusters.up[at] >= 0:
            depth, at = depth + 1, int(clusters.up[at])
        depths.append(depth)
    assert max(depths) <= 6


def test_progress_is_told():
    chain = Made()
    chain.mint(("a", 1))
    told: list[tuple[int, int]] = []
    service.cluster(chain.columns(), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 1)]
