"""What an index says of chains made by hand."""

from __future__ import annotations

import hashlib

import pytest

from strongroom_core.assets import BITCOIN, BITCOIN_REGTEST
from strongroom_tracing.columns import COINBASE, UNSPENT
from strongroom_tracing.index.errors import BadBlockError, ChainMovedError, UnknownOutputError
from strongroom_tracing.index.model import RawBlock
from strongroom_tracing.index.service import in_memory
from tests.unit.tracing.index.making import (
    NO_HASH,
    ChainMaker,
    Made,
    hash_of,
    made_block,
    made_coinbase,
    made_tx,
    size,
)

P2PKH = b"\x76\xa9\x14" + bytes(20) + b"\x88\xac"


def chain(*blocks: list[Made], first_height: int = 0) -> list[RawBlock]:
    made, previous = [], NO_HASH
    for number, txs in enumerate(blocks):
        raw = made_block(previous, txs, time=number)
        previous = hash_of(raw)
        made.append(RawBlock(first_height + number, previous[::-1].hex(), raw))
    return made


def test_columns_are_those_of_a_slow_reading():
    maker = ChainMaker(1).extend(30)
    index = in_memory(maker.raw_blocks(), BITCOIN_REGTEST)
    columns = index.columns

    assert columns.outputs > 100
    # Unspent outputs are exactly those that the maker can still spend.
    unspent = {columns.outpoint_text(n) for n in range(columns.outputs) if columns.output_spending[n] == UNSPENT}
    assert unspent == {f"{txid[::-1].hex()}:{vout}" for txid, vout, _ in maker.unspent}
    for txid, vout, value in maker.unspent:
        assert columns.output_value[index.find_output(f"{txid[::-1].hex()}:{vout}")] == value
    # Inputs and outputs name each other.
    for tx in range(columns.txs):
        for spent in columns.input_spent[columns.tx_first_input[tx] : columns.tx_first_input[tx + 1]]:
            assert spent == COINBASE or columns.output_spending[spent] == tx
    assert sum(columns.output_spending >= 0) == sum(columns.input_spent >= 0)


def test_one_number_for_each_script_in_the_order_of_their_first_output():
    coinbase = made_coinbase(0, (1, b"\x51"), (2, b"\x52"), (3, b"\x51"), (4, P2PKH))
    index = in_memory(chain([coinbase], [made_coinbase(1, (5, P2PKH), (6, b""))]), BITCOIN_REGTEST)

    assert index.columns.output_address.tolist() == [0, 1, 0, 2, 2, 3]
    assert index.columns.addresses == 4
    assert [index.script(n) for n in range(4)] == [b"\x51", b"\x52", P2PKH, b""]
    assert index.address_text(2) == "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8"
    assert index.addresses_of(["mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8", "script:52", "script:53", "nonsense"]) == {
        "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8": 2,
        "script:52": 1,
    }
    assert index.find_address("1111111111111111111114oLvT2") is None  # the same hash on mainnet


def test_a_long_script_is_written_by_its_hash_and_found_by_it():
    longest, longer, huge = b"\x51" * 200, b"\x51" * 201, b"\x6a" * 100_000
    block = made_coinbase(0, (1, longest), (2, longer), (3, huge))
    index = in_memory(chain([block], [made_coinbase(1, (4, huge))]), BITCOIN_REGTEST)
    texts = [index.address_text(number) for number in range(3)]
    assert texts[0] == f"script:{longest.hex()}"
    assert texts[1:] == [f"script-sha256:{hashlib.sha256(script).hexdigest()}" for script in (longer, huge)]
    assert index.addresses_of([*texts, f"script:{huge.hex()}"]) == {
        texts[0]: 0,
        texts[1]: 1,
        texts[2]: 2,
        f"script:{huge.hex()}": 2,
    }
    assert index.find_address(texts[1].upper().replace("SCRIPT-SHA256", "script-sha256")) == 1
    other = texts[2][:-1] + ("0" if texts[2][-1] != "0" else "1")  # the same run key, another hash
    assert index.find_address(other) is None
    assert index.find_address("script-sha256:" + "00" * 32) is None
    assert index.find_address(texts[2][:-2]) is None


def test_of_two_chain_txs_with_one_txid_the_later_counts():
    # Bitcoin's blocks 91842 and 91880 repeat coinbases of 91812 and 91722 (BIP 30).
    twin = made_coinbase(7, (50, b"\x51"))
    early = made_tx([(twin.txid, 0)], [(50, b"\x52")])
    late = made_tx([(twin.txid, 0)], [(49, b"\x53")])
    blocks = chain([twin], [made_coinbase(1), early], [twin], [made_coinbase(3), late])
    index = in_memory(blocks, BITCOIN)

    assert index.find_tx(twin.txid[::-1].hex()) == 3
    # A spender means the latest one before itself, not the latest of all.
    assert index.columns.input_spent.tolist() == [COINBASE, COINBASE, 0, COINBASE, COINBASE, 2]


def test_spending_what_is_not_there_is_refused():
    coinbase = made_coinbase(0, (50, b"\x51"))
    for outpoint in ((b"\x07" * 32, 0), (coinbase.txid, 1)):
        blocks = chain([coinbase], [made_coinbase(1), made_tx([outpoint], [])])
        with pytest.raises(BadBlockError, match="does not exist"):
            in_memory(blocks, BITCOIN_REGTEST)


def test_spending_in_the_same_block_but_before_is_refused():
    parent = made_tx([(made_coinbase(0, (50, b"")).txid, 0)], [(50, b"")])
    child = made_tx([(parent.txid, 0)], [(50, b"")])
    first = [made_coinbase(0, (50, b""))]

    assert in_memory(chain(first, [made_coinbase(1), parent, child]), BITCOIN_REGTEST).columns.txs == 4
    with pytest.raises(BadBlockError, match="does not exist"):
        in_memory(chain(first, [made_coinbase(1), child, parent]), BITCOIN_REGTEST)


def test_spending_twice_is_refused():
    coinbase = made_coinbase(0, (50, b"\x51"))
    txs = [made_tx([(coinbase.txid, 0)], [(n, b"")]) for n in (1, 2)]
    with pytest.raises(BadBlockError, match="spent twice"):
        in_memory(chain([coinbase], [made_coinbase(1), *txs]), BITCOIN_REGTEST)


def test_outputs_from_before_the_index_are_external():
    txs = [made_tx([(bytes([n]) * 32, n)], [(n, b"")]) for n in (1, 2)]
    blocks = chain([made_coinbase(9), txs[0]], [made_coinbase(10), txs[1]], first_height=9)
    undo = (77).to_bytes(8, "little") + size(0)
    index = in_memory([RawBlock(9, "", blocks[0].raw, undo), blocks[1]], BITCOIN_REGTEST)

    assert index.columns.input_spent.tolist() == [COINBASE, -2, COINBASE, -3]
    assert index.columns.external_value.tolist() == [77, -1]
    assert index.columns.height_of_tx(3) == 10


def test_blocks_must_follow_each_other():
    blocks = ChainMaker(2).extend(5).raw_blocks()
    other = ChainMaker(9).extend(5).raw_blocks()
    with pytest.raises(ChainMovedError):
        in_memory([*blocks[:3], other[3]], BITCOIN_REGTEST)
    with pytest.raises(BadBlockError, match="3 was due"):
        in_memory([*blocks[:3], blocks[4]], BITCOIN_REGTEST)
    with pytest.raises(BadBlockError, match="announced"):
        in_memory([RawBlock(0, blocks[1].hash, blocks[0].raw)], BITCOIN_REGTEST)


def test_a_block_that_is_named_but_not_shown_is_no_gap():
    blocks = ChainMaker(2).extend(5).raw_blocks()
    with pytest.raises(BadBlockError, match=r"block 3, announced as .*, came without its bytes"):
        in_memory([*blocks[:3], RawBlock(3, blocks[3].hash, b""), blocks[4]], BITCOIN_REGTEST)


def test_gaps_keep_heights_right():
    txs = [[made_coinbase(height, (height, b""))] for height in range(4)]
    blocks = chain(*txs, first_height=100)
    index = in_memory([blocks[0], blocks[3]], BITCOIN_REGTEST, gaps=True)

    assert index.columns.blocks == 4
    assert [index.columns.height_of_tx(tx) for tx in range(2)] == [100, 103]


def test_outputs_that_are_not_here_are_said_to_be_unknown():
    index = in_memory(chain([made_coinbase(0, (1, b""))]), BITCOIN_REGTEST)
    txid = index.columns.txid_text(0)

    assert index.find_output(f"{txid}:0") == 0
    for text in (
        f"{txid}:1",
        f"{txid}:00",
        f"{txid}:-1",
        f"{'0' * 64}:0",
        txid,
        txid.upper() + ":0",
        "",
        f"{txid}:0\n",
    ):
        with pytest.raises(UnknownOutputError):
            index.find_output(text)
    assert index.find_tx("zz") is None


def test_nothing_can_be_written():
    columns = in_memory(ChainMaker(4).extend(3).raw_blocks(), BITCOIN_REGTEST).columns
    for array in (columns.txid, columns.output_value, columns.output_spending, columns.block_first_tx):
        assert not array.flags.writeable


def test_an_empty_index_has_no_tip():
    index = in_memory([], BITCOIN_REGTEST)
    assert index.status().tip is None
    with pytest.raises(BadBlockError):
        _ = index.tip
