"""Change is a scored link: it merges nothing, rivals cost points, and what cannot be known counts for nothing."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings

from strongroom_tracing.clusters import service
from strongroom_tracing.clusters.changes import ChangeFinder, Sign
from strongroom_tracing.clusters.model import Settings
from strongroom_tracing.clusters.peeling import Ended, chain_through, chains_between
from strongroom_tracing.clusters.scripts import (
    SPENT_BY_ANYBODY,
    WASABI_COORDINATORS,
    ScriptKind,
    kind_of_script,
    known_settings,
    spent_by_anybody,
    unowned_addresses,
)
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


class OneAnchor:
    """An index that has paid to an anchor, and to one of Wasabi's collectors."""

    def find_address(self, text: str) -> int | None:
        return {"script:51024e73": 7, WASABI_COORDINATORS[1]: 3}.get(text)

    def script(self, number: int) -> bytes:
        return {7: b"\x51\x02\x4e\x73", 9: b"\x52\x02\xaa\xbb"}.get(number, b"\x00\x14" + bytes(20))


def test_coins_of_nobody_are_found_in_an_index():
    assert unowned_addresses(OneAnchor()) == (7,)
    assert unowned_addresses(OneAnchor(), among=range(12)) == (7, 9)
    assert known_settings(OneAnchor()) == Settings(coordinators=(3,), unowned=(7,))


def hashed(script: str) -> str:
    return hashlib.sha256(bytes.fromhex(script)).hexdigest()


@pytest.mark.parametrize(
    "script",
    [
        "51024e73",  # pay-to-anchor
        "5102aabb",  # version 1, no taproot
        "5202aabb",
        "5220" + "00" * 32,
        "6028" + "00" * 40,
        "",
        "4f",
        "51",
        "60",
        "6151",
        "5151",
        "b051",
        "01ff7551",
        "7551",
        "4c0101",
        "4d010001",
        "0020" + hashed("51"),
        "0020" + hashed("52"),
        "0020" + hashed(""),
        "00204ae81572f06e1b88fd5ced7a1a000945432e83e1551e6f721ee9c00b8cc33260",
        "a914da1745e9b549bd0bfa1a569971c77eba30cd5a4b87",  # OP_1 in P2SH
    ],
)
def test_anybody_spends_what_no_key_and_no_rule_locks(script: str):
    assert spent_by_anybody(bytes.fromhex(script))


@pytest.mark.parametrize(
    "script",
    [
        "76a914" + "11" * 20 + "88ac",
        "a914" + "11" * 20 + "87",
        "0014" + "11" * 20,
        "0020" + "11" * 32,
        "0002aabb",  # version 0 of no known length: nobody
        "5120" + "11" * 32,
        "21" + "02" * 33 + "ac",
        "5121" + "02" * 33 + "51ae",
        "6a0401020304",
        "00",
        "0100",
        "0180",  # negative zero
        "020080",
        "5100",
        "b151",  # a lock by time
        "05aabb",  # cut short
        "4d",
        "4e00000080",
        "4d0902" + "01" * 521,  # more than may be pushed
    ],
)
def test_what_is_locked_has_an_owner(script: str):
    assert not spent_by_anybody(bytes.fromhex(script))


def test_what_is_looked_up_is_what_anybody_spends():
    assert all(spent_by_anybody(script) for script in SPENT_BY_ANYBODY)
    assert len(set(SPENT_BY_ANYBODY)) == len(SPENT_BY_ANYBODY)
    wanted = ("", "51", "52", "60", "4f", "51024e73", "0020" + hashed("60"))
    assert {bytes.fromhex(script) for script in wanted} <= set(SPENT_BY_ANYBODY)
