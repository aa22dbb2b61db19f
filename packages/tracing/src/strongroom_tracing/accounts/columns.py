"""The columns of a range of blocks, as a working set that is mapped into memory and read only where it is touched.

Each range is one file: a header (JSON) that says where each column lies, and its SHA-256, then the columns one behind
the other. The file is named by the hash of its header, so whoever trusts the name can trust every column that was
checked against it; a column is checked when it is first touched, and those that nobody asks for are never read.

Rows stand in the order of the chain. Addresses are numbered within the range, in the order of their bytes;
``address_rows`` from ``address_first[n]`` to ``address_first[n + 1]`` are the rows at which money of address n may come
or go, or that name it. ``tx_wraps`` marks the chain txs in which coin and logs are to be put into one order.
``block_digest`` is the SHA-256 of each block's time and rows as the source told them: it may leave some out, or lie.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from strongroom_tracing.accounts.errors import BrokenIndexError
from strongroom_tracing.accounts.model import ADDRESS_BYTES, WORD_BYTES, Kind

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
NONE: Final = -1
_MAGIC: Final = b"SRACCOL1"
_ALIGN: Final = 64
_PIECE: Final = 1 << 22  # bytes that are hashed at once and let go again
_WRAPS: Final = (Kind.WRAP, Kind.UNWRAP)
_NUMBER: Final = np.int32  # of rows, chain txs and addresses within a range


def fixed(column: Any, width: int) -> Bytes:
    """View a column of fixed-size binary as an array of (rows, width)."""
    if len(column) == 0:
        return np.zeros((0, width), np.uint8)
    array = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    array = array.chunk(0) if hasattr(array, "chunk") else array
    data = np.frombuffer(array.buffers()[1], np.uint8)
    start = array.offset * width
    return data[start : start + len(array) * width].reshape(-1, width)


def arrays_of(transfers: Any, blocks: Any) -> dict[str, Array]:
    """Make the columns of canonical tables (pyarrow); transfers sorted as the tables are."""
    numbers = {name: np.asarray(transfers[name].to_numpy()) for name in ("block", "tx_index", "kind", "place")}
    txid = fixed(transfers["txid"], WORD_BYTES)
    block, index = numbers["block"], numbers["tx_index"]
    changes = np.ones(len(txid), np.bool_)
    changes[1:] = (block[1:] != block[:-1]) | (index[1:] != index[:-1]) | (txid[1:] != txid[:-1]).any(axis=1)
    first = np.flatnonzero(changes)
    row_tx = np.cumsum(changes) - 1
    wraps = np.zeros(len(first), np.uint8)
    wraps[row_tx[np.isin(numbers["kind"], _WRAPS)]] = 1
    named = txid[first]
    return {
        "block_height": np.asarray(blocks["block"].to_numpy(), np.int64),
        "block_hash": fixed(blocks["hash"], WORD_BYTES),
        "block_time": np.asarray(blocks["unix_time"].to_numpy(), np.int64),
        "block_digest": _digests(transfers, blocks),
        "tx_block": np.asarray(block[first], np.int64),
        "tx_first": np.append(first, len(txid)).astype(_NUMBER),
        "tx_wraps": wraps,
        "txid": named,
        "txid_order": _keys(named).argsort(kind="stable").astype(_NUMBER),
        "kind": np.asarray(numbers["kind"], np.uint8),
        "place": np.asarray(numbers["place"], np.int32),
        "row_tx": row_tx.astype(_NUMBER),
        "value": fixed(transfers["value"], WORD_BYTES),
        **_addresses(transfers, numbers["kind"]),
    }


def _digests(transfers: Any, blocks: Any) -> Bytes:
    """Hash each block's time and rows, a row's columns behind each other in the order of the canonical schema."""
    parts = []
    for name in transfers.column_names[1:]:  # the first is the block's height
        column = transfers[name]
        width = column.type.bit_width // 8
        if pa.types.is_fixed_size_binary(column.type):
            parts.append(fixed(column, width))
        else:
            numbers = np.ascontiguousarray(column.to_numpy(), f"<i{width}")
            parts.append(numbers.view(np.uint8).reshape(-1, width))
    rows = np.concatenate(parts, axis=1)
    block, heights = (np.asarray(table["block"].to_numpy()) for table in (transfers, blocks))
    places = zip(*(np.searchsorted(block, heights, side) for side in ("left", "right")), strict=True)
    times = np.asarray(blocks["unix_time"].to_numpy(), "<i8")
    found = [
        hashlib.sha256(time.tobytes() + rows[start:end].tobytes()).digest()
        for time, (start, end) in zip(times, places, strict=True)
    ]
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, WORD_BYTES)


def _keys(rows: Bytes) -> Array:
    return np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").ravel()


def _addresses(transfers: Any, kind: Array) -> dict[str, Array]:
    names = ("sender", "recipient", "contract")
    every = pa.chunked_array([chunk for name in names for chunk in transfers[name].chunks], pa.binary(ADDRESS_BYTES))
    encoded = pa.concat_arrays(every.chunks or [pa.array([], every.type)]).dictionary_encode()
    distinct = fixed(encoded.dictionary, ADDRESS_BYTES)
    order = _keys(distinct).argsort(kind="stable")
    number = np.empty(len(order), _NUMBER)
    number[order] = np.arange(len(order))
    sender, recipient, contract = number[np.asarray(encoded.indices)].reshape(3, -1)
    first, rows = _touching(kind, sender, recipient, len(order))
    ends = {"sender": sender, "recipient": recipient, "contract": contract}
    return {**ends, "address": distinct[order], "address_first": first, "address_rows": rows}


def _touching(kind: Array, sender: Array, recipient: Array, addresses: int) -> tuple[Array, Array]:
    """List the rows of each address, each once; nobody's part of gas and of what blocks give is left out."""
    from_one = np.flatnonzero(~np.isin(kind, (Kind.TIP, Kind.ISSUED, Kind.SWAP)))
    to_one = np.flatnonzero(~np.isin(kind, (Kind.GAS, Kind.SWAP)))
    to_one = to_one[(recipient[to_one] != sender[to_one]) | np.isin(kind[to_one], (Kind.TIP, Kind.ISSUED))]
    who = np.concatenate([sender[from_one], recipient[to_one]])
    rows = np.concatenate([from_one, to_one])
    order = np.lexsort((rows, who))
    first = np.zeros(addresses + 1, _NUMBER)
    np.cumsum(np.bincount(who, minlength=addresses), out=first[1:])
    return first, rows[order].astype(_NUMBER)


def packed(arrays: Mapping[str, Array]) -> tuple[str, bytes]:
    """Write columns as a file's bytes, and its name."""
    parts, places, at = [], {}, 0
    for name, array in sorted(arrays.items()):
        data = np.ascontiguousarray(array).tobytes()
        digest = hashlib.sha256(data).hexdigest()
        places[name] = {"at": at, "type": array.dtype.str, "shape": list(array.shape), "sha256": digest}
        data += bytes(-len(data) % _ALIGN)
        parts.append(data)
        at += len(data)
    header = json.dumps(places, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-(len(header) + 2 * len(_MAGIC)) % _ALIGN)
    head = _MAGIC + len(header).to_bytes(8, "little") + header
    return hashlib.sha256(head).hexdigest(), head + b"".join(parts)


class Columns:
    """The columns of one range, by name. Those of a file are checked when they are first touched."""

    def __init__(
        self, arrays: Mapping[str, Array], unchecked: Mapping[str, str] | None = None,
        source: tuple[Path, mmap.mmap] | None = None,
    ) -> None:  # fmt: skip
        """``unchecked``: the hashes of columns that are not known to be whole; ``source``: the file mapped."""
        self._arrays = arrays
        self._unchecked = dict(unchecked or {})
        self._source = source
        self.rows = len(arrays["kind"])
        self.txs = len(arrays["txid"])

    @classmethod
    def opened(cls, path: Path, digest: str) -> Columns:
        """Map a file; its header is read, nothing else. Raises ``BrokenIndexError`` where it is not what it should."""
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (FileNotFoundError, ValueError):  # an empty file cannot be mapped
            raise _broken(path) from None
        start = 2 * len(_MAGIC)
        end = start + int.from_bytes(mapped[len(_MAGIC) : start], "little")
        if end > len(mapped) or hashlib.sha256(mapped[:end]).hexdigest() != digest or mapped[:8] != _MAGIC:
            raise _broken(path)
        places = json.loads(mapped[start:end])
        arrays = {name: _array(path, mapped, end, place) for name, place in places.items()}
        return cls(arrays, {name: place["sha256"] for name, place in places.items()}, (path, mapped))

    def __getitem__(self, name: str) -> Array:
        """Give a column. Raises ``BrokenIndexError`` where its bytes are not those that its file was named for."""
        if name in self._unchecked:
            self._check(name)
        return self._arrays[name]

    def check(self) -> None:
        """Check every column that was not touched yet. Raises ``BrokenIndexError``."""
        for name in sorted(self._unchecked):
            self._check(name)

    def _check(self, name: str) -> None:
        digest = hashlib.sha256()
        for piece in _pieces(self._arrays[name]):
            digest.update(piece.data)
            self._let_go(piece)
        if digest.hexdigest() != self._unchecked[name]:
            raise _broken((self._source or (Path(), None))[0], f"column {name} of ")
        del self._unchecked[name]

    def _let_go(self, piece: Bytes) -> None:
        """Hashing reads all of a column once; its pages need not stay in this process's memory for that."""
        if self._source is None:
            return
        mapped = self._source[1]
        base = np.frombuffer(mapped, np.uint8).ctypes.data
        start = -(-(piece.ctypes.data - base) // mmap.PAGESIZE) * mmap.PAGESIZE
        length = (piece.ctypes.data - base + piece.nbytes - start) // mmap.PAGESIZE * mmap.PAGESIZE
        if length > 0:
            mapped.madvise(mmap.MADV_DONTNEED, start, length)

    def find_address(self, address: bytes) -> int:
        """Give the number of an address in this range, ``NONE`` where nothing here touches it."""
        keys = _keys(self["address"])
        place = int(np.searchsorted(keys, np.frombuffer(address, keys.dtype)[0]))
        return place if place < len(keys) and keys[place].tobytes() == address else NONE

    def address(self, number: int) -> bytes:
        """Give an address's bytes."""
        return bytes(self["address"][number])

    def touching(self, number: int) -> Ints:
        """Give the rows of an address, in order."""
        first = self["address_first"]
        return np.asarray(self["address_rows"][first[number] : first[number + 1]], np.int64)

    def find_txid(self, txid: bytes) -> list[int]:
        """Give the chain txs of this hash, the whole of which is compared."""
        order, names = self["txid_order"], self["txid"]
        low, high = 0, len(order)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if names[order[middle]].tobytes() < txid else (low, middle)
        found = []
        while low < len(order) and names[order[low]].tobytes() == txid:
            found.append(int(order[low]))
            low += 1
        return found

    def txs_at(self, height: int) -> range:
        """Give the chain txs of a block."""
        heights = self["tx_block"]
        return range(*(int(np.searchsorted(heights, height, side)) for side in ("left", "right")))


def _pieces(array: Array) -> Iterator[Bytes]:
    flat = array.reshape(-1).view(np.uint8) if array.size else np.zeros(0, np.uint8)
    for start in range(0, len(flat), _PIECE):
        yield flat[start : start + _PIECE]


def _array(path: Path, mapped: mmap.mmap, start: int, place: Mapping[str, Any]) -> Array:
    kind, shape = np.dtype(place["type"]), tuple(place["shape"])
    count = int(np.prod(shape, dtype=np.int64))
    if start + place["at"] + count * kind.itemsize > len(mapped):
        raise _broken(path)
    return np.frombuffer(mapped, kind, count, start + place["at"]).reshape(shape)


def _broken(path: Path, part: str = "") -> BrokenIndexError:
    return BrokenIndexError(f"{part}{path} is missing or damaged: put it back, or build the index anew")
