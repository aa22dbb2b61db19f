"""A log counts only where header, trie, receipt and place all say so; every way around it has its tag."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_core.proof_messages import ReceiptProof
from strongroom_signer.errors import RefusedError
from strongroom_signer.receipts import MAX_HEADER_BYTES, MAX_NODES, MAX_NODES_BYTES, prove_log, read_receipt
from strongroom_signer.rlp import RlpError
from strongroom_signer.trie import prove
from tests.unit.signer.tries import MadeBlock, Trie, number_bytes, receipt_bytes, trie_of

EMITTER = b"e" * 20
TOPIC = b"t" * 32
MAINNET = (17173049, 17173050)


@dataclass
class Blocks:
    """The blocks that nodes are said to agree on."""

    hashes: dict[int, bytes]
    height: int = 100

    def block(self, number: int) -> bytes | None:
        return self.hashes.get(number)


def receipt(logs: list[Any] | None = None, *, kind: int = 2, status: bytes = b"\1", bloom: bytes = bytes(256)) -> bytes:
    made = [[EMITTER, [TOPIC, TOPIC], b"data"]] if logs is None else logs
    return bytes((bytes([kind]) if kind else b"") + rlp.encode([status, b"\x52\x08", bloom, made]))


def block_of(*receipts: bytes, **fields: Any) -> MadeBlock:
    return MadeBlock(receipts or (receipt(), receipt([], kind=0), receipt(kind=1)), **fields)


def blocks(block: MadeBlock) -> Blocks:
    return Blocks({block.number: block.hash})


def tag(proof: ReceiptProof, view: Blocks) -> str:
    try:
        prove_log(proof, view)
    except RefusedError as error:
        return error.tag.value
    return ""


def test_a_proven_log_is_what_the_receipt_says() -> None:
    block = block_of(receipt([[b"a" * 20, [], b""], [EMITTER, [TOPIC], b"data"]]))
    log = prove_log(block.proof(0, 1), blocks(block))
    assert (log.emitter, log.topics, log.data) == (EMITTER, (TOPIC,), b"data")
    assert (log.block, log.number, log.timestamp) == (block.hash.hex(), block.number, block.timestamp)
    assert (log.position, log.log) == (0, 1)


@pytest.mark.parametrize("count", [1, 2, 17, 130, 300])
def test_every_receipt_of_a_block_is_proven(count: int) -> None:
    receipts = [receipt([[number.to_bytes(20, "big"), [], b""]], kind=number % 5) for number in range(count)]
    block = block_of(*receipts)
    for position in range(count):
        assert int.from_bytes(prove_log(block.proof(position), blocks(block)).emitter, "big") == position


def test_fields_behind_the_known_ones_are_part_of_the_hash_and_no_more() -> None:
    block = block_of(receipt(), fields=(b"\7", bytes(32), b"", b"", bytes(32), bytes(32), b"one more"))
    assert prove_log(block.proof(0), blocks(block)).data == b"data"


def test_a_receipt_of_another_chains_type_may_have_more_fields() -> None:
    made = b"\x7e" + rlp.encode([b"\1", b"\1", bytes(256), [[EMITTER, [], b"op"]], b"\5", b"\1"])
    block = block_of(made)
    assert prove_log(block.proof(0), blocks(block)).data == b"op"


GOOD = block_of()
OTHER = block_of(receipt([[EMITTER, [], b"much more"]]))
Change = Callable[[ReceiptProof], ReceiptProof]


def _header(change: Callable[[list[Any]], object]) -> Change:
    def changed(proof: ReceiptProof) -> ReceiptProof:
        fields = list(rlp.decode(proof.header))
        change(fields)
        return replace(proof, header=rlp.encode(fields))

    return changed


def _nodes(change: Callable[[list[bytes]], object]) -> Change:
    def changed(proof: ReceiptProof) -> ReceiptProof:
        nodes = list(rlp.decode(proof.nodes))
        change(nodes)
        return replace(proof, nodes=rlp.encode(nodes))

    return changed


MUTATIONS: dict[str, tuple[Change, str]] = {
    "another receipts root": (_header(lambda fields: fields.__setitem__(5, OTHER.trie.root)), "proof-block"),
    "another time": (_header(lambda fields: fields.__setitem__(11, b"\1")), "proof-block"),
    "a block that nobody has": (_header(lambda fields: fields.__setitem__(8, b"\6")), "proof-block"),
    "a block that is not final": (_header(lambda fields: fields.__setitem__(8, b"\x65")), "proof-depth"),
    "a field more": (_header(lambda fields: fields.append(b"")), "proof-block"),
    "a field less": (_header(lambda fields: fields.pop()), "proof-malformed"),
    "a short root": (_header(lambda fields: fields.__setitem__(5, b"\1" * 31)), "proof-malformed"),
    "a number with a zero before it": (_header(lambda fields: fields.__setitem__(8, b"\0\7")), "proof-malformed"),
    "a number of nine bytes": (_header(lambda fields: fields.__setitem__(8, b"\1" * 9)), "proof-malformed"),
    "a list for a number": (_header(lambda fields: fields.__setitem__(8, [])), "proof-malformed"),
    "another block's header": (lambda proof: replace(proof, header=OTHER.header), "proof-block"),
    "no header": (lambda proof: replace(proof, header=b""), "proof-malformed"),
    "bytes behind the header": (lambda proof: replace(proof, header=proof.header + b"\0"), "proof-malformed"),
    "a huge header": (lambda proof: replace(proof, header=bytes(MAX_HEADER_BYTES + 1)), "proof-malformed"),
    "another position": (lambda proof: replace(proof, position=1), "proof-merkle"),
    "a position that there is not": (lambda proof: replace(proof, position=3), "proof-merkle"),
    "no nodes": (lambda proof: replace(proof, nodes=rlp.encode([])), "proof-merkle"),
    "another trie's nodes": (lambda proof: replace(proof, nodes=OTHER.proof(0).nodes), "proof-merkle"),
    "a node twice": (_nodes(lambda nodes: nodes.append(nodes[-1])), "proof-merkle"),
    "the leaf left out": (_nodes(lambda nodes: nodes.pop()), "proof-merkle"),
    "nodes that are no list": (lambda proof: replace(proof, nodes=b"\1"), "proof-malformed"),
    "nodes that are lists": (lambda proof: replace(proof, nodes=rlp.encode([[b"\1"]])), "proof-malformed"),
    "bytes behind the nodes": (lambda proof: replace(proof, nodes=proof.nodes + b"\0"), "proof-malformed"),
    "too many nodes": (_nodes(lambda nodes: nodes.extend([b""] * MAX_NODES)), "proof-malformed"),
    "too many bytes": (lambda proof: replace(proof, nodes=bytes(MAX_NODES_BYTES + 1)), "proof-malformed"),
    "a log that there is not": (lambda proof: replace(proof, log=1), "proof-place"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_proof_is_refused_by_its_rule(name: str) -> None:
    change, expected = MUTATIONS[name]
    assert tag(GOOD.proof(0), blocks(GOOD)) == ""
    assert tag(change(GOOD.proof(0)), blocks(GOOD)) == expected


def test_a_block_without_agreement_is_refused() -> None:
    assert tag(GOOD.proof(0), Blocks({})) == "proof-block"
    assert tag(GOOD.proof(0), replace(blocks(GOOD), height=GOOD.number - 1)) == "proof-depth"
    assert tag(GOOD.proof(0), replace(blocks(GOOD), height=GOOD.number)) == ""


LOG = [EMITTER, [TOPIC], b""]
RECEIPTS: dict[str, tuple[bytes, str]] = {
    "failed": (receipt(status=b""), "proof-place"),
    "a state's root for a status": (receipt(status=b"s" * 32), "proof-place"),
    "a status of two": (receipt(status=b"\2"), "proof-place"),
    "a status of one, with a zero": (receipt(status=b"\0\1"), "proof-place"),
    "a list for a status": (b"\2" + rlp.encode([[], b"", bytes(256), [LOG]]), "proof-malformed"),
    "no logs": (receipt([]), "proof-place"),
    "a short bloom": (receipt(bloom=bytes(255)), "proof-malformed"),
    "an emitter of 21 bytes": (receipt([[b"e" * 21, [], b""]]), "proof-malformed"),
    "a topic of 31 bytes": (receipt([[EMITTER, [b"t" * 31], b""]]), "proof-malformed"),
    "five topics": (receipt([[EMITTER, [TOPIC] * 5, b""]]), "proof-malformed"),
    "a log of two fields": (receipt([[EMITTER, []]]), "proof-malformed"),
    "a log of four fields": (receipt([[*LOG, b""]]), "proof-malformed"),
    "five fields": (b"\2" + rlp.encode([b"\1", b"", bytes(256), [LOG], b""]), "proof-malformed"),
    "three fields": (b"\x7e" + rlp.encode([b"\1", b"", bytes(256)]), "proof-malformed"),
    "type zero": (b"\0" + rlp.encode([b"\1", b"", bytes(256), [LOG]]), "proof-malformed"),
    "two types": (b"\2\2" + rlp.encode([b"\1", b"", bytes(256), [LOG]]), "proof-malformed"),
    "a receipt as a byte string": (bytes(rlp.encode(receipt())), "proof-malformed"),
    "bytes behind": (receipt() + b"\0", "proof-malformed"),
    "no list": (b"\2" + rlp.encode(b"abc"), "proof-malformed"),
}


@pytest.mark.parametrize("name", RECEIPTS)
def test_a_receipt_that_does_not_count_is_refused_by_its_rule(name: str) -> None:
    raw, expected = RECEIPTS[name]
    block = block_of(raw)
    assert tag(block.proof(0), blocks(block)) == expected


@settings(max_examples=300)
@given(st.data())
def test_no_flipped_bit_proves_anything(data: st.DataObject) -> None:
    proof = GOOD.proof(data.draw(st.sampled_from([0, 2])))
    part = data.draw(st.sampled_from(["header", "nodes"]))
    raw = bytearray(getattr(proof, part))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    flipped = replace(proof, header=bytes(raw)) if part == "header" else replace(proof, nodes=bytes(raw))
    assert tag(flipped, blocks(GOOD)) != ""


@given(st.binary(max_size=400))
def test_whatever_bytes_are_read_as_a_receipt_or_refused(data: bytes) -> None:
    try:
        read_receipt(data)
    except RlpError:
        return
    assert data[0] < 0x80 or data[0] >= 0xC0


def test_an_inner_node_does_not_pass_for_a_receipt() -> None:
    """A trie whose leaf is a node of another: the bytes of a branch are no receipt, and a receipt is no branch."""
    inner = GOOD.trie.path(rlp.encode(b""))[0]
    block = block_of(bytes(inner))
    assert tag(block.proof(0), blocks(block)) == "proof-malformed"


@dataclass
class Recorded:
    """A real block of the main network: its receipts' root, and its receipts as the trie holds them."""

    root: bytes
    receipts: list[bytes] = field(default_factory=list)


def _recorded(folder: Path, number: int) -> Recorded:
    def rows(name: str) -> list[dict[str, Any]]:
        text = (folder / "evm" / f"eth_17173049_17173050_{name}.json").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    logs = sorted((row for row in rows("logs") if row["block_number"] == number), key=lambda row: row["log_index"])
    block = next(row for row in rows("blocks") if row["number"] == number)
    found = Recorded(bytes.fromhex(block["receipts_root"][2:]))
    txs = [row for row in rows("transactions") if row["block_number"] == number]
    for tx in sorted(txs, key=lambda row: row["transaction_index"]):
        numbers = {
            "status": tx["receipt_status"],
            "cumulativeGasUsed": tx["receipt_cumulative_gas_used"],
            "type": tx["transaction_type"],
        }
        own = [log for log in logs if log["transaction_index"] == tx["transaction_index"]]
        found.receipts.append(receipt_bytes({name: hex(value) for name, value in numbers.items()} | {"logs": own}))
    return found


@pytest.mark.parametrize("number", MAINNET)
def test_receipts_of_the_main_network_are_proven_against_the_root_in_its_header(number: int, shared_data: Path) -> None:
    """The recorded blocks lack a field of their headers (mixHash), so what is compared is the root, not the hash."""
    real = _recorded(shared_data, number)
    trie = trie_of(real.receipts)
    assert len(real.receipts) in {116, 182}
    assert {raw[0] for raw in real.receipts} >= {2}
    for position, raw in enumerate(real.receipts):
        key = rlp.encode(number_bytes(position))
        assert prove(real.root, key, trie.path(key)) == raw
        read_receipt(raw)
    failed = sum(not read_receipt(raw)[0] for raw in real.receipts)
    logs = sum(len(read_receipt(raw)[1]) for raw in real.receipts)
    assert (failed, logs) == {17173049: (3, 271), 17173050: (6, 410)}[number]


def test_the_judge_makes_the_published_root_of_no_receipts() -> None:
    assert keccak(rlp.encode(b"")).hex().removeprefix("0x").startswith("56e81f171bcc55a6ff8345e692c0f86e")
    assert Trie({}).root == keccak(rlp.encode(b""))


def test_a_proof_of_millions_of_tiny_nodes_costs_no_memory_and_one_of_no_block_is_not_read() -> None:
    for item in (b"\xc0", b"\x80", b"\x01"):
        body = item * (MAX_NODES_BYTES - 4)
        bomb = replace(GOOD.proof(0), nodes=b"\xfa" + len(body).to_bytes(3, "big") + body)
        tracemalloc.start()
        assert tag(bomb, blocks(GOOD)) == "proof-malformed"
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1 << 20
        assert tag(bomb, Blocks({})) == "proof-block"
