"""Change of an index's chain txs: found by chain tx and by address, never in a CoinJoin."""

from __future__ import annotations

import pytest

from strongroom_core.assets import BITCOIN_REGTEST
from strongroom_tracing.clusters import patterns
from strongroom_tracing.clusters.patterns import Patterns, spends_of
from strongroom_tracing.index.model import RawBlock
from strongroom_tracing.index.service import Index, in_memory
from tests.unit.tracing.index.making import NO_HASH, hash_of, made_block, made_coinbase, made_tx

COIN = 10**8


def lock(number: int) -> bytes:
    return bytes.fromhex(f"0014{number:040x}")


@pytest.fixture(scope="module")
def index() -> Index:
    """Index a round of three people, of whom one keeps his change where his coin was, and a payment of another coin."""
    minted = made_coinbase(0, *((COIN + 3 * COIN * number, lock(number)) for number in (1, 2, 3, 4)))
    first = made_block(NO_HASH, [minted])
    mixed = [(COIN, lock(number)) for number in (11, 12, 13)]
    kept = [(3 * COIN, lock(1)), (6 * COIN, lock(22)), (9 * COIN - 5_000, lock(23))]
    mix = made_tx([(minted.txid, at) for at in (0, 1, 2)], [*mixed, *kept])
    paid = made_tx([(minted.txid, 3)], [(COIN, lock(31)), (12 * COIN - 5_000, lock(4))])
    second = made_block(hash_of(first), [made_coinbase(1, (50, lock(9))), mix, paid])
    return in_memory([RawBlock(height, "", raw) for height, raw in enumerate((first, second))], BITCOIN_REGTEST)


def test_a_coinjoin_has_no_change_and_a_payment_has(index: Index):
    """Of the round, one output goes back to where a coin was: among strangers that is no sign of a payer."""
    links = list(Patterns(index).changes(0, index.columns.txs))
    assert [(link.tx, index.script(link.address), [str(sign) for sign in link.signs]) for link in links] == [
        (3, lock(4), ["address-reuse", "round-values"])
    ]


def test_what_spends_from_an_address_is_found_in_steps(index: Index, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(patterns, "_CHUNK", 3)
    numbers = {index.script(number): number for number in range(index.columns.addresses)}
    assert [spends_of(index, numbers[lock(number)]) for number in (1, 3, 4, 31)] == [[2], [2], [3], []]
    assert [link.tx for link in Patterns(index).changes_of(numbers[lock(4)])] == [3]


def test_an_answer_says_what_it_rests_on(index: Index):
    facts = Patterns(index).provenance("changes", {"where": "x"})
    assert (facts.chain, facts.height, facts.dataset_hash) == (index.chain, 1, index.dataset_hash(1))
    assert facts.parameters["where"] == "x"
    assert "address-reuse 90" in facts.parameters["points"]
    assert facts.method == {"question": "changes", "cluster_rules": 3}
