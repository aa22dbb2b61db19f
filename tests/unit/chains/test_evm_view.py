"""What a block's pieces add up to: what arrived counts, and every execution of a Safe has its nonce."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains.ethereum.decoding import SUCCESS_TOPIC, TRANSFER_TOPIC
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.model import Block, Log, Receipt
from strongroom.chains.ethereum.view import Fault, Lens, Pieces, assemble
from strongroom.chains.ethereum.watched import Watched
from strongroom.chains.model import UNKNOWN_NONCE
from strongroom_core.evm import SafeTx, encode_exec_transaction

TOKEN, SAFE, OURS, OTHER = (bytes([number]) * 20 for number in (1, 2, 3, 4))
ASSET = "eip155:31337/erc20:0x" + TOKEN.hex()
COIN = "eip155:31337/slip44:60"
BLOCK = Block(7, "0x" + "22" * 32, "0x" + "21" * 32, 0, 0, 0)
LENS = Lens(31337, Watched([OURS]), {TOKEN: ASSET}, frozenset({SAFE}), COIN)


def _txid(number: int) -> str:
    return "0x" + number.to_bytes(32, "big").hex()


def _transfer(number: int, index: int, to: bytes, amount: int) -> Log:
    topics = (TRANSFER_TOPIC, bytes(12) + OTHER, bytes(12) + to)
    return Log(TOKEN, topics, amount.to_bytes(32, "big"), index, _txid(number), BLOCK.block_hash)


def _receipt(number: int, logs: tuple[Log, ...], *, success: bool = True) -> Receipt:
    return Receipt(_txid(number), success, 7, BLOCK.block_hash, OTHER, TOKEN, None, 1, 1, 0, logs)


def _chain_tx(number: int, data: bytes = b"", to: bytes = TOKEN, value: int = 0) -> dict[str, Any]:
    return {
        "hash": _txid(number),
        "from": "0x" + OTHER.hex(),
        "to": "0x" + to.hex(),
        "nonce": "0x1",
        "value": hex(value),
        "input": "0x" + data.hex(),
    }


def _pieces(*receipts: Receipt, **more: Any) -> Pieces:
    pieces = Pieces(BLOCK, **more)
    pieces.receipts = {receipt.txid: receipt for receipt in receipts}
    pieces.transactions = pieces.transactions or [_chain_tx(int(receipt.txid, 16)) for receipt in receipts]
    return pieces


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=5),
    st.integers(0, 10**7),
    st.integers(0, 10**6),
    st.integers(-(10**6), 10**7),
)
def test_what_is_credited_is_what_arrived_and_never_more_than_the_logs_say(
    amounts: list[int], before: int, sent: int, delta: int
) -> None:
    logs = tuple(_transfer(1, 40 + place, OURS, amount) for place, amount in enumerate(amounts))
    after = max(0, before + delta)
    key = (TOKEN, OURS)
    view = assemble(_pieces(_receipt(1, logs), balances={key: (before, after)}, sent={key: sent}), LENS, keccak)
    outputs = [output for tx in view.txs for output in tx.observed.outputs]
    arrived = after - before + sent
    assert sum(output.amount for output in outputs) == max(0, min(sum(amounts), arrived))
    assert all(output.amount and output.vout == place for place, output in _by_place(outputs, logs))
    assert [oddity.fault for oddity in view.oddities] == ([Fault.SURPLUS] if arrived > sum(amounts) else [])


def _by_place(outputs: list[Any], logs: tuple[Log, ...]) -> list[tuple[int, Any]]:
    places = {log.log_index - 40 for log in logs}
    return [(output.vout, output) for output in outputs if output.vout in places]


def test_a_failed_chain_tx_has_nothing_whatever_it_logs_or_carries() -> None:
    logs = (_transfer(1, 0, OURS, 5),)
    balances = {(TOKEN, OURS): (0, 5)}
    pieces = _pieces(_receipt(1, logs, success=False), balances=balances, transactions=[_chain_tx(1, to=OURS, value=9)])
    assert assemble(pieces, LENS, keccak).txs == ()


def test_coin_to_a_watched_address_counts_where_the_coin_is_held() -> None:
    pieces = _pieces(_receipt(1, ()), transactions=[_chain_tx(1, to=OURS, value=9)])
    (tx,) = assemble(pieces, LENS, keccak).txs
    assert [(output.vout, output.amount, output.asset) for output in tx.observed.outputs] == [(1_000_000, 9, COIN)]
    without = Lens(31337, Watched([OURS]), {TOKEN: ASSET}, frozenset({SAFE}), None)
    assert assemble(pieces, without, keccak).txs == ()


def _executed(number: int, index: int, effect: bytes) -> Log:
    return Log(SAFE, (SUCCESS_TOPIC, effect), bytes(32), index, _txid(number), BLOCK.block_hash)


def test_executions_of_one_block_have_the_nonces_that_were_signed_though_the_inner_one_logs_first() -> None:
    signed = [SafeTx(SAFE, nonce, OTHER, 0, b"", 0) for nonce in (5, 6, 7)]
    hashes = [safe_tx.hash(31337, keccak) for safe_tx in signed]
    calldata = [encode_exec_transaction(safe_tx, b"") for safe_tx in signed]
    pieces = _pieces(
        _receipt(1, (_executed(1, 10, hashes[1]), _executed(1, 12, hashes[0]))),
        _receipt(2, (_executed(2, 20, hashes[2]),)),
        transactions=[_chain_tx(1, calldata[0], SAFE), _chain_tx(2, calldata[2], SAFE)],
        nonces={SAFE: (5, 8)},
    )
    spends = [spend for tx in assemble(pieces, LENS, keccak).txs for spend in tx.observed.spends]
    assert [(spend.prev_vout, spend.effect) for spend in spends] == [
        (6, "0x" + hashes[1].hex()),
        (5, "0x" + hashes[0].hex()),
        (7, "0x" + hashes[2].hex()),
    ]


def test_a_single_execution_through_another_contract_has_the_nonce_that_is_left() -> None:
    pieces = _pieces(
        _receipt(1, (_executed(1, 10, b"\x01" * 32),)),
        _receipt(2, (_executed(2, 20, b"\x02" * 32),)),
        nonces={SAFE: (5, 7)},
    )
    spends = [spend for tx in assemble(pieces, LENS, keccak).txs for spend in tx.observed.spends]
    assert [(spend.effect, spend.prev_vout) for spend in spends] == [("0x" + "01" * 32, 5), ("0x" + "02" * 32, 6)]


def test_several_executions_that_another_contract_makes_in_one_chain_tx_have_no_nonce_by_their_order() -> None:
    pieces = _pieces(
        _receipt(1, (_executed(1, 10, b"\x01" * 32), _executed(1, 12, b"\x02" * 32))),
        _receipt(2, (_executed(2, 20, b"\x03" * 32),)),
        nonces={SAFE: (5, 8)},
    )
    spends = [spend for tx in assemble(pieces, LENS, keccak).txs for spend in tx.observed.spends]
    assert [(spend.vin, spend.prev_vout) for spend in spends] == [(0, UNKNOWN_NONCE), (2, UNKNOWN_NONCE), (0, 7)]
