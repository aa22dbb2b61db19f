"""Planted faults are caught: a slice of `make mutants`, and that the whole of it fits the code and cannot deceive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import faults
import mutants
import pytest
import workshop as shop
from faults import Mutant, Result, Verdict
from rich.console import Console
from workshop import Workshop

ALL = faults.read_mutants()
AMOUNTS = "packages/core/src/strongroom_core/amounts.py"
TESTS = "tests/unit/core/test_amounts.py"
PLANTED = 4


def test_every_fault_fits_the_code_once_and_names_tests_that_are_there() -> None:
    assert faults.check_fresh(ALL) == []


def test_there_are_enough_faults_in_every_part() -> None:
    assert len(ALL) >= 100
    for part in ("core", "client", "signer"):
        assert sum(mutant.file.startswith(f"packages/{part}/") for mutant in ALL) >= 5
    for room in ("ledger", "chains", "wallets", "deposits", "invoices", "treasury", "outbound", "webhooks", "api"):
        assert any(room in mutant.file for mutant in ALL), room


@pytest.fixture(scope="module")
def workshop(scratch: Path) -> Iterator[Workshop]:
    """One copy of the checkout for the tests of this module."""
    with shop.open_workshops(1) as free:
        yield free.get()


@pytest.mark.mutant
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_slice_of_the_faults_is_caught(workshop: Workshop) -> None:
    quick = [mutant for mutant in ALL if mutant.quick]
    assert len(quick) >= PLANTED
    quick = quick[:: len(quick) // PLANTED][:PLANTED]  # from all over the tables; `make mutants` plants every one
    assert shop.baseline(workshop, quick) == {}
    results = [workshop.catch(mutant) for mutant in quick]
    assert {result.mutant.name: result.verdict for result in results} == {
        mutant.name: Verdict.CAUGHT for mutant in quick
    }, [result.output for result in results]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_fault_that_no_test_sees_and_one_that_no_test_can_see_are_not_called_caught(workshop: Workshop) -> None:
    words = 'message = f"an amount of {self.asset.code} cannot be below zero"'
    unseen = Mutant("unseen", AMOUNTS, words, 'message = "no"', (f"{TESTS}::test_only_text_is_parsed",))
    assert workshop.catch(unseen).verdict is Verdict.SURVIVED
    broken = Mutant("broken", AMOUNTS, "import re\n", "import a_module_that_is_not_there\n", (TESTS,))
    result = workshop.catch(broken)
    assert result.verdict is Verdict.UNSOUND, result.output
    assert (workshop.folder / AMOUNTS).read_bytes() == (faults.CHECKOUT / AMOUNTS).read_bytes()


@pytest.mark.parametrize("code", [2, 3, 4, 5])
def test_tests_that_did_not_run_catch_nothing(code: int) -> None:
    """Interrupted, internal error, wrong usage, nothing collected: pytest's own words for having tested nothing."""
    assert shop.judge(ALL[0], code, "\nFAILED here", 1.0).verdict is Verdict.UNSOUND
    assert shop.judge(ALL[0], 1, "\nERROR here", 1.0).verdict is Verdict.UNSOUND
    assert shop.judge(ALL[0], 1, "\nE   one is not two\nFAILED here", 1.0).noticed == "one is not two"
    assert shop.judge(ALL[0], None, "", 1.0).verdict is Verdict.TIMEOUT


def test_a_fault_whose_tests_fail_without_it_is_unsound_and_the_others_are_not(workshop: Workshop) -> None:
    """A failing case spoils the faults that name its test, a file that cannot be read all that name it; no others."""
    odd = workshop.folder / "tests/unit/core/test_odd.py"
    cases = "import pytest\n@pytest.mark.parametrize('n', [1, 2])\ndef test_case(n): assert n - 1\n"
    odd.write_text(f"{cases}def test_good(): ...\n", encoding="utf-8")
    broken = workshop.folder / "tests/unit/core/test_broken.py"
    broken.write_text("import a_module_that_is_not_there\n", encoding="utf-8")
    names = {"case": f"{odd}::test_case", "good": f"{odd}::test_good", "broken": f"{broken}::test_it"}
    tests = {name: test.removeprefix(f"{workshop.folder}/") for name, test in names.items()}
    found = shop.baseline(workshop, [Mutant(name, AMOUNTS, "", "", (test,)) for name, test in tests.items()])
    odd.unlink()
    broken.unlink()
    assert {name: result.verdict for name, result in found.items()} == dict.fromkeys(
        ("case", "broken"), Verdict.UNSOUND
    ), found


def test_a_text_that_stands_in_a_file_twice_or_not_at_all_is_stale(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("x = 1\nx = 1\n", encoding="utf-8")
    (tmp_path / "test_code.py").write_text("def test_x(): ...\n", encoding="utf-8")
    test = ("test_code.py::test_x[1]",)
    for old in ("x = 1", "y = 1"):
        (wrong,) = faults.check_fresh([Mutant("one", "code.py", old, "", test)], tmp_path)
        assert "not once" in wrong
    assert faults.check_fresh([Mutant("one", "code.py", "x = 1\nx", "z", test)], tmp_path) == []
    for tests in (("test_code.py::test_y",), ("test_other.py",)):
        (wrong,) = faults.check_fresh([Mutant("one", "code.py", "x = 1\nx", "z", tests)], tmp_path)
        assert "no test" in wrong


def test_a_fault_that_breaks_the_language_is_stale() -> None:
    mutant = Mutant("one", "code.py", "x", "x x", ("test_code.py",))
    with pytest.raises(faults.StaleError, match="no Python"):
        mutant.planted("x = 1")
    assert Mutant("one", "queries.sql", "x", "x x", ("test_code.py",)).planted("x = 1") == "x x = 1"


@pytest.mark.parametrize("text", ['name = "a"', 'name = "a"\nfile = "f"\nold = "o"\nnew = "n"\ntests = []', "odd = 1"])
def test_a_table_that_says_too_little_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "table.toml").write_text(f"[[mutant]]\n{text}\n", encoding="utf-8")
    with pytest.raises(faults.StaleError):
        faults.read_mutants(tmp_path)


def test_slices_take_turns_until_all_were_planted() -> None:
    turns = [faults.choose(ALL, "", 7, turn) for turn in range(-(-len(ALL) // 7) + 1)]
    assert {len(turn) for turn in turns} == {7}
    assert {mutant.name for turn in turns for mutant in turn} == {mutant.name for mutant in ALL}
    assert faults.choose(ALL, "FSYNC", None, 0) == [mutant for mutant in ALL if mutant.name == "no fsync"]


@pytest.mark.parametrize(("verdict", "code"), [(verdict, int(verdict != "caught")) for verdict in Verdict])
def test_only_all_caught_is_a_success(verdict: Verdict, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    results = [
        Result(ALL[0], Verdict.CAUGHT, 1.0),
        Result(ALL[1], verdict, 2.0, "[a] line", "[what] pytest said"),
    ]
    assert mutants.report(Console(width=120), results) == code
    said = capsys.readouterr().out
    assert f"{2 - code} of 2 planted faults were caught" in said
    assert ("[what] pytest said" in said) == bool(code)
    assert mutants.report(Console(), []) == 1
