"""A thief's own writer of PSBTs (BIP 174, version 0): any inputs, any outputs, and whatever it claims about them."""

from __future__ import annotations

from dataclasses import dataclass

from embit.script import Script
from embit.transaction import Transaction, TransactionInput, TransactionOutput

from strongroom_signer.keyset import KeySet, Place

SEQUENCE = 0xFFFFFFFD
_INPUT_PATHS, _OUTPUT_PATHS = 6, 2


@dataclass(frozen=True, slots=True)
class Coin:
    """An unspent output of ours: ``previous`` is the whole chain tx that made it, ``amount`` in base units."""

    txid: str
    vout: int
    amount: int
    place: Place
    height: int
    previous: bytes = b""


@dataclass(frozen=True, slots=True)
class Pay:
    """An output; ``place`` is where the PSBT claims that it stands in a key set of ours, if it claims so."""

    amount: int
    script: bytes
    place: Place | None = None


def write(coins: tuple[Coin, ...], pays: tuple[Pay, ...], key_sets: dict[str, KeySet]) -> bytes:
    """Write the unsigned PSBT."""
    inputs = [TransactionInput(bytes.fromhex(coin.txid), coin.vout, sequence=SEQUENCE) for coin in coins]
    outputs = [TransactionOutput(pay.amount, Script(pay.script)) for pay in pays]
    tx = Transaction(version=2, vin=inputs, vout=outputs, locktime=0)
    parts = [b"psbt\xff", _map({b"\x00": tx.serialize()})]
    for coin in coins:
        fields = {b"\x00": coin.previous, b"\x05": _witness_script(coin.place, key_sets)}
        parts.append(_map(fields | _paths(coin.place, key_sets, _INPUT_PATHS)))
    for pay in pays:
        claimed = {} if pay.place is None else {b"\x01": _witness_script(pay.place, key_sets)}
        parts.append(_map(claimed | ({} if pay.place is None else _paths(pay.place, key_sets, _OUTPUT_PATHS))))
    return b"".join(parts)


def _witness_script(place: Place, key_sets: dict[str, KeySet]) -> bytes:
    return key_sets[place.key_set].witness_script(place.branch, place.index)


def _paths(place: Place, key_sets: dict[str, KeySet], kind: int) -> dict[bytes, bytes]:
    fields = {}
    for key in key_sets[place.key_set].keys:
        public = key.node.child(place.branch).child(place.index).public_key
        steps = (*key.path, place.branch, place.index)
        fields[bytes([kind]) + public] = key.fingerprint + b"".join(step.to_bytes(4, "little") for step in steps)
    return fields


def _map(fields: dict[bytes, bytes]) -> bytes:
    return b"".join(_string(key) + _string(value) for key, value in fields.items()) + b"\x00"


def _string(data: bytes) -> bytes:
    size = len(data)
    if size < 0xFD:  # noqa: PLR2004 -- Bitcoin's compact size
        return bytes([size]) + data
    return (
        b"\xfd" + size.to_bytes(2, "little") + data if size < 1 << 16 else b"\xfe" + size.to_bytes(4, "little") + data
    )
