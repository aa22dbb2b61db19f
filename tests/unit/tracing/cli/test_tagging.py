"""`strongroom-trace tags`: what a person types to ask about an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom_tracing.tags import currencies
from tests.unit.tracing.cli.commands import Typing

RONIN = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typing:
    monkeypatch.chdir(tmp_path)
    typing = Typing(monkeypatch, capsys)
    assert typing("tags", "install").code == 0
    return typing


@pytest.mark.parametrize(
    ("address", "chain", "label"),
    [
        (RONIN, currencies.ETHEREUM, "Lazarus Group"),
        ("TA3941uFAvmVibSkQ6fMJXxmaSNovX86mz", currencies.TRON, "CHEIL CREDIT BANK"),
        ("123WBUDmSJv4GctdVEz6Qq6z8nXSKrJ4KX", currencies.BITCOIN, "Hydra Market"),
    ],
)
def test_a_chain_that_is_left_out_is_told_by_the_addresss_form(run: Typing, address: str, chain: str, label: str):
    said = run("tags", "lookup", address, "--on", "2026-01-02", "--json").json
    assert said["chain"] == chain
    assert [(tag["list"], tag["label"], tag["category"]) for tag in said["tags"]] == [("ofac-sdn", label, "sanctioned")]
    assert [(one["name"], one["days"]) for one in said["lists"]] == [("fbi-bybit", 310), ("ofac-sdn", 44)]


def test_a_chain_that_is_named_is_the_one_that_is_meant(run: Typing):
    assert run("tags", "lookup", RONIN, "--chain", "eip155:42161", "--json").json["chain"] == "eip155:42161"
    assert run("tags", "lookup", RONIN, "--chain", currencies.BITCOIN).err.startswith("tags-address")


def test_a_slip_in_an_address_is_told(run: Typing):
    for address in (RONIN.replace("B716B", "b716B"), "TA3941uFAvmVibSkQ6fMJXxmaSNovX86my"):
        said = run("tags", "lookup", address)
        assert (said.code, said.err.startswith("tags-address")) == (1, True)
