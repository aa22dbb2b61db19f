"""What loosens and what tightens: a table of every field, and edits at random, judged by the rules themselves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom_core.statements import Document
from strongroom_signer import policy as policy_module
from strongroom_signer import safe_policy, trust
from strongroom_signer.changes import TIGHTER, compare, loosens
from strongroom_signer.enrolment import Caps, EnrolledMerchant, Enrolment, check_distinct, parse_enrolment, render
from strongroom_signer.policy import parse_policy
from tests.unit.signer import safe_kit
from tests.unit.signer.kit import (
    ASSET,
    CHAIN,
    LISTED,
    MERCHANT,
    MERCHANT_KEY,
    NOW,
    OTHER_KEY,
    OTHER_MERCHANT,
    SATS,
    SHOP,
    Bench,
    Clock,
    Draft,
    account,
    coin,
    intent,
    merchants,
    open_key,
    payout,
    policy_text,
)

OPERATORS = ('operators = ["' + "1" * 64 + '"]', 'operators = ["' + "1" * 64 + '", "' + "2" * 64 + '"]')
BAND = '[[conversions]]\nsell = "{sell}"\nbuy = "{buy}"\nleast = {least}\nmost = {most}\nper_day = {per_day}\n'
SAFE_TEXT = safe_kit.policy_text().decode()
TEXT = policy_text().decode()
STRANGER = open_key("stranger").account_key(CHAIN).text(test=True)


def banded(**changes: object) -> str:
    values: dict[str, object] = {
        "sell": safe_kit.USDT,
        "buy": safe_kit.USDC,
        "least": [99, 100],
        "most": [101, 100],
        "per_day": 1000,
    }
    return SAFE_TEXT + BAND.format(**(values | changes))


def trusted(**changes: object) -> str:
    text = TEXT.replace("operators = []", OPERATORS[1])
    for name, value in changes.items():
        text = text.replace(f"{name} = 0\n", f"{name} = {value}\n")
    return text


#: name: (before, after, whether it loosens)
TABLE: dict[str, tuple[str, str, bool]] = {
    "nothing": (TEXT, TEXT, False),
    "a comment": (TEXT, TEXT + "# more\n", False),
    "a longer time-lock": (TEXT, trusted(time_lock_seconds=5).replace(OPERATORS[1], "operators = []"), False),
    "a shorter time-lock": (trusted(time_lock_seconds=5), trusted(time_lock_seconds=4), True),
    "more operators needed": (trusted(operator_quorum=1), trusted(operator_quorum=2), False),
    "fewer operators needed": (trusted(operator_quorum=2), trusted(operator_quorum=1), True),
    "another operator": (TEXT.replace("operators = []", OPERATORS[0]), trusted(), True),
    # Who is no operator any more cannot cancel what the others announce.
    "an operator less": (trusted(), TEXT.replace("operators = []", OPERATORS[0]), True),
    "a rule switched on": (TEXT, TEXT.replace('"balance-house", ', ""), False),
    "a rule switched off": (TEXT.replace('"balance-house", ', ""), TEXT, True),
    "one on and another off": (TEXT, TEXT.replace('"balance-house"', '"change-branch"'), True),
    "another deployment": (TEXT, TEXT.replace("test-deployment", "other"), True),
    "another identity": (
        TEXT.replace("signers = {}", f'signers = {{ A = "{"1" * 64}", B = "{"2" * 64}" }}'),
        TEXT.replace("signers = {}", f'signers = {{ A = "{"1" * 64}", B = "{"3" * 64}" }}'),
        True,
    ),
    "another hot key": (TEXT, TEXT.replace(account("B"), STRANGER), True),
    "another checkpoint height": (TEXT, policy_text(checkpoint_height=1).decode(), True),
    "an EVM chain more": (TEXT, TEXT + SAFE_TEXT[SAFE_TEXT.index("[chains.") :], True),
    "an EVM chain less": (TEXT + SAFE_TEXT[SAFE_TEXT.index("[chains.") :], TEXT, False),
    "a bitcoin-like less": (SAFE_TEXT + TEXT[TEXT.index("[chains.") :], SAFE_TEXT, False),
    # The contract of a token that is not on the list any more could be a payout's destination.
    "a token less": (SAFE_TEXT, safe_kit.policy_text(assets={safe_kit.COIN: 1}).decode(), True),
    "another Safe": (SAFE_TEXT, safe_kit.policy_text(safe_kit.House(hot_safe=b"\x77" * 20)).decode(), True),
    "a higher first nonce": (SAFE_TEXT, safe_kit.policy_text(first_nonce=3).decode(), True),
    "a higher fee for payouts": (TEXT, policy_text(payout_fee=1_001).decode(), True),
    "a lower fee for payouts": (TEXT, policy_text(payout_fee=999).decode(), True),
    "a fee for deposits": (TEXT, TEXT + "deposit_fee_ppm = 1\n", True),
    "no fee for deposits, said": (TEXT, TEXT + "deposit_fee_ppm = 0\n", False),
    "a conversion more": (SAFE_TEXT, banded(), True),
    "a conversion less": (banded(), SAFE_TEXT, False),
    "a narrower band": (banded(), banded(least=[995, 1000], most=[1005, 1000]), False),
    "the same band in other numbers": (banded(), banded(least=[990, 1000], most=[1010, 1000]), False),
    "a lower least": (banded(), banded(least=[98, 100]), True),
    "a higher most": (banded(), banded(most=[102, 100]), True),
    "less a day": (banded(), banded(per_day=999), False),
    "more a day": (banded(), banded(per_day=1001), True),
    "tighter and looser": (TEXT, policy_text(max_fee=1, max_fee_rate=101).decode(), True),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_change_of_the_policy_is_told_apart(name: str):
    before, after, expected = TABLE[name]
    for text in (before, after):
        parse_policy(text.encode())
    assert loosens(compare(Document.POLICY, before.encode(), after.encode())) is expected


#: Which way gives more power to whoever asks: this table is the tests' own.
POWER_UP = {"max_index_gap", "max_fee_rate", "max_fee", "daily_fee_budget", "view_seconds", "per_payout", "per_window"}
POWER_DOWN = {"dust", "confirmations", "horizon", "nodes_min", "window_seconds"}
NEITHER = {"payout_fee", "checkpoint_height"}
NUMBERS = {
    "dust": 546,
    "max_index_gap": 500,
    "max_fee_rate": 100,
    "max_fee": 200_000,
    "daily_fee_budget": 500_000,
    "per_payout": 5 * SATS,
    "per_window": 20 * SATS,
    "window_seconds": 86_400,
    "payout_fee": 1_000,
    "confirmations": 2,
    "horizon": 12,
    "checkpoint_height": 3,
    "nodes_min": 2,
    "view_seconds": 3_600,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_each_number_of_a_bitcoin_like_has_its_direction(name: str):
    assert set(NUMBERS) == POWER_UP | POWER_DOWN | NEITHER
    before = policy_text(**NUMBERS)
    for step in (-1, 1):
        found = compare(Document.POLICY, before, policy_text(**(NUMBERS | {name: NUMBERS[name] + step})))
        assert [item.path.rpartition(".")[2] for item in found] == [name]
        grows = name in NEITHER or (step > 0) == (name in POWER_UP)
        assert loosens(found) is grows


@pytest.mark.parametrize(
    ("name", "power_up"), [("new_nonces_per_day", True), ("view_seconds", True), ("nodes_min", False)]
)
def test_each_number_of_an_evm_chain_has_its_direction(name: str, *, power_up: bool):
    middle = {"new_nonces_per_day": 50, "view_seconds": 500, "nodes_min": 3}[name]
    edits: list[dict[str, Any]] = [{name: middle + step} for step in (0, -1, 1)]
    before, lower, higher = (safe_kit.policy_text(**edit) for edit in edits)
    assert loosens(compare(Document.POLICY, before, higher)) is power_up
    assert loosens(compare(Document.POLICY, before, lower)) is not power_up


def test_every_number_that_a_policy_can_have_is_thought_of():
    known = {
        *policy_module._CHAIN_NUMBERS,
        *policy_module._LIMIT_NUMBERS,
        *policy_module._SAFE_LIMIT_NUMBERS,
        *safe_policy._NUMBERS,
        *trust.NUMBERS,
        "per_day",
    }
    always_loosen = {"payout_fee", "deposit_fee_ppm", "checkpoint_height", "first_nonce"}
    assert known == set(TIGHTER[Document.POLICY]) | always_loosen


def test_a_field_that_nobody_thought_of_loosens():
    # Such a text is no policy of this release; of a later one it may be.
    before = TEXT.replace("[chains.", "surprise = 5\n[chains.", 1).encode()
    for after in (TEXT, before.decode().replace("surprise = 5", "surprise = 4")):
        (found,) = compare(Document.POLICY, before, after.encode())
        assert (found.path, found.loosens) == ("surprise", True)
    assert compare(Document.POLICY, b"dust = 1\nassets = {}", b"dust = true\nassets = {}")[0].loosens


def enrolled(*, destinations: tuple[str, ...] = (LISTED,), branch: int = 2, **caps: int) -> bytes:
    numbers: dict[str, Any] = {"per_payout": 10, "per_window": 20, "unlisted_per_window": 15} | caps
    row = EnrolledMerchant(
        MERCHANT, branch, bytes(MERCHANT_KEY.verify_key), {ASSET: Caps(ASSET, **numbers, destinations=destinations)}
    )
    other = EnrolledMerchant(OTHER_MERCHANT, 9, bytes(OTHER_KEY.verify_key), {})
    return render(check_distinct([row, other]))


FILE = enrolled()


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (FILE, False),
        (enrolled(per_payout=9), False),
        (enrolled(per_payout=11), True),
        (enrolled(per_window=19), False),
        (enrolled(per_window=21), True),
        (enrolled(unlisted_per_window=14), False),
        (enrolled(unlisted_per_window=16), True),
        (enrolled(destinations=()), False),
        (enrolled(destinations=(SHOP, LISTED)), True),
        (enrolled(destinations=(SHOP,)), True),
        (enrolled(branch=3), True),
        (FILE.replace(bytes(MERCHANT_KEY.verify_key).hex().encode(), b"ab" * 32), True),
        (render({}), False),
        (render({OTHER_MERCHANT: parse_enrolment(FILE)[OTHER_MERCHANT]}), False),
        (FILE[: FILE.index(b"[[merchant.caps]]")] + FILE[FILE.rindex(b"[[merchant]]") :], False),
    ],
)
def test_a_change_of_the_merchants_is_told_apart(after: bytes, *, expected: bool):
    parse_enrolment(after)
    assert loosens(compare(Document.MERCHANTS, FILE, after)) is expected
    assert loosens(compare(Document.MERCHANTS, render({}), FILE))


def test_the_difference_is_told_field_by_field():
    (found,) = compare(Document.POLICY, policy_text(), policy_text(per_payout=7))
    assert (found.path, found.before, found.after) == (f"assets.{ASSET}.per_payout", str(5 * SATS), "7")
    added = compare(Document.MERCHANTS, render({}), FILE)
    assert [item.path for item in added] == [f"merchant.{MERCHANT}", f"merchant.{OTHER_MERCHANT}"]
    assert LISTED in added[0].after


# What rules say: nothing that a policy refused is allowed by one that only tightens it.

EDITS = {
    "dust": st.integers(300, 70_000),
    "max_index_gap": st.integers(1, 1000),
    "max_fee_rate": st.integers(1, 200),
    "max_fee": st.integers(1_000, 300_000),
    "daily_fee_budget": st.integers(1_000, 600_000),
    "per_payout": st.integers(1, 6 * SATS),
    "per_window": st.integers(1, 21 * SATS),
    "window_seconds": st.integers(60, 200_000),
    "payout_fee": st.sampled_from([1_000, 1_000, 999, 1_001]),
}
REQUESTS = st.lists(
    st.tuples(
        st.sampled_from([600, 60_000, SATS, 2 * SATS]),
        st.sampled_from([SHOP, LISTED]),
        st.sampled_from([1_000, 5_000, 100_000]),
        st.sampled_from([0, 400, 999]),
        st.sampled_from([0, 50_000, 100_000]),
    ),
    min_size=1,
    max_size=4,
)
CAPS = st.tuples(st.integers(0, 4 * SATS), st.integers(0, 10 * SATS), st.integers(0, 8 * SATS), st.booleans())


def enrolment_of(caps: tuple[int, int, int, bool]) -> Enrolment:
    payout_cap, window, unlisted, listed = caps
    rows = merchants(payout_cap, window, unlisted)
    if listed:
        return rows
    bare = Caps(ASSET, payout_cap, window, unlisted, ())
    return check_distinct([row.with_caps(bare) for row in rows.values()])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.fixed_dictionaries({}, optional=EDITS), min_size=2, max_size=2),
    caps=st.tuples(CAPS, CAPS),
    requests=REQUESTS,
)
def test_a_tightening_allows_nothing_that_was_refused(
    tmp_path: Path, edits: list[dict[str, int]], caps: Any, requests: Any
):
    old, new = edits[0], edits[0] | edits[1]
    texts = [policy_text(**old), policy_text(**new)]
    rows = [enrolment_of(item) for item in caps]
    tightens = not loosens(compare(Document.POLICY, *texts)) and not loosens(
        compare(Document.MERCHANTS, *map(render, rows))
    )
    grown = {name for name in POWER_UP & set(new) if new[name] > _value(old, name)}
    grown |= {name for name in (POWER_DOWN | NEITHER) & set(new) if new[name] < _value(old, name)}
    if grown:
        assert not tightens
    if tightens:
        # Whatever was signed under the looser one: what it refuses next, the tighter one refuses too.
        _compare_next(tmp_path, texts, rows, requests)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changed=st.fixed_dictionaries({}, optional={name: st.integers(0, 3) for name in (*EDITS, "caps", "listed")}),
    requests=REQUESTS,
)
def test_a_step_of_any_size_in_every_tightening_direction_allows_nothing_more(
    tmp_path: Path, changed: dict[str, int], requests: Any
):
    base = {name: NUMBERS[name] for name in EDITS}
    tighter = dict(base)
    for name in changed.keys() & base.keys() - NEITHER:
        tighter[name] = base[name] << changed[name] if name in POWER_DOWN else max(base[name] >> changed[name], 1)
    texts = [policy_text(**base), policy_text(**tighter)]
    shift = changed.get("caps", 0)
    caps = [(4 * SATS, 10 * SATS, 8 * SATS, True), (4 * SATS >> shift, 10 * SATS >> shift, 8 * SATS >> shift, True)]
    rows = [enrolment_of(caps[0]), enrolment_of((*caps[1][:3], not changed.get("listed", 0)))]
    assert not loosens(compare(Document.POLICY, *texts))
    assert not loosens(compare(Document.MERCHANTS, *map(render, rows)))
    _compare_next(tmp_path, texts, rows, requests)


def _value(edits: dict[str, int], name: str) -> int:
    found: int = edits.get(name, NUMBERS[name] if name != "max_index_gap" else 1000)
    return found


def _compare_next(tmp_path: Path, texts: list[bytes], rows: list[Enrolment], requests: Any) -> None:
    folders = [tmp_path / name for name in ("loose", "tight")]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    drafts = [_draft(number, *request) for number, request in enumerate(requests)]
    loose = Bench(folders[0], parse_policy(texts[0]), clock=Clock(), enrolment=rows[0], text=texts[0])
    for draft, (*_, later) in zip(drafts[:-1], requests[:-1], strict=True):
        loose.ask(draft.request())
        loose.clock.now += later
    clock = Clock(loose.clock.now)
    loose.close()
    shutil.copytree(folders[0], folders[1], dirs_exist_ok=True)
    tags = []
    for folder, text, enrolment in zip(folders, texts, rows, strict=True):
        bench = Bench(folder, parse_policy(text), clock=clock, enrolment=enrolment, text=text)
        tags.append(bench.tag(drafts[-1].request()))
        bench.close()
    assert tags[0] == "signed" or tags[1] != "signed", tags


def _draft(number: int, amount: int, destination: str, fee: int, index: int, _later: int) -> Draft:
    payment = intent(amount=amount, destination=destination, expires_at=NOW + 1_000_000, merchant=MERCHANT)
    return payout(payment, coins=(coin(3 * SATS, salt=number),), fee=fee, index=index)
