"""A wallet on an EVM chain, as people outside have one: a key in a file of their own, and a node to send through."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import rlp
from eth_keys.datatypes import PrivateKey

from strongroom.chains.ethereum.keccak import keccak
from strongroom.demo.bills import EthereumBill
from strongroom.demo.errors import CheckoutError
from strongroom.infra.components.ethereum_rpc import EthereumRpc
from strongroom.infra.components.hosting import write_private
from strongroom_core.abi import InvalidCallError, parse_address
from strongroom_core.evm import encode_transfer

GAS: Final = 200_000
TIP: Final = 10**9
_DYNAMIC_FEE: Final = b"\x02"  # EIP-2718: the type of EIP-1559


def make_wallet(file: Path) -> bytes:
    """Make a key where there is none; its address."""
    if not file.exists():
        write_private(file, secrets.token_bytes(32).hex() + "\n")
    return _key(file).public_key.to_canonical_address()


def pay(node: EthereumRpc, file: Path, bill: EthereumBill) -> str:
    """Pay a bill; the txid. Raises ``CheckoutError`` where it names another chain, and ``NodeRpcError``."""
    chain = int(node.call("eth_chainId"), 16)
    if bill.chain != chain:
        message = f"the page asks for a payment on chain {bill.chain}, and this wallet is on chain {chain}"
        raise CheckoutError(message)
    try:
        destination = parse_address(bill.address, keccak)
        token = None if bill.token is None else parse_address(bill.token, keccak)
    except InvalidCallError as error:
        raise CheckoutError(error.message) from None
    if token is None:
        return _send(node, chain, _key(file), destination, bill.units, b"")
    return _send(node, chain, _key(file), token, 0, encode_transfer(destination, bill.units))


def _send(node: EthereumRpc, chain: int, key: PrivateKey, to: bytes, value: int, data: bytes) -> str:
    own = key.public_key.to_checksum_address()
    nonce = int(node.call("eth_getTransactionCount", own, "pending"), 16)
    base = int(node.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)  # noqa: FBT003 -- no bodies
    fields = [chain, nonce, TIP, 2 * base + TIP, GAS, to, value, data, []]
    signature = key.sign_msg_hash(keccak(_DYNAMIC_FEE + rlp.encode(fields)))
    signed = [*fields, int(signature.v), int(signature.r), int(signature.s)]
    return str(node.call("eth_sendRawTransaction", "0x" + (_DYNAMIC_FEE + rlp.encode(signed)).hex()))


def _key(file: Path) -> PrivateKey:
    return PrivateKey(bytes.fromhex(file.read_text(encoding="ascii").strip()))
