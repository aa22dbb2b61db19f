"""Relayers' keys: files of their owner only, read by the treasury process only, never shown."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rlp
import structlog
from eth_keys.constants import SECPK1_N
from eth_keys.datatypes import PrivateKey

from strongroom.chains.ethereum.keccak import keccak
from strongroom.outbound.ethereum.errors import RelayerKeyError

_log = structlog.get_logger(__name__)
KEY_BYTES: Final = 32
DYNAMIC_FEE: Final = b"\x02"  # EIP-2718: the type of EIP-1559
_READABLE_BY_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_FILE_BYTES_MAX: Final = 200


class RelayerKey:
    """One account that pays gas. It signs chain txs and tells its address, and nothing else of it can be had."""

    __slots__ = ("_key", "address")

    def __init__(self, key: bytes) -> None:
        """Take the private key, 32 bytes. Raises ``RelayerKeyError`` where it is none."""
        if len(key) != KEY_BYTES or not 0 < int.from_bytes(key, "big") < SECPK1_N:
            message = "these bytes are no private key of secp256k1"
            raise RelayerKeyError(message)
        self._key = PrivateKey(key)
        self.address = self._key.public_key.to_canonical_address()

    def __repr__(self) -> str:
        """Show the address only."""
        return f"RelayerKey(0x{self.address.hex()})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse to be pickled or copied."""
        message = "a relayer's key stays in its process"
        raise TypeError(message)

    def sign(self, fields: Sequence[Any]) -> tuple[bytes, str]:
        """Sign the nine fields of an EIP-1559 chain tx; its raw bytes and its txid. Deterministic (RFC 6979).

        Raises ``RelayerKeyError``.
        """
        try:
            signature = self._key.sign_msg_hash(keccak(DYNAMIC_FEE + rlp.encode(fields)))
            signed = (*fields, int(signature.v), int(signature.r), int(signature.s))
            raw = DYNAMIC_FEE + bytes(rlp.encode(signed))
        except Exception as error:  # noqa: BLE001 - whatever the library says, and its frames, may hold the key
            message = f"0x{self.address.hex()} could not sign ({type(error).__name__})"
            raise RelayerKeyError(message) from None
        return raw, f"0x{keccak(raw).hex()}"


@dataclass(frozen=True, slots=True)
class RelayerKeys:
    """The keys that could be read, each with its place: 0 is the active relayer, 1 its spare."""

    loaded: tuple[tuple[int, RelayerKey], ...]
    problems: tuple[str, ...] = ()

    def key(self, address: bytes) -> RelayerKey | None:
        """Find the key of a relayer."""
        return next((key for _, key in self.loaded if key.address == address), None)

    @property
    def addresses(self) -> tuple[tuple[int, bytes], ...]:
        """All places and addresses."""
        return tuple((position, key.address) for position, key in self.loaded)


def load_relayer_keys(files: Sequence[Path]) -> RelayerKeys:
    """Read the key files in their order; one that fails is left out and named, so that the spare takes over."""
    loaded: list[tuple[int, RelayerKey]] = []
    problems: list[str] = []
    for position, file in enumerate(files):
        try:
            key = read_relayer_key(file)
        except RelayerKeyError as error:
            _log.error("relayer key left out", file=str(file), reason=error.message)
            problems.append(error.message)
            continue
        if key.address in {other.address for _, other in loaded}:
            problems.append(f"{file} holds the key of another relayer again: active and spare are two accounts")
            continue
        loaded.append((position, key))
    return RelayerKeys(tuple(loaded), tuple(problems))


def read_relayer_key(path: Path) -> RelayerKey:
    """Read one key: 64 hex digits in a file that only its owner may read. Raises ``RelayerKeyError``."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_FILE_BYTES_MAX)
    except OSError as error:
        message = f"{path} cannot be read ({type(error).__name__}): make one with `strongroom` or put it back"
        raise RelayerKeyError(message) from None
    if mode & _READABLE_BY_OTHERS:
        message = f"{path} can be read by others: chmod 600 it, and move its gas to a new key if others are on the host"
        raise RelayerKeyError(message)
    return _parse(path, text)


def _parse(path: Path, text: bytes) -> RelayerKey:
    message = f"{path} is no relayer key: it holds 64 hex digits and nothing else"
    try:
        key = bytes.fromhex(text.decode("ascii").strip().removeprefix("0x"))
    except ValueError:
        raise RelayerKeyError(message) from None
    if len(key) != KEY_BYTES:
        raise RelayerKeyError(message)
    return RelayerKey(key)


def make_relayer_key(path: Path) -> bytes:
    """Make a key file where there is none, whole or not at all, readable by its owner only; the address (20 bytes).

    Of two processes that try, one wins and both give its address. Raises ``RelayerKeyError``.
    """
    if not path.exists():
        try:
            _write_new(path)
        except OSError as error:
            message = f"{path} cannot be made ({type(error).__name__}): is its folder there, and may it be written?"
            raise RelayerKeyError(message) from None
    return read_relayer_key(path).address


def _write_new(path: Path) -> None:
    # A name of its own: what a killed process left behind stops nobody.
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(_random_key().hex().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink()
    # Gas is sent to the address as soon as it is known: the name must outlive a power cut, too.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _random_key() -> bytes:
    while True:
        key = secrets.token_bytes(KEY_BYTES)
        with contextlib.suppress(RelayerKeyError):  # one in 2**128 is no key
            RelayerKey(key)
            return key
