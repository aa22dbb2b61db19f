"""Header chains of the bitcoin-likes: proof of work, difficulty, time, and which chain has the most work.

The rules are those of bitcoin/src/pow.cpp, arith_uint256.cpp and validation.cpp (ContextualCheckBlockHeader), and
litecoin/src/pow.cpp where Litecoin differs. What only whole blocks show (scripts, amounts) is left to the nodes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_signer.chains import WorkHash
from strongroom_signer.errors import PolicyError, SignerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_signer.chains import ChainParameters, WorkRules

HEADER_BYTES: Final = 80
HASH_BYTES: Final = 32
PERIOD: Final = 2016
MEDIAN_BLOCKS: Final = 11
MAX_FUTURE_SECONDS: Final = 7_200
#: A branch that leaves the chain deeper than this is not followed; far more than any chain has ever been reorganised.
MAX_REORG: Final = PERIOD
#: Headers beside the chain that are kept; on a chain without real work they could otherwise fill the memory.
MAX_BESIDE: Final = 4 * MAX_REORG
_CLAMP: Final = 4
_WORDS: Final = 2**256


class HeaderError(SignerError):
    """A header that breaks a rule of its chain."""

    code = "header-invalid"


class FutureHeaderError(HeaderError):
    """A header of more than two hours from now; it may be right later, or this host's clock is behind."""

    code = "header-future"


class DetachedHeaderError(HeaderError):
    """A header whose parent is not known here."""

    code = "header-detached"


@dataclass(frozen=True, slots=True)
class Header:
    """A header in its chain; ``work`` is the sum from the checkpoint on, ``hash`` 32 bytes as hashed (not reversed)."""

    raw: bytes
    hash: bytes
    height: int
    work: int

    @property
    def parent(self) -> bytes:
        """The hash of the header before it."""
        return self.raw[4:36]

    @property
    def merkle_root(self) -> bytes:
        """What the block's chain txs are bound to it by."""
        return self.raw[36:68]

    @property
    def time(self) -> int:
        """Unix seconds, by its miner's clock."""
        return int.from_bytes(self.raw[68:72], "little")

    @property
    def bits(self) -> int:
        """The target in compact form."""
        return int.from_bytes(self.raw[72:76], "little")


def hash_of(raw: bytes) -> bytes:
    """Give the hash that names a header: SHA-256 twice, 32 bytes as hashed."""
    return hashlib.sha256(hashlib.sha256(raw).digest()).digest()


def target_of(bits: int) -> int:
    """Expand a compact target (``arith_uint256::SetCompact``). Raises ``HeaderError`` if negative, too large, zero."""
    size, word = bits >> 24, bits & 0x7FFFFF
    if size <= 3:  # noqa: PLR2004 - three bytes of mantissa
        word >>= 8 * (3 - size)
        target = word
    else:
        target = word << 8 * (size - 3)
    if target == 0 or bits & 0x800000 or target >= _WORDS:
        message = f"the target 0x{bits:08x} is zero, negative or too large"
        raise HeaderError(message)
    return target


def bits_of(target: int) -> int:
    """Write a target in compact form (``arith_uint256::GetCompact``); digits beyond its 23 bits are lost."""
    size = (target.bit_length() + 7) // 8
    word = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)  # noqa: PLR2004 - as above
    if word & 0x800000:
        word, size = word >> 8, size + 1
    return word | size << 24


def work_of(target: int) -> int:
    """Give the number of hashes that a target takes on average (``GetBlockProof``)."""
    return _WORDS // (target + 1)


def next_target(rules: WorkRules, old: int, seconds: int) -> int:
    """Give the target after a period that took so many seconds (``CalculateNextWorkRequired``), not yet compacted."""
    wanted = rules.timespan_seconds
    seconds = min(max(seconds, wanted // _CLAMP), wanted * _CLAMP)
    if rules.full_period and old.bit_length() >= rules.limit.bit_length():
        # Litecoin drops a bit here, so that 256 bits are enough.
        return min((old >> 1) * seconds // wanted << 1, rules.limit)
    return min(old * seconds // wanted, rules.limit)


def check_work(rules: WorkRules, raw: bytes) -> int:
    """Give the target that a header's hash stays below. Raises ``HeaderError`` where it does not."""
    target = target_of(int.from_bytes(raw[72:76], "little"))
    if target > rules.limit:
        message = "the target is easier than this chain allows"
        raise HeaderError(message)
    if int.from_bytes(_work_hash(rules, raw), "little") > target:
        message = "the hash is above the target: the work was not done"
        raise HeaderError(message)
    return target


def _work_hash(rules: WorkRules, raw: bytes) -> bytes:
    if rules.work_hash is WorkHash.SCRYPT:
        return hashlib.scrypt(raw, salt=raw, n=1024, r=1, p=1, dklen=HASH_BYTES)
    return hash_of(raw)


class HeaderTree:
    """Every header that was checked, from the checkpoint on; threads may add to it, while nobody calls ``keep``."""

    def __init__(self, parameters: ChainParameters, checkpoint: bytes, height: int) -> None:
        """Start from the checkpoint, which must do its own work. Raises ``PolicyError`` where it cannot be one."""
        self._rules = parameters.work
        where = f"chains.{parameters.chain.id}.checkpoint"
        if self._rules.retargets and height % PERIOD:
            # Every later target is computed from a whole period, and the first of them from this header.
            message = f"{where} stands at a height that {PERIOD} divides, where the difficulty changes"
            raise PolicyError(message)
        try:
            target = check_work(self._rules, checkpoint)
        except HeaderError as error:
            message = f"{where}: {error.message}"
            raise PolicyError(message) from None
        self.root = Header(checkpoint, hash_of(checkpoint), height, work_of(target))
        self._known = {self.root.hash: self.root}

    def __len__(self) -> int:
        """How many headers are held, those beside the chain too."""
        return len(self._known)

    def get(self, block: bytes) -> Header | None:
        """Give a header by its hash."""
        return self._known.get(block)

    def add(self, raw: bytes, now: int) -> Header:
        """Check a header whose parent is known, and keep it; ``now`` is this host's clock. Raises ``HeaderError``."""
        if len(raw) != HEADER_BYTES:
            message = f"a header has {HEADER_BYTES} bytes"
            raise HeaderError(message)
        block = hash_of(raw)
        known = self._known.get(block)
        if known is not None:
            return known
        parent = self._known.get(raw[4:36])
        if parent is None:
            message = "a header does not follow any that is known"
            raise DetachedHeaderError(message)
        header = Header(raw, block, parent.height + 1, parent.work + work_of(check_work(self._rules, raw)))
        self._check_place(parent, header, now)
        self._known[block] = header
        return header

    def _check_place(self, parent: Header, header: Header, now: int) -> None:
        if header.bits != self.next_bits(parent, header):
            message = f"the difficulty of block {header.height} is not the one that its chain asks for"
            raise HeaderError(message)
        times = self._times(parent)
        # The median is only known where all of its blocks are: not just behind a checkpoint.
        if (len(times) == MEDIAN_BLOCKS or not self.root.height) and header.time <= _median(times):
            message = f"block {header.height} is older than the median of the blocks before it"
            raise HeaderError(message)
        if header.time > now + MAX_FUTURE_SECONDS:
            message = f"block {header.height} is of {header.time}, and this host's clock says {now}"
            raise FutureHeaderError(message)

    def next_bits(self, parent: Header, header: Header) -> int:
        """Give the compact target that ``header`` must have after ``parent`` (``GetNextWorkRequired``)."""
        rules = self._rules
        if not rules.retargets:
            return parent.bits
        if header.height % PERIOD == 0:
            return self._retarget(parent, header)
        if not rules.slow_blocks:
            return parent.bits
        easiest = bits_of(rules.limit)
        if header.time > parent.time + 2 * rules.spacing_seconds:
            return easiest
        return next(item.bits for item in self.back(parent) if item.bits != easiest or item.height % PERIOD == 0)

    def _retarget(self, parent: Header, header: Header) -> int:
        # Bitcoin measures one block too few; Litecoin from the block before the period, which its first period lacks.
        back = PERIOD if self._rules.full_period and header.height != PERIOD else PERIOD - 1
        first = self.ancestor(parent, parent.height - back)
        if first is None:
            return self._plausible(parent, header)
        return bits_of(next_target(self._rules, target_of(parent.bits), parent.time - first.time))

    def _plausible(self, parent: Header, header: Header) -> int:
        """Take the new target as given where it is one that some timespan leads to (``PermittedDifficultyTransition``).

        Only right behind a checkpoint of a chain that measures from the block before the period.
        """
        old = target_of(parent.bits)
        lowest, highest = (bits_of(next_target(self._rules, old, seconds)) for seconds in (0, _WORDS))
        if target_of(lowest) <= target_of(header.bits) <= target_of(highest):
            return header.bits
        return highest

    def back(self, header: Header) -> Iterator[Header]:
        """Give ``header``, its parent, and so on, to the checkpoint."""
        at: Header | None = header
        while at is not None:
            yield at
            at = self._known.get(at.parent) if at.height > self.root.height else None

    def ancestor(self, header: Header, height: int) -> Header | None:
        """Give the header of ``height`` in the chain that ends in ``header``; nothing outside of what is known."""
        if not self.root.height <= height <= header.height:
            return None
        return next(item for item in self.back(header) if item.height == height)

    def fork(self, one: Header, other: Header) -> Header:
        """Give the last header that two chains have in common."""
        while one.hash != other.hash:
            if one.height >= other.height:
                one = self._known[one.parent]
            else:
                other = self._known[other.parent]
        return one

    def median_time(self, header: Header) -> int:
        """Give the median time of a header and the ten before it, in unix seconds (BIP 113)."""
        return _median(self._times(header))

    def _times(self, header: Header) -> list[int]:
        return [item.time for item, _ in zip(self.back(header), range(MEDIAN_BLOCKS), strict=False)]

    def keep(self, *tips: Header) -> None:
        """Forget every header that is in none of the chains to these tips."""
        kept: dict[bytes, Header] = {}
        for tip in tips:
            for header in self.back(tip):
                if header.hash in kept:
                    break
                kept[header.hash] = header
        self._known = kept


def _median(times: list[int]) -> int:
    return sorted(times)[len(times) // 2]
