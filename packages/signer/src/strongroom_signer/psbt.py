"""A strict reader of PSBT version 0 (BIP 174): maps of keys and values, and the one unsigned transaction.

embit's own PSBT class is not used for what is judged: it lets version 2 fields of an input or output map override the
global transaction, and reads a sequence of 0 as 0xffffffff. Here an unknown key is a refusal.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from embit import compact
from embit.base import EmbitError
from embit.script import Script
from embit.transaction import SIGHASH, Transaction

from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

MAGIC: Final = b"psbt\xff"
SEPARATOR: Final = b""
UNSIGNED_TX: Final = b"\x00"
NON_WITNESS_UTXO: Final = b"\x00"
WITNESS_UTXO: Final = b"\x01"
PARTIAL_SIGNATURE: Final = 0x02
SIGHASH_TYPE: Final = b"\x03"
WITNESS_SCRIPT: Final = b"\x05"
INPUT_DERIVATION: Final = 0x06
OUTPUT_WITNESS_SCRIPT: Final = b"\x01"
OUTPUT_DERIVATION: Final = 0x02
SIGHASH_ALL_BYTE: Final = b"\x01"
_GLOBAL_KEYS: Final = frozenset({UNSIGNED_TX})
_INPUT_KEYS: Final = frozenset({NON_WITNESS_UTXO, WITNESS_UTXO, SIGHASH_TYPE, WITNESS_SCRIPT})
_OUTPUT_KEYS: Final = frozenset({OUTPUT_WITNESS_SCRIPT})
_INPUT_KEYED: Final = frozenset({PARTIAL_SIGNATURE, INPUT_DERIVATION})
_OUTPUT_KEYED: Final = frozenset({OUTPUT_DERIVATION})
_PUBLIC_KEY_BYTES: Final = 33
MAX_DERIVATIONS: Final = 3
_BAD_INPUT: Final = (EmbitError, ValueError, IndexError, RuntimeError, TypeError, OverflowError)

Map = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class TxInput:
    """What an input spends: the previous chain tx's id (hex, as nodes show it) and the output's index."""

    txid: str
    index: int
    sequence: int
    bare: bool

    @property
    def coin(self) -> tuple[str, int]:
        """The outpoint."""
        return (self.txid, self.index)


@dataclass(frozen=True, slots=True)
class TxOutput:
    """An amount in base units and the script that it is paid to."""

    amount: int
    script: bytes


class ChainTx:
    """A decoded chain tx; ``txid`` is hex as nodes show it."""

    __slots__ = ("_tx", "base_bytes", "inputs", "locktime", "outputs", "stripped_bytes", "txid", "version")

    def __init__(self, raw: bytes) -> None:
        """Decode; anything that does not encode back to the same bytes is refused."""
        try:
            tx = Transaction.parse(raw)
            if tx.serialize() != raw:
                raise ValueError
            self.txid = bytes(tx.txid()).hex()
        except _BAD_INPUT:
            raise RefusedError(RefusalTag.TX_MALFORMED, "a transaction does not decode") from None
        self._tx = tx
        self.base_bytes = len(raw)
        # Marker, flag and witnesses are no part of what the txid is the hash of (BIP 144).
        self.stripped_bytes = len(raw) - (
            2 + sum(len(item.witness.serialize()) for item in tx.vin) if tx.is_segwit else 0
        )
        self.version, self.locktime = int(tx.version), int(tx.locktime)
        self.inputs = tuple(_input(item) for item in tx.vin)
        self.outputs = tuple(TxOutput(int(item.value), bytes(item.script_pubkey.data)) for item in tx.vout)

    def digest(self, index: int, witness_script: bytes, amount: int) -> bytes:
        """Give what a signature of input ``index`` signs: BIP 143 with SIGHASH_ALL."""
        return bytes(self._tx.sighash_segwit(index, Script(witness_script), amount, SIGHASH.ALL))


def _input(item: object) -> TxInput:
    bare = not item.script_sig.data and not item.witness.items  # type: ignore[attr-defined]
    return TxInput(bytes(item.txid).hex(), int(item.vout), int(item.sequence), bare)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Psbt:
    """The unsigned chain tx, and the maps of its inputs and outputs in order."""

    tx: ChainTx
    unsigned: bytes
    inputs: tuple[Map, ...]
    outputs: tuple[Map, ...]

    def with_signatures(self, public_keys: list[bytes], signatures: list[bytes]) -> bytes:
        """Give the PSBT's bytes with one partial signature (DER and sighash byte) added to each input."""
        parts = [MAGIC, _pair(UNSIGNED_TX, self.unsigned), b"\x00"]
        for fields, public_key, signature in zip(self.inputs, public_keys, signatures, strict=True):
            key = bytes([PARTIAL_SIGNATURE]) + public_key
            parts.append(_write_map(fields | {key: signature + SIGHASH_ALL_BYTE}))
        parts += [_write_map(fields) for fields in self.outputs]
        return b"".join(parts)


def parse_psbt(data: bytes) -> Psbt:
    """Read a PSBT. Raises ``RefusedError`` (tx-malformed)."""
    stream = io.BytesIO(data)
    if stream.read(len(MAGIC)) != MAGIC:
        raise RefusedError(RefusalTag.TX_MALFORMED, "these bytes do not start as a PSBT")
    head = _read_map(stream)
    if set(head) != _GLOBAL_KEYS:
        raise RefusedError(
            RefusalTag.TX_MALFORMED, "a PSBT of version 0 holds one unsigned transaction and no other global key"
        )
    tx = ChainTx(head[UNSIGNED_TX])
    inputs = tuple(_checked(_read_map(stream), _INPUT_KEYS, _INPUT_KEYED) for _ in tx.inputs)
    outputs = tuple(_checked(_read_map(stream), _OUTPUT_KEYS, _OUTPUT_KEYED) for _ in tx.outputs)
    if stream.read(1):
        raise RefusedError(RefusalTag.TX_MALFORMED, "bytes stand after the PSBT's end")
    return Psbt(tx, head[UNSIGNED_TX], inputs, outputs)


def claims(fields: Map, key_type: int) -> set[tuple[int, int]]:
    """Give the (branch, index) pairs that the derivation fields claim; hints for our own derivation, nothing more."""
    found = set()
    if sum(key[0] == key_type for key in fields) > MAX_DERIVATIONS:
        # Every claim costs us derivations under the one lock; three keys have three.
        raise RefusedError(RefusalTag.TX_MALFORMED, f"a map of the PSBT claims more than {MAX_DERIVATIONS} derivations")
    for key, value in fields.items():
        if key[0] == key_type and len(value) >= 12 and len(value) % 4 == 0:  # noqa: PLR2004 - fingerprint and two steps
            branch, index = (int.from_bytes(value[at : at + 4], "little") for at in (len(value) - 8, len(value) - 4))
            if branch < 2**31 and index < 2**31:
                found.add((branch, index))
    return found


def read_output(data: bytes) -> TxOutput:
    """Read one serialised output, as a witness UTXO field holds it. Raises ``RefusedError`` (tx-malformed)."""
    stream = io.BytesIO(data)
    amount, script = stream.read(8), _guarded(_read_string, stream)
    if len(amount) != 8 or stream.read(1):  # noqa: PLR2004 - eight bytes of amount
        raise RefusedError(RefusalTag.TX_MALFORMED, "a witness UTXO does not decode")
    return TxOutput(int.from_bytes(amount, "little"), script)


def _checked(fields: Map, plain: frozenset[bytes], keyed: frozenset[int]) -> Map:
    for key in fields:
        if key not in plain and not (key[0] in keyed and len(key) == 1 + _PUBLIC_KEY_BYTES):
            message = f"the PSBT holds a field of type 0x{key[0]:02x} that this signer does not read"
            raise RefusedError(RefusalTag.TX_MALFORMED, message)
    return fields


def _read_map(stream: io.BytesIO) -> Map:
    fields: Map = {}
    while key := _guarded(_read_string, stream):
        if key in fields:
            raise RefusedError(RefusalTag.TX_MALFORMED, "the PSBT holds a key twice")
        fields[key] = _guarded(_read_string, stream)
    return fields


def _write_map(fields: Map) -> bytes:
    return b"".join(_pair(key, fields[key]) for key in sorted(fields)) + b"\x00"


def _pair(key: bytes, value: bytes) -> bytes:
    return b"".join(bytes(compact.to_bytes(len(part))) + part for part in (key, value))


def _read_string(stream: io.BytesIO) -> bytes:
    length = compact.read_from(stream)
    data = stream.read(length)
    if len(data) != length:
        raise ValueError
    return data


def _guarded(read: Callable[[io.BytesIO], bytes], stream: io.BytesIO) -> bytes:
    try:
        return read(stream)
    except _BAD_INPUT:
        raise RefusedError(RefusalTag.TX_MALFORMED, "the PSBT ends in the middle of a field") from None
