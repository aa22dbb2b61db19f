"""Proof requests that are bent, byte by byte and field by field: refused with their tags, and nothing is booked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strongroom_core.proof_messages import (
    ProveConflictsRequest,
    ProveExecutionsRequest,
    Proven,
    ProveReceiptsRequest,
    ProveTxsRequest,
    ReceiptProof,
    TxProof,
)
from strongroom_core.wire import MAX_INTEGER
from strongroom_signer.balances import HOUSE
from strongroom_signer.proofs import MAX_PROOFS
from tests.unit.signer import safe_kit
from tests.unit.signer.books_kit import CHAIN, DEPTH, EVM, USDT, World, coinbase, swept
from tests.unit.signer.kit import MERCHANT, SATS, Coin
from tests.unit.signer.safe_kit import UNITS


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def coin(world: World) -> Coin:
    """A coin that is deep enough and not yet proven, in a block with two more chain txs."""
    made = world.coin(SATS)
    world.bitcoin.mine(DEPTH, made.previous, coinbase(1_001), coinbase(1_002))
    return made


def flip(data: bytes, at: int = -1) -> bytes:
    bent = bytearray(data)
    bent[at] ^= 1
    return bytes(bent)


ONE, TWO = (SATS.to_bytes(8, "little"), (2 * SATS).to_bytes(8, "little"))
TX_MUTANTS: dict[str, tuple[Callable[[TxProof], dict[str, Any]], str]] = {
    "no tx": (lambda _: {"tx": b""}, "proof-malformed"),
    "the tx cut": (lambda p: {"tx": p.tx[:-1]}, "proof-malformed"),
    "bytes behind the tx": (lambda p: {"tx": p.tx + b"\0"}, "proof-malformed"),
    "another amount": (
        lambda p: {"tx": p.tx.replace(SATS.to_bytes(8, "little"), (2 * SATS).to_bytes(8, "little"))},
        "proof-merkle",
    ),
    "another block": (lambda p: {"block": flip(p.block)}, "proof-block"),
    "the block's hash reversed": (lambda p: {"block": p.block[::-1]}, "proof-block"),
    "no block": (lambda _: {"block": b""}, "proof-block"),
    "a height above": (lambda p: {"height": p.height + 1}, "proof-block"),
    "the highest height": (lambda _: {"height": MAX_INTEGER}, "proof-block"),
    "another position": (lambda p: {"position": p.position ^ 1}, "proof-merkle"),
    "a position beyond the tree": (lambda p: {"position": p.position + 4}, "proof-malformed"),
    "a sibling bent": (lambda p: {"siblings": flip(p.siblings)}, "proof-merkle"),
    "a sibling missing": (lambda p: {"siblings": p.siblings[:-32], "position": 1}, "proof-merkle"),
    "a level more": (lambda p: {"siblings": p.siblings + bytes(32)}, "proof-merkle"),
    "half a sibling": (lambda p: {"siblings": p.siblings[:-1]}, "proof-malformed"),
    "a hundred levels": (lambda p: {"siblings": p.siblings * 50}, "proof-malformed"),
    "another output": (lambda _: {"output": 0}, "proof-place"),
    "no such output": (lambda _: {"output": 2}, "proof-place"),
    "the other key set": (lambda _: {"key_set": "cold"}, "proof-place"),
    "no key set": (lambda _: {"key_set": "warm"}, "proof-place"),
    "another merchant's branch": (lambda _: {"branch": 3}, "proof-place"),
    "the house's branch": (lambda _: {"branch": 1}, "proof-place"),
    "another index": (lambda _: {"index": 1}, "proof-place"),
    "a hardened index": (lambda _: {"index": 2**31}, "proof-place"),
    "the highest branch": (lambda _: {"branch": MAX_INTEGER}, "proof-place"),
}


@pytest.mark.parametrize("name", TX_MUTANTS)
def test_a_bent_proof_of_an_output_is_refused_and_the_honest_one_beside_it_is_not(world: World, coin: Coin, name: str):
    bend, tag = TX_MUTANTS[name]
    honest = world.proof_of(coin)
    bent = replace(honest, **bend(honest))
    assert [item.tag for item in world.prove_all(bent)] == [tag]
    assert world.bench.signer.books.balances == {}
    assert [item.tag for item in world.prove_all(bent, honest, bent)] == [tag, "", tag]
    assert world.balance(MERCHANT) + world.balance(HOUSE) == SATS


def test_every_flipped_byte_of_a_branch_is_refused(world: World, coin: Coin):
    honest = world.proof_of(coin)
    bent = [replace(honest, siblings=flip(honest.siblings, at)) for at in range(len(honest.siblings))]
    assert {item.tag for item in world.prove_all(*bent)} == {"proof-merkle"}


RECEIPT_MUTANTS: dict[str, tuple[Callable[[ReceiptProof], dict[str, Any]], set[str]]] = {
    "no header": (lambda _: {"header": b""}, {"proof-malformed"}),
    "another header": (lambda p: {"header": flip(p.header)}, {"proof-block", "proof-malformed"}),
    "no nodes": (lambda _: {"nodes": b""}, {"proof-malformed"}),
    "an empty list of nodes": (lambda _: {"nodes": b"\xc0"}, {"proof-merkle"}),
    "a node bent": (lambda p: {"nodes": flip(p.nodes)}, {"proof-merkle"}),
    "another position": (lambda _: {"position": 1}, {"proof-merkle"}),
    "no such log": (lambda _: {"log": 1}, {"proof-place"}),
    "another branch": (lambda _: {"branch": 3}, {"proof-place"}),
    "another index": (lambda _: {"index": 1}, {"proof-place"}),
    "the highest index": (lambda _: {"index": MAX_INTEGER}, {"proof-place"}),
}


@pytest.mark.parametrize("name", RECEIPT_MUTANTS)
def test_a_bent_proof_of_a_log_is_refused_and_the_honest_one_beside_it_is_not(world: World, name: str):
    bend, tags = RECEIPT_MUTANTS[name]
    honest = world.evm.put(swept(USDT, UNITS, 2)).proof(0)
    bent = replace(honest, **bend(honest))
    assert {item.tag for item in world.prove_receipts(bent)} <= tags
    first, second = world.prove_receipts(bent, honest)
    assert (first.tag in tags, second.tag) == (True, "")
    assert world.balance(MERCHANT, USDT) == UNITS - UNITS // 100


def test_logs_that_no_forwarder_of_ours_wrote_prove_nothing(world: World):
    log = swept(USDT, UNITS, 2)
    stranger = log | {"address": "0x" + "11" * 20}
    other = log | {"topics": [log["topics"][0][:-1] + "0", log["topics"][1]]}
    unknown = log | {"topics": [log["topics"][0], "0x" + bytes(12).hex() + "22" * 20]}
    nothing = swept(USDT, 0, 2)
    tags = [world.prove_receipts(world.evm.put(item).proof(0))[0].tag for item in (stranger, other, unknown, nothing)]
    assert tags == ["proof-place", "proof-place", "asset-unknown", "proof-malformed"]
    failed = world.evm.put(log, status="0x0").proof(0)
    assert world.prove_receipts(failed)[0].tag in {"proof-place", "proof-malformed"}
    assert world.bench.signer.books.balances == {}


def test_requests_of_another_chain_too_many_or_unseen_are_refused_whole_and_not_journalled(world: World, coin: Coin):
    proof = world.proof_of(coin)
    receipt = world.evm.put(swept(USDT, UNITS, 2)).proof(0)
    rows = world.bench.signer.journal.count
    cases = [
        (ProveTxsRequest("req", EVM, (proof,)), "chain-unknown"),
        (ProveConflictsRequest("req", "bip122:0", (proof,)), "chain-unknown"),
        (ProveReceiptsRequest("req", CHAIN, (receipt,)), "chain-unknown"),
        (ProveExecutionsRequest("req", "", (receipt,)), "chain-unknown"),
        (ProveTxsRequest("req", CHAIN, (proof,) * (MAX_PROOFS + 1)), "request-malformed"),
        (ProveTxsRequest("r" * 65, CHAIN, ()), "request-malformed"),
    ]
    for request, tag in cases:
        assert world.bench.tag(request) == tag
    world.bench.signer.views = {}
    answer = world.bench.ask(ProveTxsRequest("req", CHAIN, (proof,)))
    assert isinstance(answer, Proven)
    assert answer.results[0].tag == "chain-view"
    assert world.bench.signer.journal.count == rows


def test_as_many_as_a_request_may_hold_are_taken_in_one_row(world: World):
    coins = [world.coin(600 + number) for number in range(MAX_PROOFS)]
    world.bitcoin.mine(DEPTH, *(coin.previous for coin in coins))
    rows = world.bench.signer.journal.count
    results = world.prove_all(*map(world.proof_of, coins))
    assert {(item.row, item.tag) for item in results} == {(rows + 1, "")}
    assert world.bench.signer.journal.count == rows + 1


def test_nothing_is_proven_to_a_signer_whose_journal_is_broken(world: World, coin: Coin):
    proof = world.proof_of(coin)
    world.bench.signer.journal.close()
    assert world.bench.tag(ProveTxsRequest("req", CHAIN, (proof,))) == "journal-broken"
    assert safe_kit.ETHER


def test_a_rule_of_proofs_can_be_switched_off_on_a_test_network(tmp_path: Path):
    for off, tag in (((), "proof-depth"), (("proof-depth",), "")):
        (tmp_path / str(len(off))).mkdir()
        world = World(tmp_path / str(len(off)), off)
        made = world.coin(SATS)
        world.bitcoin.mine(1, made.previous)
        assert world.prove(made).tag == tag
        world.close()
