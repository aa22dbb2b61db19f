"""The platform builds tries, headers and receipts as the tests' own builder does, and as the main network did."""

import json
from pathlib import Path
from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains.errors import BlockMismatchError
from strongroom.chains.ethereum.raw_blocks import header_of, receipt_of
from strongroom.chains.ethereum.reading import AnswerError
from strongroom.chains.ethereum.trie import ReceiptTrie
from strongroom_signer.trie import prove
from tests.unit.signer.tries import number_bytes, receipt_bytes, trie_of

VALUES = st.one_of(st.binary(min_size=1, max_size=6), st.binary(min_size=30, max_size=50))


@given(st.lists(VALUES, min_size=1, max_size=300))
def test_root_and_paths_are_those_of_another_builder_and_a_signer_takes_them(values: list[bytes]) -> None:
    built, other = ReceiptTrie.of(values), trie_of(values)
    assert built.root == other.root
    for place in {0, 1, 127, 128, 255, 256, len(values) - 1} & set(range(len(values))):
        key = rlp.encode(number_bytes(place))
        assert built.path(place) == other.path(key)
        assert prove(built.root, key, built.path(place)) == values[place]


def test_no_receipts_have_no_trie() -> None:
    with pytest.raises(ValueError, match="no trie"):
        ReceiptTrie.of([])


@pytest.mark.parametrize("number", [17173049, 17173050])
def test_receipts_of_the_main_network_have_the_root_in_its_header(number: int, shared_data: Path) -> None:
    def rows(name: str) -> list[dict[str, Any]]:
        text = (shared_data / "evm" / f"eth_17173049_17173050_{name}.json").read_text(encoding="utf-8")
        return [row for row in map(json.loads, text.splitlines()) if row.get("block_number", number) == number]

    logs = sorted(rows("logs"), key=lambda row: row["log_index"])
    block = next(row for row in rows("blocks") if row["number"] == number)
    receipts = [
        {
            "status": hex(tx["receipt_status"]),
            "cumulativeGasUsed": hex(tx["receipt_cumulative_gas_used"]),
            "type": hex(tx["transaction_type"]),
            "logs": [log for log in logs if log["transaction_index"] == tx["transaction_index"]],
        }
        for tx in sorted(rows("transactions"), key=lambda row: row["transaction_index"])
    ]
    assert ReceiptTrie.of([receipt_of(item) for item in receipts]).root.hex() == block["receipts_root"][2:]


RECEIPT = {"status": "0x1", "cumulativeGasUsed": "0x5208", "type": "0x2", "logs": []}
LOG = {"address": "0x" + "11" * 20, "topics": ["0x" + "22" * 32], "data": "0x00ff"}


@given(
    st.sampled_from(["0x0", "0x1", "0x2", "0x3", "0x4"]),
    st.booleans(),
    st.integers(0, 2**60),
    st.integers(0, 3),
)
def test_a_receipt_is_encoded_as_another_encoder_does(kind: str, status: bool, gas: int, logs: int) -> None:
    given_ = {"type": kind, "status": hex(status), "cumulativeGasUsed": hex(gas), "logs": [LOG] * logs}
    assert receipt_of(given_) == receipt_bytes(given_)


def test_a_deposit_of_the_op_stack_has_its_two_fields_more() -> None:
    made = receipt_of(RECEIPT | {"type": "0x7e", "depositNonce": "0x5", "depositReceiptVersion": "0x1"})
    assert made[0] == 0x7E
    assert [bytes(item) for item in rlp.decode(made[1:])[-2:]] == [b"\5", b"\1"]
    assert len(rlp.decode(receipt_of(RECEIPT | {"type": "0x7e"})[1:])) == 4


@pytest.mark.parametrize("missing", ["status", "cumulativeGasUsed", "logs"])
def test_half_a_receipt_is_refused(missing: str) -> None:
    with pytest.raises(AnswerError):
        receipt_of({name: value for name, value in RECEIPT.items() if name != missing})


def test_a_header_that_is_another_blocks_is_refused() -> None:
    fields = {
        **dict.fromkeys(
            ("parentHash", "sha3Uncles", "stateRoot", "transactionsRoot", "receiptsRoot"), "0x" + "11" * 32
        ),
        **dict.fromkeys(("difficulty", "number", "gasLimit", "gasUsed", "timestamp"), "0x1"),
        "miner": "0x" + "22" * 20,
        "logsBloom": "0x" + "00" * 256,
        "extraData": "0x",
        "mixHash": "0x" + "33" * 32,
        "nonce": "0x" + "00" * 8,
    }
    with pytest.raises(BlockMismatchError):
        header_of(fields, "0x" + "44" * 32)
