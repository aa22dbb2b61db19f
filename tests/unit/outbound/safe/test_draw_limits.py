"""What the chain lets hot draw against what the signers' policies allow: every difference is named, with the signer."""

from __future__ import annotations

from strongroom.outbound.safe import rules
from strongroom.processes.commands.machine import judge_draws


def test_equal_limits_are_no_difference() -> None:
    assert rules.draw_differences(6_000, {"A": 6_000, "B": 6_000}) == ()


def test_a_policy_below_the_chains_limit_says_which_payouts_wait() -> None:
    (told,) = rules.draw_differences(10_000, {"A": 6_000, "B": 10_000})
    assert told == "A allows 6000 a day, the chain 10000: payouts beyond 6000 wait, unsigned"


def test_a_policy_above_the_chains_limit_says_that_the_chains_holds() -> None:
    (told,) = rules.draw_differences(10_000, {"A": 10_000, "B": 12_000})
    assert told == "B allows 12000 a day, the chain only 10000: the chain's limit holds"


def test_a_signer_without_the_asset_is_named_even_where_nothing_may_be_drawn() -> None:
    (told,) = rules.draw_differences(0, {"A": 0, "B": None})
    assert told.startswith("B tells no limit")


def test_the_doctor_names_what_differs_and_asks_for_nothing_where_all_agree() -> None:
    same = {"chain": "Devnet", "draws in 24 h": "6.00 USDT", "differs": None}
    assert judge_draws("limits", [same]).well
    other = {"chain": "Devnet", "draws in 24 h": "5.00 USDC", "differs": "A allows 6 a day"}
    finding = judge_draws("limits", [same, other])
    assert (finding.well, finding.found) == (False, "Devnet, 5.00 USDC: A allows 6 a day")
    assert finding.advice
