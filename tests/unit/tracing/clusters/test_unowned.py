"""Coins of nobody: which they are, that an index's are all found, and that they join no strangers."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strongroom_core.assets import BITCOIN, BITCOIN_REGTEST, Chain
from strongroom_tracing.clusters import service
from strongroom_tracing.clusters.model import Settings
from strongroom_tracing.clusters.scripts import WASABI_COORDINATORS, known_settings
from strongroom_tracing.clusters.unowned import SPENT_BY_ANYBODY, odd_scripts, spent_by_anybody, unowned_addresses
from strongroom_tracing.index.addresses import network_of, script_of
from strongroom_tracing.index.model import RawBlock
from strongroom_tracing.index.service import Index, in_memory
from tests.unit.tracing.index.making import NO_HASH, hash_of, made_block, made_coinbase, made_tx

ODD = ("5151", "5202aabb", "01ff7551", "7551", "4c0101", "5102aabb", "51024e73", "51", "6151", "4f")
OWNED = (
    *("76a914" + "11" * 20 + "88ac", "a914" + "11" * 20 + "87", "0014" + "11" * 20, "0020" + "11" * 32),
    *("5120" + "11" * 32, "21" + "02" * 33 + "ac", "41" + "04" * 65 + "ac", "5121" + "02" * 33 + "51ae"),
    *("6a0401020304", "b17551", "a820" + "11" * 32 + "87"),
)


def paid(scripts: tuple[str, ...], chain: Chain = BITCOIN_REGTEST) -> Index:
    """Index a chain that pays the scripts and an owner each, and then spends both together, each in one chain tx."""
    owners = [f"0014{number:040x}" for number in range(1, len(scripts) + 1)]
    locks = [bytes.fromhex(script) for pair in zip(owners, scripts, strict=True) for script in pair]
    minted = made_coinbase(0, *((1_000, lock) for lock in locks))
    first = made_block(NO_HASH, [minted])
    spends = [
        made_tx([(minted.txid, 2 * number), (minted.txid, 2 * number + 1)], [(1_900, b"\x6a")])
        for number in range(len(scripts))
    ]
    second = made_block(hash_of(first), [made_coinbase(1, (50, b"\x6a")), *spends])
    return in_memory([RawBlock(height, "", raw) for height, raw in enumerate((first, second))], chain)


def test_coins_of_nobody_join_no_strangers_whatever_their_form():
    """Each odd script is paid twice: both who spend a coin of it would be one."""
    index = paid(ODD * 2)
    unowned = known_settings(index).unowned
    assert {index.script(number).hex() for number in unowned} == set(ODD)
    apart = service.cluster(index.columns, known_settings(index))
    assert set(apart.cluster.tolist()) == set(range(apart.addresses))
    joined = service.cluster(index.columns)
    assert len(set(joined.cluster.tolist())) == 1 + len(ODD)


def test_what_has_an_owner_joins_him():
    index = paid(OWNED)
    assert known_settings(index) == Settings()
    clusters = service.cluster(index.columns, known_settings(index))
    assert len(set(clusters.cluster.tolist())) == len(OWNED) + 1
    assert list(odd_scripts(*index.scripts)) == []  # none of these has to be looked at one by one


def test_wasabis_collectors_are_known_on_its_chain():
    script = script_of(WASABI_COORDINATORS[1], network_of(BITCOIN.id))
    assert script is not None
    index = paid((script.hex(), "51"), BITCOIN)
    settings = known_settings(index)
    assert [index.address_text(number) for number in settings.coordinators] == [WASABI_COORDINATORS[1]]
    assert settings.unowned == unowned_addresses(index)
    assert [index.script(number) for number in settings.unowned] == [b"\x51"]


OPS = st.sampled_from(
    [bytes([op]) for op in (0x00, 0x4F, 0x51, 0x52, 0x60, 0x61, 0x6A, 0x6D, 0x75, 0x76, 0xA9, 0xAC, 0xAE, 0xB0, 0xB1)]
    + [bytes.fromhex(push) for push in ("01ff", "0100", "02aabb", "4c0101", "21", "14", "20", "41")]
    + [bytes(20), bytes(33), b"\x01" * 32]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.lists(OPS, max_size=6).map(b"".join), st.binary(max_size=42)), max_size=30))
@example([bytes.fromhex(script) for script in (*ODD, *OWNED)])
@example([bytes([0x51, 0x21, *bytes(32), 0xAE]), bytes([0x51, 0x22, *bytes(34)]), b"\x51\x20" + bytes(31) + b"\x51"])
def test_every_script_that_anybody_spends_is_looked_at(scripts: list[bytes]):
    starts = np.cumsum([0, *map(len, scripts)], dtype=np.int64)
    odd = list(odd_scripts(starts, np.frombuffer(b"".join(scripts), np.uint8)))
    assert odd == sorted(set(odd))
    known = set(SPENT_BY_ANYBODY)
    missed = set(range(len(scripts))).difference(odd)
    assert not [number for number in missed if spent_by_anybody(scripts[number]) and scripts[number] not in known]


def test_scripts_are_looked_at_in_steps(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("strongroom_tracing.clusters.unowned._STEP", 3)
    index = paid((*OWNED, *ODD))
    assert {index.script(number).hex() for number in unowned_addresses(index)} == set(ODD)


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
