"""Files that a hand writes: what is wrong is named, and nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from strongroom_core.ids import HOUSE_MERCHANT, MerchantId
from strongroom_signer.enrolment import Caps, EnrolledMerchant, check_distinct, parse_enrolment, read_key, render
from strongroom_signer.errors import EnrolmentError, PolicyError
from strongroom_signer.policy import parse_policy
from tests.unit.signer.kit import ASSET, CHAIN, LISTED, MERCHANT, SHOP, account, merchants, policy_text

TEXT = policy_text().decode()


def test_a_policy_reads_as_it_is_written():
    policy = parse_policy(TEXT.encode())
    chain = policy.chains[CHAIN]
    assert (chain.dust, chain.max_index_gap, chain.max_fee_rate) == (546, 1000, 100)
    assert policy.limits[ASSET].window_seconds == 86_400
    assert parse_policy(TEXT.encode()).hash == policy.hash != parse_policy((TEXT + "\n").encode()).hash


@pytest.mark.parametrize(
    ("bent", "named"),
    [
        (TEXT.replace("dust = 546\n", ""), "dust"),
        (TEXT.replace("dust = 546", "dust = 546\nextra = 1"), "extra"),
        (TEXT.replace("dust = 546", "dust = 0"), "dust"),
        (TEXT.replace("dust = 546", "dust = 546.0"), "dust"),
        (TEXT.replace("dust = 546", "dust = true"), "dust"),
        (TEXT.replace("dust = 546", 'dust = "546"'), "dust"),
        (TEXT.replace("max_index_gap = 1000", "max_index_gap = 1001"), "max_index_gap"),
        (TEXT.replace("version = 1", "version = 2"), "version"),
        (TEXT.replace('"test-deployment"', '"two words"'), "deployment"),
        (TEXT.replace("payout_fee = 1000", "payout_fee = -1"), "payout_fee"),
        (TEXT.replace(f'[assets."{ASSET}"]', f'[assets."{ASSET}x"]'), "assets"),
        (TEXT.replace(f'[chains."{CHAIN}"]', '[chains."bip122:unknown"]'), "bip122:unknown"),
        (TEXT.replace(account("B"), account("A")), "twice"),
        (TEXT.replace(account("C1"), account("A")), "both"),
        (TEXT.replace(f', "{account("R")}"', ""), "3 keys"),
        (TEXT.replace(account("A"), "tpub"), "account key"),
        (TEXT + "=", "TOML"),
    ],
)
def test_a_wrong_policy_is_refused_and_the_message_names_what(bent: str, named: str):
    assert bent != TEXT
    with pytest.raises(PolicyError) as error:
        parse_policy(bent.encode())
    assert named in error.value.message


def test_the_merchants_file_reads_as_it_was_written():
    enrolment = merchants()
    assert parse_enrolment(render(enrolment)) == enrolment
    assert parse_enrolment(render({})) == {}
    again = parse_enrolment(render(enrolment))[MERCHANT].caps[ASSET]
    assert again.destinations == (LISTED,)
    assert len(again.scripts) == 1


FILE = render(merchants()).decode()


@pytest.mark.parametrize(
    "bent",
    [
        FILE.replace("branch = 2", "branch = 1"),
        FILE.replace("branch = 2", "branch = 3"),
        FILE.replace("branch = 2", 'branch = "2"'),
        FILE.replace(MERCHANT, "mer_short"),
        FILE.replace("per_payout", "per_payouts"),
        FILE.replace(ASSET, "nothing"),
        FILE.replace(LISTED, "bcrt1qnotanaddress"),
        FILE.replace("version = 1", "version = 3"),
        FILE.replace("version = 1", "version = 1\nowner = 2"),
        FILE.replace('key = "', 'key = "zz'),
        FILE.replace("unlisted_per_window = 800000000", "unlisted_per_window = -1"),
        FILE + "[",
    ],
)
def test_a_wrong_merchants_file_is_refused(bent: str):
    assert bent != FILE
    with pytest.raises(EnrolmentError):
        parse_enrolment(bent.encode())


def test_two_merchants_share_neither_key_nor_branch_nor_caps_of_one_asset():
    first, second = merchants().values()
    changes: list[dict[str, Any]] = [{"merchant": first.merchant}, {"branch": 2}, {"public_key": first.public_key}]
    for change in changes:
        with pytest.raises(EnrolmentError):
            check_distinct([first, replace(second, **change)])
    table = FILE[FILE.index("[[merchant.caps]]") : FILE.index("[[merchant]]", FILE.index("[[merchant.caps]]"))]
    with pytest.raises(EnrolmentError):
        parse_enrolment(FILE.replace(table, table * 2, 1).encode())


def test_caps_and_ids_are_checked():
    with pytest.raises(EnrolmentError):
        Caps(ASSET, 1, 1, 1, ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",))
    with pytest.raises(EnrolmentError):
        EnrolledMerchant(MerchantId("pay_01j9zzzzzzzzzzzzzzzzzzzzz1"), 2, bytes(32), {})
    with pytest.raises(EnrolmentError, match="is the house"):
        EnrolledMerchant(HOUSE_MERCHANT, 2, bytes(32), {})
    with pytest.raises(EnrolmentError):
        read_key("AB" * 32)
    assert Caps(ASSET, 1, 1, 0, (SHOP,)).scripts
