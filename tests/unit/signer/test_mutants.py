"""Every mutant of the table is refused by its own rule, and leaves nothing behind that would bind or count."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.signer.mutants import MUTANTS, STORIES, mutant_request, scene
from tests.unit.signer.kit import EXPIRES, SATS, Bench, coin, intent, parse_policy, payout, policy_text


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_refused_with_its_tag_and_changes_nothing(bench: Bench, name: str):
    request, tag = mutant_request(name, EXPIRES)
    assert bench.tag(request) == tag
    assert not bench.signer.books.slots
    assert bench.tag(scene(EXPIRES).draft.request()) == "signed"


@pytest.mark.parametrize("name", STORIES)
def test_a_request_that_is_wrong_only_after_others_is_refused_with_its_tag(bench: Bench, name: str):
    tell, tag = STORIES[name]
    before, last = tell(scene(EXPIRES))
    for draft in before:
        assert bench.tag(draft.request()) == "signed"
    assert bench.tag(last.request()) == tag
    bench.restart()
    assert bench.tag(last.request()) == tag


def test_a_chain_that_the_policy_does_not_name_is_refused(bench: Bench):
    assert bench.tag(payout(intent()).request(chain="bip122:000000000019d6689c085ae165831e93")) == "chain-unknown"


def test_all_merchants_together_have_a_limit(tmp_path: Path):
    bench = Bench(tmp_path, policy=parse_policy(policy_text(per_window=2 * SATS)))
    try:
        assert bench.tag(payout(intent(amount=2 * SATS)).request()) == "signed"
        assert bench.tag(payout(intent(amount=600), coins=(coin(salt=1),)).request()) == "velocity-all"
        bench.clock.now += 86_400
        late = intent(amount=2 * SATS, expires_at=bench.clock.now + 1)
        assert bench.tag(payout(late, coins=(coin(salt=1),)).request()) == "signed"
    finally:
        bench.close()
