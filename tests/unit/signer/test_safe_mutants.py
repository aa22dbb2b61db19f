"""Every mutant of the table of Safe transactions is refused by its own rule, and leaves nothing behind that binds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.signer.safe_mutants import MUTANTS, STORIES, mutant_request, scene
from tests.unit.signer.kit import EXPIRES, Bench
from tests.unit.signer.safe_kit import intent, payout, safe_bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = safe_bench(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_refused_with_its_tag_and_changes_nothing(bench: Bench, name: str):
    request, tag = mutant_request(name, EXPIRES)
    assert bench.tag(request) == tag
    assert not bench.signer.books.nonces
    assert not bench.signer.books.signed_rows
    assert bench.tag(scene(EXPIRES).draft.request()) == "safe-signed"


@pytest.mark.parametrize("name", STORIES)
def test_a_request_that_is_wrong_only_after_others_is_refused_with_its_tag(bench: Bench, name: str):
    tell, tag = STORIES[name]
    before, last = tell(scene(EXPIRES))
    for draft in before:
        assert bench.tag(draft.request()) == "safe-signed"
    assert bench.tag(last.request()) == tag
    bench.restart()
    assert bench.tag(last.request()) == tag


def test_a_chain_that_the_policy_does_not_name_is_refused(bench: Bench):
    assert bench.tag(payout(intent()).request(chain="eip155:1")) == "chain-unknown"
    assert bench.tag(payout(intent()).request(chain="bip122:0f9188f13cb7b2c71f2a335e3a4fc328")) == "chain-unknown"


def test_a_nonce_before_the_policys_first_is_refused(tmp_path: Path):
    bench = safe_bench(tmp_path, first_nonce=40)
    try:
        assert bench.tag(payout(intent(), nonce=39).request()) == "nonce-behind"
        assert bench.tag(payout(intent(), nonce=41).request()) == "nonce-ahead"
        assert bench.tag(payout(intent(), nonce=40).request()) == "safe-signed"
        assert bench.tag(payout(intent(), nonce=41).request()) == "safe-signed"
        assert bench.tag(payout(intent(amount=1), nonce=40).request()) == "safe-signed"
    finally:
        bench.close()


def test_all_merchants_together_have_a_limit_of_each_asset(tmp_path: Path):
    bench = safe_bench(tmp_path)
    object.__setattr__(bench.policy.limits[intent().asset], "per_window", 300 * 10**6)
    try:
        assert bench.tag(payout(intent()).request()) == "safe-signed"
        assert bench.tag(payout(intent(), nonce=1).request()) == "velocity-all"
    finally:
        bench.close()
