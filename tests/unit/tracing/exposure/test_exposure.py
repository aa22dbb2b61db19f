"""The exposure of one output: against a slow and obvious version, and case by case."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_tracing.clusters.model import Clusters, Mixing
from strongroom_tracing.clusters.service import cluster
from strongroom_tracing.columns import Columns
from strongroom_tracing.exposure.errors import UnknownOutputNumberError
from strongroom_tracing.exposure.model import Beyond, By, Exposure, Limits, Mixed, Touch
from strongroom_tracing.exposure.service import exposure, split
from strongroom_tracing.exposure.suspects import suspects
from strongroom_tracing.exposure.tables import exposure_table
from tests.unit.tracing.clusters.chains import Made, made_chains

Shares = dict[tuple[object, ...], int]


@dataclass
class Obvious:
    """Follows the value back one hop after the other, with dictionaries and fractions, as the definition says."""

    columns: Columns
    tags: set[int]
    marks: set[int]
    clusters: Clusters | None
    limits: Limits

    def shares(self, output: int) -> Shares:
        shares: Shares = defaultdict(int)
        front = {self.columns.tx_of_output(output): int(self.columns.output_value[output])}
        txs, inputs = self.limits.txs, self.limits.inputs
        for hop in range(1, self.limits.hops + 1):
            after: dict[int, int] = defaultdict(int)
            for tx, value in sorted(front.items(), key=lambda item: (-item[1], item[0])):
                spent = self.spent(tx)
                reason = self.reason(value, txs, inputs - len(spent))
                if reason is not None or value == 0:
                    shares[reason,] += value
                    continue
                txs, inputs = txs - 1, inputs - len(spent)
                for coin, share in zip(spent, obvious_shares(self.columns, spent, value), strict=True):
                    key = self.ends_at(hop, coin)
                    if key is None:
                        after[self.columns.tx_of_output(coin)] += share
                    else:
                        shares[key] += share
            front = after
        for value in front.values():
            shares[(Beyond.BELOW_THRESHOLD if value < self.limits.smallest else Beyond.HOP_LIMIT),] += value
        return {key: share for key, share in shares.items() if share}

    def spent(self, tx: int) -> list[int]:
        firsts = self.columns.tx_first_input
        return [int(coin) for coin in self.columns.input_spent[firsts[tx] : firsts[tx + 1]]]

    def reason(self, value: int, txs: int, inputs: int) -> Beyond | None:
        if value < self.limits.smallest:
            return Beyond.BELOW_THRESHOLD
        if txs == 0:
            return Beyond.TX_LIMIT
        return Beyond.INPUT_LIMIT if inputs < 0 else None

    def ends_at(self, hop: int, coin: int) -> tuple[object, ...] | None:
        if coin < 0:
            return ("mined",) if coin == -1 else ("before",)
        if coin in self.marks:
            return hop, By.MARK, coin
        address = int(self.columns.output_address[coin])
        if address in self.tags:
            return hop, By.ADDRESS, address
        if self.clusters and self.clusters.of(address) in {self.clusters.of(tag) for tag in self.tags}:
            return hop, By.CLUSTER, self.clusters.of(address)
        return None


def obvious_shares(columns: Columns, spent: list[int], value: int) -> list[int]:
    if spent == [-1]:
        return [value]
    worth = [int(columns.output_value[coin]) if coin >= 0 else int(columns.external_value[-2 - coin]) for coin in spent]
    if -1 in worth or not sum(worth):
        to = worth.index(-1) if -1 in worth else 0
        return [value if at == to else 0 for at in range(len(worth))]
    exact = [Fraction(value * part, sum(worth)) for part in worth]
    shares = [int(share) for share in exact]
    while sum(shares) < value:
        at = max(range(len(worth)), key=lambda at: (exact[at] - shares[at], -at))
        shares[at] += 1
    return shares


def shares_of(found: Exposure) -> Shares:
    shares: Shares = {(touch.hop, touch.by, touch.number): touch.value for touch in found.indirect}
    shares |= {(reason,): value for reason, value in found.beyond}
    shares |= {("mined",): found.mined, ("before",): found.before_index}
    return {key: share for key, share in shares.items() if share}


@settings(max_examples=250, deadline=None)
@given(
    made_chains(),
    st.sets(st.integers(0, 12), max_size=3),
    st.sets(st.integers(0, 25), max_size=2),
    st.booleans(),
    st.builds(
        Limits,
        hops=st.integers(0, 6),
        txs=st.integers(0, 8),
        inputs=st.integers(0, 20),
        smallest=st.sampled_from([1, 1, 10**6]),
    ),
    st.data(),
)
def test_it_is_what_the_slow_and_obvious_version_finds(
    chain: Made, tags: set[int], marks: set[int], clustered: bool, limits: Limits, data: st.DataObject
):
    columns = chain.columns()
    clusters = cluster(columns) if clustered else None
    tags = {tag for tag in tags if tag < columns.addresses}
    output = data.draw(st.integers(0, columns.outputs - 1))
    looked_for = suspects({tag: [f"t{tag}"] for tag in tags}, {mark: [f"m{mark}"] for mark in marks}, clusters)
    found = exposure(columns, looked_for, output, limits)
    found.check()
    assert shares_of(found) == Obvious(columns, tags, marks, clusters, limits).shares(output)
    assert found == exposure(columns, looked_for, output, limits)
    assert found.visited_txs <= limits.txs
    assert found.visited_inputs <= limits.inputs


@given(st.lists(st.integers(0, 21 * 10**14), min_size=1, max_size=6), st.data())
def test_splitting_is_exact(parts: list[int], data: st.DataObject):
    value = data.draw(st.integers(0, max(sum(parts), 1)))
    shares = split(value, parts)
    assert sum(shares) == value
    if sum(parts):
        assert all(
            abs(share * sum(parts) - value * part) < sum(parts) for share, part in zip(shares, parts, strict=True)
        )


def test_the_units_that_a_division_leaves_go_to_the_largest_remainders():
    assert split(10, [1, 1, 1]) == [4, 3, 3]
    assert split(10, [1, 2, 4]) == [1, 3, 6]
    assert split(5, [0, 0]) == [5, 0]


def theft() -> tuple[Made, dict[str, int], int]:
    """Make a chain on which 30 of stolen money and 70 of mined money are paid to a customer, two hops back."""
    chain = Made()
    stolen = chain.mint(("victim", 30))[0]
    mined = chain.mint(("miner", 70))[0]
    moved = chain.coins(chain.tx([stolen], ("thief", 30)))[0]
    merged = chain.coins(chain.tx([moved, mined], ("thief2", 100)))[0]
    paid = chain.coins(chain.tx([merged], ("customer", 60), ("thief3", 40)))[0]
    return chain, chain.names(), paid


def test_shares_come_by_hops():
    chain, names, paid = theft()
    found = exposure(chain.columns(), suspects({names["victim"]: ["theft of May"], names["thief2"]: ["scam"]}), paid)
    assert found.indirect == (Touch(1, By.ADDRESS, names["thief2"], ("scam",), 60),)
    found = exposure(chain.columns(), suspects({names["victim"]: ["theft of May"]}), paid)
    assert found.indirect == (Touch(3, By.ADDRESS, names["victim"], ("theft of May",), 18),)
    assert (found.mined, found.before_index, found.beyond, found.bounded_by) == (42, 0, (), ())
    assert found.direct == ()
    assert (found.visited_txs, found.visited_inputs) == (4, 5)


def test_what_limited_the_search_is_in_the_answer():
    chain, names, paid = theft()
    looked_for = suspects({names["victim"]: ["theft"]})
    for limits, reason in (
        (Limits(hops=2), Beyond.HOP_LIMIT),
        (Limits(txs=2), Beyond.TX_LIMIT),
        (Limits(inputs=2), Beyond.INPUT_LIMIT),
        (Limits(smallest=61), Beyond.BELOW_THRESHOLD),
    ):
        found = exposure(chain.columns(), looked_for, paid, limits)
        assert reason in found.bounded_by
        assert found.limits == limits
        found.check()


def test_the_largest_shares_are_looked_at_first():
    chain, _, paid = theft()
    found = exposure(chain.columns(), suspects({}), paid, Limits(txs=3))
    assert (found.mined, found.beyond) == (42, ((Beyond.TX_LIMIT, 18),))


def test_the_output_itself_is_direct_and_its_source_still_told():
    chain, names, paid = theft()
    clusters = cluster(chain.columns())
    looked_for = suspects(
        {names["customer"]: ["exchange"], names["victim"]: ["theft"]}, {paid: ["claim 1", "claim 2"]}, clusters
    )
    found = exposure(chain.columns(), looked_for, paid)
    assert found.direct == (
        Touch(0, By.MARK, paid, ("claim 1", "claim 2"), 60),
        Touch(0, By.ADDRESS, names["customer"], ("exchange",), 60),
        Touch(0, By.CLUSTER, names["customer"], ("exchange",), 60),
    )
    assert [touch.labels for touch in found.indirect] == [("theft",)]


def test_a_tag_counts_for_its_cluster_and_conflicting_labels_are_kept():
    chain, names, paid = theft()
    clusters = cluster(chain.columns())
    assert clusters.of(names["thief"]) == names["miner"]
    found = exposure(
        chain.columns(), suspects({names["miner"]: ["pool", "thief"]}, clusters=clusters), paid, Limits(hops=2)
    )
    assert found.indirect == (
        Touch(2, By.ADDRESS, names["miner"], ("pool", "thief"), 42),
        Touch(2, By.CLUSTER, names["miner"], ("pool", "thief"), 18),
    )


def test_a_marked_output_counts_before_its_address():
    chain, names, paid = theft()
    looked_for = suspects({names["victim"]: ["theft"]}, {chain.coins(0)[0]: ["claim"]})
    found = exposure(chain.columns(), looked_for, paid)
    assert found.indirect == (Touch(3, By.MARK, 0, ("claim",), 18),)


def test_addresses_newer_than_the_clusters_are_alone():
    chain, names, paid = theft()
    old = cluster(chain.columns(2))
    found = exposure(chain.columns(), suspects({names["victim"]: ["theft"]}, clusters=old), paid)
    assert [touch.value for touch in found.indirect] == [18]


def test_mixing_on_the_way_is_told_beside_the_shares():
    chain = Made()
    coins = chain.mint(("a", 1_000_000), ("b", 1_000_000), ("c", 1_000_000))
    mixed = chain.tx(coins, ("x", 900_000), ("y", 900_000), ("z", 900_000))
    columns = chain.columns()
    looked_for = suspects({0: ["thief"]}, clusters=cluster(columns))
    found = exposure(columns, looked_for, chain.coins(mixed)[0])
    assert found.mixed == (Mixed(1, Mixing.JOINMARKET, 900_000),)
    assert [touch.value for touch in found.indirect] == [300_000]
    assert found.mined == 600_000


def test_an_output_that_is_not_there():
    chain, _, _ = theft()
    with pytest.raises(UnknownOutputNumberError):
        exposure(chain.columns(), suspects({}), 99)


def test_the_table_has_every_share():
    chain, names, paid = theft()
    looked_for = suspects({names["victim"]: ["theft"], names["customer"]: ["exchange"]})
    columns = chain.columns()
    table = exposure_table(
        columns, exposure(columns, looked_for, paid, Limits(hops=3, txs=3)), lambda number: f"#{number}"
    )
    rows = table.to_pylist()
    assert [(row["part"], row["hop"], row["value"]) for row in rows] == [
        ("direct", 0, 60),
        ("mined", None, 42),
        ("tx-limit", None, 18),
    ]
    assert rows[0]["what"] == f"#{names['customer']}"
    assert rows[0]["labels"] == ["exchange"]
