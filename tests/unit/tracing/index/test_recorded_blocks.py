"""Real blocks, from the recorded data beside the checkout."""

from __future__ import annotations

import bz2
import io
from pathlib import Path

import numpy as np
import pytest
from embit import compact
from embit.transaction import Transaction

from strongroom_core.assets import BITCOIN
from strongroom_tracing.columns import COINBASE
from strongroom_tracing.index.model import RawBlock
from strongroom_tracing.index.service import in_memory
from tests.unit.tracing import kit


def test_blocksci_chain_holds_what_its_tests_name(shared_data: Path):
    index, names = kit.blocksci(shared_data)

    assert (index.columns.blocks, index.columns.txs) == (202, 356)
    txids = [value for name, value in names.items() if name.endswith("-tx")]
    assert len(txids) > 40
    for txid in txids:
        number = index.find_tx(txid)
        assert number is not None
        assert index.columns.txid_text(number) == txid
    height = names["address-p2pkh-spend-0-height"]
    assert index.columns.height_of_tx(index.find_tx(names["address-p2pkh-spend-0-tx"]) or 0) == height


def test_blocksci_addresses_are_found_and_written_as_they_are(shared_data: Path):
    index, names = kit.blocksci(shared_data)

    kinds = ("address-p2pkh-spend", "address-p2sh-spend", "address-p2wpkh-spend", "address-p2wsh-spend")
    addresses = {value for name, value in names.items() if name.startswith(kinds) and name[-2] == "-"}
    numbers = index.addresses_of(addresses)
    assert len(addresses) == 12
    assert {text: index.address_text(number) for text, number in numbers.items()} == {text: text for text in addresses}


def test_testnet_blocks_with_undo_data(shared_data: Path):
    columns = kit.testnet(shared_data).columns

    assert (columns.txs, len(columns.input_spent), columns.outputs) == (4588, 50446, 48329)
    assert np.count_nonzero(columns.input_spent >= 0) == 2970
    assert np.all(columns.external_value >= 0)
    assert np.count_nonzero(columns.output_spending >= 0) == 2970
    assert columns.height_of_tx(columns.txs - 1) == 928927


def test_undo_data_says_of_inside_outputs_what_the_index_says(shared_data: Path):
    blocks = kit.testnet_blocks(shared_data)
    columns = kit.testnet(shared_data).columns

    values = [value for block in blocks for value in _undo_values(block.undo)]
    spent = columns.input_spent[columns.input_spent != -1]
    assert len(values) == len(spent)
    for value, output in zip(values, spent, strict=True):
        known = columns.output_value[output] if output >= 0 else columns.external_value[-2 - output]
        assert value == known


@pytest.mark.parametrize(
    ("name", "height", "txs"),
    [
        ("bitcoinj_block227835.dat", 227835, 122),
        ("bitcoinj_block363703.dat", 363703, 587),
        ("bitcoinj_block481829.dat", 481829, 2020),
        ("bcoin_block426884.raw", 426884, 409),
        ("btcd_277647.dat.bz2", 277647, 213),
    ],
)
def test_blocks_of_mainnet(shared_data: Path, name: str, height: int, txs: int):
    data = (shared_data / "btc_blocks" / name).read_bytes()
    if name.endswith(".bz2"):
        data = bz2.decompress(data)[8:]
    # The merkle root in the header vouches for every txid; parsing refuses a block whose root is another.
    index = in_memory([RawBlock(height, "", data)], BITCOIN)

    assert index.columns.txs == txs
    assert index.tip.height == height
    assert index.tip.hash.startswith("0000000000000")


def test_first_blocks_of_mainnet_in_one_chain(shared_data: Path):
    folder = shared_data / "btc_blocks"
    index = in_memory(kit.blk_blocks((folder / "bitcoinj_first-100k-blocks.dat").read_bytes()), BITCOIN)

    assert (index.columns.blocks, index.columns.txs) == (439, 446)
    genesis = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
    assert index.find_tx(genesis) == 0
    # Satoshi's payment to Hal Finney in block 170, the first ever.
    first = index.find_output("f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16:0")
    assert index.columns.output_value[first] == 10 * 10**8
    assert index.columns.height_of_tx(index.columns.tx_of_output(first)) == 170


def _undo_values(undo: bytes | None) -> list[int]:
    assert undo is not None
    values, at = [], 0
    while at < len(undo):
        values.append(int.from_bytes(undo[at : at + 8], "little"))
        length, at = undo[at + 8], at + 9
        if length == 0xFD:
            length, at = int.from_bytes(undo[at : at + 2], "little"), at + 2
        at += length
    return values


def test_two_linked_blocks_of_mainnet(shared_data: Path):
    folder = shared_data / "btc_blocks"
    heights = (227835, 227836)
    blocks = [RawBlock(height, "", (folder / f"bitcoinj_block{height}.dat").read_bytes()) for height in heights]
    columns = in_memory(blocks, BITCOIN).columns

    assert (columns.txs, len(columns.input_spent), columns.outputs) == (222, 454, 417)
    assert np.count_nonzero(columns.input_spent >= 0) == 35


def test_a_chain_that_begins_at_height_1(shared_data: Path):
    data = bz2.decompress((shared_data / "btc_blocks" / "btcd_blocks1-256.bz2").read_bytes())
    index = in_memory(kit.blk_blocks(data, first_height=1), BITCOIN)

    assert (index.columns.blocks, index.columns.txs, index.tip.height) == (255, 262, 255)
    assert np.all(index.columns.input_spent >= COINBASE)


@pytest.mark.parametrize(
    ("name", "with_witness"), [("bcoin_block1087400.raw", True), ("bitcoinj_block383616.dat", False)]
)
def test_another_parser_reads_the_same(shared_data: Path, name: str, *, with_witness: bool):
    raw = (shared_data / "btc_blocks" / name).read_bytes()
    index = in_memory([RawBlock(1, "", raw)], BITCOIN)
    columns = index.columns
    stream = io.BytesIO(raw[80:])
    txs = [Transaction.read_from(stream) for _ in range(compact.read_from(stream))]

    assert any(tx.is_segwit for tx in txs) == with_witness
    assert [columns.txid_text(tx) for tx in range(columns.txs)] == [tx.txid().hex() for tx in txs]
    outputs = [out for tx in txs for out in tx.vout]
    assert columns.output_value.tolist() == [out.value for out in outputs]
    scripts = [index.script(number) for number in columns.output_address]
    assert scripts == [out.script_pubkey.data for out in outputs]
    assert np.diff(columns.tx_first_input).tolist() == [len(tx.vin) for tx in txs]
    made = {tx.txid(): first for tx, first in zip(txs, columns.tx_first_output.tolist(), strict=False)}
    inputs = [(spent.txid, spent.vout) for tx in txs for spent in tx.vin]
    inside = [made[txid] + vout if txid in made else None for txid, vout in inputs]
    assert [spent if spent >= 0 else None for spent in columns.input_spent.tolist()] == inside
