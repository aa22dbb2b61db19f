"""What platform and signer must read alike on an EVM chain: a Safe's transactions, and the few calls in them.

Sources: Safe 1.3 to 1.5 (``Safe.sol``, ``MultiSendCallOnly.sol``), ERC-20, EIP-712 for the hash that owners sign. Every
``decode_…`` takes only what its ``encode_…`` makes, padding included, so that bytes read in one way. Amounts are in
base units (wei for ether), addresses are 20 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, Self

from strongroom_core.abi import (
    ADDRESS_BYTES,
    MAX_UINT256,
    WORD,
    InvalidCallError,
    Keccak,
    check_address,
    check_data,
    check_uint,
    padded,
    pair,
    read_pair,
    read_tail,
    tail,
    word,
)

DOMAIN_TAG: Final = b"strongroom safe-tx v1\x00"
ZERO_ADDRESS: Final = bytes(ADDRESS_BYTES)
# What JSON, SQLite and PostgreSQL hold; no Safe will ever reach it.
MAX_NONCE: Final = 2**63 - 1
OWNER_SIGNATURE_BYTES: Final = 65

CALL: Final = 0
DELEGATECALL: Final = 1

# ERC-20: transfer, of (address to, uint256 amount).
TRANSFER: Final = bytes.fromhex("a9059cbb")
# MultiSendCallOnly: multiSend, of (bytes transactions).
MULTI_SEND: Final = bytes.fromhex("8d80ff0a")
# Safe: execTransaction, of ten arguments.
EXEC_TRANSACTION: Final = bytes.fromhex("6a761202")
# Our allowance contract: draw, of (address token, uint256 amount); the zero address is the chain's own coin.
DRAW: Final = bytes.fromhex("4a03707c")

# keccak-256 of "EIP712Domain(uint256 chainId,address verifyingContract)".
_DOMAIN_TYPE: Final = bytes.fromhex("47e79534a245952e8b16893a336b85a3d9ea9fa8c573f3d803afb92a79469218")
# keccak-256 of "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,
# uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)", without the line's break.
_SAFE_TX_TYPE: Final = bytes.fromhex("bb8310d486368db6bd6f849402fdd73ad53d316b5a4b2644ad6efe0f941286d8")
_FIELDS: Final = 11
_LENGTH: Final = 4
# The heads of execTransaction's ten arguments; the bytes of `data` (the third) and `signatures` (the last) follow them.
_EXEC_HEAD: Final = 10 * WORD
# Of a packed call: operation, to, value, length of the data.
_PACKED_HEAD: Final = 1 + ADDRESS_BYTES + WORD + WORD


class InnerDelegatecallError(InvalidCallError):
    """A packed call that is no plain one: it would run a stranger's code as the Safe."""


class InnerSelfCallError(InvalidCallError):
    """A packed call of the zero address: MultiSendCallOnly of Safe 1.5.0 makes it a call of the Safe to itself."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call: contract or account (20 bytes), coin sent along in wei, and the calldata."""

    to: bytes
    value: int
    data: bytes

    def __post_init__(self) -> None:
        """Refuse what cannot be encoded. Raises ``InvalidCallError``."""
        check_address("to", self.to)
        check_uint("value", self.value, MAX_UINT256)
        check_data(self.data)


@dataclass(frozen=True, slots=True)
class SafeTx:
    """What a Safe's owners sign: one call at one nonce of one Safe. Addresses have 20 bytes, amounts are in wei."""

    safe: bytes
    nonce: int
    to: bytes
    value: int
    data: bytes
    operation: int
    safe_tx_gas: int = 0
    base_gas: int = 0
    gas_price: int = 0
    gas_token: bytes = ZERO_ADDRESS
    refund_receiver: bytes = ZERO_ADDRESS

    def __post_init__(self) -> None:
        """Refuse what cannot be encoded in exactly one way. Raises ``InvalidCallError``."""
        for name in ("safe", "to", "gas_token", "refund_receiver"):
            check_address(name, getattr(self, name))
        for name in ("value", "safe_tx_gas", "base_gas", "gas_price"):
            check_uint(name, getattr(self, name), MAX_UINT256)
        check_uint("nonce", self.nonce, MAX_NONCE)
        check_uint("operation", self.operation, DELEGATECALL)
        check_data(self.data)

    @classmethod
    def of_calls(cls, safe: bytes, nonce: int, calls: tuple[Call, ...], multisend: bytes) -> Self:
        """Give the one Safe transaction of these calls: a single one goes alone, more go through MultiSendCallOnly."""
        if len(calls) == 1:
            return cls(safe, nonce, calls[0].to, calls[0].value, calls[0].data, CALL)
        return cls(safe, nonce, multisend, 0, encode_multi_send(calls), DELEGATECALL)

    @classmethod
    def cancel(cls, safe: bytes, nonce: int) -> Self:
        """Give the empty call of a Safe to itself, which uses the nonce up and does nothing."""
        return cls(safe, nonce, safe, 0, b"", CALL)

    @property
    def call(self) -> Call:
        """The outer call."""
        return Call(self.to, self.value, self.data)

    @property
    def is_cancel(self) -> bool:
        """Whether it does nothing but use its nonce up."""
        return self == SafeTx.cancel(self.safe, self.nonce)

    def encode(self) -> bytes:
        """Give the canonical bytes: the domain tag, then every field in order as 4-byte length and bytes.

        Numbers are unsigned, big-endian, without leading zero bytes (zero is the empty string).
        """
        values = [getattr(self, field.name) for field in fields(self)]
        raw = [value if isinstance(value, bytes) else _number(value) for value in values]
        return DOMAIN_TAG + b"".join(len(item).to_bytes(_LENGTH, "big") + item for item in raw)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read canonical bytes; anything that ``encode`` would not have made raises ``InvalidCallError``."""
        values: dict[str, Any] = {
            field.name: raw if field.type == "bytes" else int.from_bytes(raw, "big")
            for field, raw in zip(fields(cls), _split(data), strict=True)
        }
        safe_tx = cls(**values)
        if safe_tx.encode() != data:
            message = "the Safe transaction is not in its canonical form"
            raise InvalidCallError(message)
        return safe_tx

    def hash(self, chain_number: int, keccak: Keccak) -> bytes:
        """Give the safeTxHash (EIP-712) that owners sign and that ExecutionSuccess names; 31337 for ``eip155:31337``.

        Core holds no cryptography: ``keccak`` is keccak-256 of the caller's.
        """
        domain = keccak(_DOMAIN_TYPE + word(chain_number) + padded(self.safe))
        struct = keccak(
            _SAFE_TX_TYPE
            + padded(self.to)
            + word(self.value)
            + keccak(self.data)
            + self._words_of_gas()
            + word(self.nonce)
        )
        return keccak(b"\x19\x01" + domain + struct)

    def _words_of_gas(self) -> bytes:
        numbers = (self.operation, self.safe_tx_gas, self.base_gas, self.gas_price)
        return b"".join(map(word, numbers)) + padded(self.gas_token) + padded(self.refund_receiver)


def encode_transfer(to: bytes, amount: int) -> bytes:
    """Give the calldata of ERC-20 ``transfer(to, amount)``. Raises ``InvalidCallError``."""
    return pair(TRANSFER, to, amount)


def decode_transfer(data: bytes) -> tuple[bytes, int]:
    """Read ``transfer``: destination and amount. Raises ``InvalidCallError``."""
    return read_pair(TRANSFER, data)


def encode_draw(token: bytes, amount: int) -> bytes:
    """Give the calldata of the allowance contract's ``draw(token, amount)``; the zero address is the chain's coin."""
    return pair(DRAW, token, amount)


def decode_draw(data: bytes) -> tuple[bytes, int]:
    """Read ``draw``: token and amount. Raises ``InvalidCallError``."""
    return read_pair(DRAW, data)


def pack_calls(calls: tuple[Call, ...]) -> bytes:
    """Give MultiSend's packed form: operation 0 (1 byte), to (20), value (32), length (32), data; one after another.

    A call of the zero address raises ``InnerSelfCallError``.
    """
    for call in calls:
        _check_packed(call)
    return b"".join(bytes([CALL]) + call.to + word(call.value) + word(len(call.data)) + call.data for call in calls)


def unpack_calls(packed: bytes) -> tuple[Call, ...]:
    """Read the packed form; bytes too few or too many raise ``InvalidCallError``.

    So do an operation but 0 (``InnerDelegatecallError``) and the zero address (``InnerSelfCallError``).
    """
    calls = []
    position = 0
    while position < len(packed):
        head = packed[position : position + _PACKED_HEAD]
        start = position + _PACKED_HEAD
        end = start + int.from_bytes(head[-WORD:], "big")
        if len(head) < _PACKED_HEAD or end > len(packed):
            message = f"the packed calls are cut off in the one at byte {position}"
            raise InvalidCallError(message)
        if head[0] != CALL:
            message = f"the packed call at byte {position} has operation {head[0]}; only plain calls are packed"
            raise InnerDelegatecallError(message)
        to, value = head[1 : 1 + ADDRESS_BYTES], head[1 + ADDRESS_BYTES : -WORD]
        calls.append(_check_packed(Call(to, int.from_bytes(value, "big"), packed[start:end])))
        position = end
    return tuple(calls)


def encode_multi_send(calls: tuple[Call, ...]) -> bytes:
    """Give the calldata of ``multiSend(bytes)``."""
    return MULTI_SEND + word(WORD) + tail(pack_calls(calls))


def decode_multi_send(data: bytes) -> tuple[Call, ...]:
    """Read ``multiSend`` and the calls in it; none, or any byte that we would not write: ``InvalidCallError``."""
    calls = unpack_calls(read_tail(data, len(MULTI_SEND) + WORD))
    if not calls or encode_multi_send(calls) != data:
        message = "not a canonical call of multiSend(bytes)"
        raise InvalidCallError(message)
    return calls


def encode_exec_transaction(safe_tx: SafeTx, signatures: bytes) -> bytes:
    """Give the calldata of the Safe's ``execTransaction``.

    ``signatures``: 65 bytes each, by ascending owner address.
    """
    data = tail(safe_tx.data)
    numbers = (safe_tx.value, _EXEC_HEAD, safe_tx.operation, safe_tx.safe_tx_gas, safe_tx.base_gas, safe_tx.gas_price)
    addresses = padded(safe_tx.gas_token) + padded(safe_tx.refund_receiver)
    head = padded(safe_tx.to) + b"".join(map(word, numbers)) + addresses + word(_EXEC_HEAD + len(data))
    return EXEC_TRANSACTION + head + data + tail(signatures)


def decode_exec_transaction(data: bytes, safe: bytes, nonce: int) -> tuple[SafeTx, bytes]:
    """Read ``execTransaction`` as sent to ``safe`` at ``nonce``: the transaction and the signatures.

    Raises ``InvalidCallError``. A stranger may execute our signatures with another spelling of the same arguments
    (other offsets, dirty padding): the chain takes such calldata, and here it is refused.
    """
    start = len(EXEC_TRANSACTION)
    words = [data[at : at + WORD] for at in range(start, start + _EXEC_HEAD, WORD)]
    numbers = [int.from_bytes(item, "big") for item in words]
    addresses = [item[-ADDRESS_BYTES:] for item in words]
    signatures = read_tail(data, start + numbers[9])
    safe_tx = SafeTx(
        safe=safe,
        nonce=nonce,
        to=addresses[0],
        value=numbers[1],
        data=read_tail(data, start + numbers[2]),
        operation=numbers[3],
        safe_tx_gas=numbers[4],
        base_gas=numbers[5],
        gas_price=numbers[6],
        gas_token=addresses[7],
        refund_receiver=addresses[8],
    )
    if encode_exec_transaction(safe_tx, signatures) != data:
        message = "not a canonical call of execTransaction"
        raise InvalidCallError(message)
    return safe_tx, signatures


def _check_packed(call: Call) -> Call:
    if call.to == ZERO_ADDRESS:
        message = "a packed call of the zero address can be one of the Safe to itself"
        raise InnerSelfCallError(message)
    return call


def _split(data: bytes) -> list[bytes]:
    if not data.startswith(DOMAIN_TAG):
        message = "these bytes do not start as a Safe transaction of version 1"
        raise InvalidCallError(message)
    found: list[bytes] = []
    position = len(DOMAIN_TAG)
    while position < len(data) and len(found) < _FIELDS:
        start = position + _LENGTH
        position = start + int.from_bytes(data[position:start], "big")
        found.append(data[start:position])
    if len(found) != _FIELDS or position != len(data):
        message = f"a Safe transaction has exactly {_FIELDS} fields"
        raise InvalidCallError(message)
    return found


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
