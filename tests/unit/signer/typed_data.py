"""EIP-712 hashes of Safe transactions, computed by eth-account: the judge that shares no line with the product."""

from __future__ import annotations

import sys
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

_LIMIT = sys.getrecursionlimit()
from eth_account.messages import encode_typed_data  # noqa: E402 -- between two readings of the limit

# One of its dependencies raises the limit to 100,000 for the whole process: deep JSON would then crash the stack.
sys.setrecursionlimit(min(_LIMIT, 1_000))

KINDS = {
    "to": "address",
    "value": "uint256",
    "data": "bytes",
    "operation": "uint8",
    "safeTxGas": "uint256",
    "baseGas": "uint256",
    "gasPrice": "uint256",
    "gasToken": "address",
    "refundReceiver": "address",
    "nonce": "uint256",
}
OURS = {
    "safeTxGas": "safe_tx_gas",
    "baseGas": "base_gas",
    "gasPrice": "gas_price",
    "gasToken": "gas_token",
    "refundReceiver": "refund_receiver",
}


def typed_hash(values: dict[str, Any], number: int) -> bytes:
    """The safeTxHash of fields under the names of ``SafeTx``, on the chain of that number."""
    message = {name: values[OURS.get(name, name)] for name in KINDS}
    for name, kind in KINDS.items():
        if kind == "address":
            message[name] = to_checksum_address(message[name])
    signable = encode_typed_data(
        domain_data={"chainId": number, "verifyingContract": to_checksum_address(values["safe"])},
        message_types={"SafeTx": [{"name": name, "type": kind} for name, kind in KINDS.items()]},
        message_data=message,
    )
    return bytes(keccak(b"\x19" + signable.version + signable.header + signable.body))
