from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from strongroom.chains.ethereum.keccak import keccak
from strongroom.demo.bills import EthereumBill
from strongroom.demo.errors import CheckoutError
from strongroom.demo.evm_wallet import make_wallet, pay
from strongroom.infra.components.ethereum_rpc import EthereumRpc
from strongroom_core.abi import address_text
from strongroom_core.evm import encode_transfer

_LIMIT = sys.getrecursionlimit()
from eth_account import Account  # noqa: E402 -- between two readings of the limit

# One of its dependencies raises the limit to 100,000 for the whole process: deep JSON would then crash the stack.
sys.setrecursionlimit(min(_LIMIT, 1_000))

TOKEN, PAYEE = bytes.fromhex("ab" * 20), bytes.fromhex("cd" * 20)
BASE_FEE = 10**9


class Node(EthereumRpc):
    """A node that says what it is told to, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(1)
        self.sent: list[str] = []

    def call(self, method: str, *params: object) -> Any:
        if method == "eth_sendRawTransaction":
            self.sent.append(str(params[0]))
            return "0x" + keccak(bytes.fromhex(str(params[0])[2:])).hex()
        return {
            "eth_chainId": "0x7a69",
            "eth_getTransactionCount": "0x3",
            "eth_getBlockByNumber": {"baseFeePerGas": hex(BASE_FEE)},
        }[method]


def text(address: bytes) -> str:
    return address_text(address, keccak)


def test_a_key_is_made_once_and_is_its_owner_s_only(tmp_path: Path) -> None:
    file = tmp_path / "ethereum.key"
    assert make_wallet(file) == make_wallet(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_sent_is_what_another_library_would_have_signed(tmp_path: Path) -> None:
    file, node = tmp_path / "key", Node()
    address = make_wallet(file)
    txid = pay(node, file, EthereumBill(31337, text(TOKEN), text(PAYEE), 5))
    assert Account.recover_transaction(node.sent[0]) == text(address)
    fields = {"chainId": 31337, "nonce": 3, "to": text(TOKEN), "value": 0, "data": encode_transfer(PAYEE, 5)}
    fees = {"gas": 200_000, "maxFeePerGas": 3 * BASE_FEE, "maxPriorityFeePerGas": BASE_FEE}
    wanted = Account.from_key(file.read_text().strip()).sign_transaction({"type": 2, **fields, **fees})
    assert (txid, node.sent) == (f"0x{bytes(wanted.hash).hex()}", [f"0x{bytes(wanted.raw_transaction).hex()}"])


def test_ether_goes_to_the_payee_itself(tmp_path: Path) -> None:
    file, node = tmp_path / "key", Node()
    make_wallet(file)
    pay(node, file, EthereumBill(31337, None, text(PAYEE), 10**15))
    fields = {"chainId": 31337, "nonce": 3, "to": text(PAYEE), "value": 10**15, "data": b""}
    fees = {"gas": 200_000, "maxFeePerGas": 3 * BASE_FEE, "maxPriorityFeePerGas": BASE_FEE}
    wanted = Account.from_key(file.read_text().strip()).sign_transaction({"type": 2, **fields, **fees})
    assert node.sent == [f"0x{bytes(wanted.raw_transaction).hex()}"]


@pytest.mark.parametrize(
    "bill",
    [
        EthereumBill(1, text(TOKEN), text(PAYEE), 5),
        EthereumBill(31337, text(TOKEN), "0x" + "aB" * 20, 5),
    ],
    ids=["another chain", "a wrong checksum"],
)
def test_a_bill_that_is_not_for_this_wallet_is_not_paid(tmp_path: Path, bill: EthereumBill) -> None:
    file, node = tmp_path / "key", Node()
    make_wallet(file)
    with pytest.raises(CheckoutError):
        pay(node, file, bill)
    assert node.sent == []
