"""From chain txs, logs and calls to rows of the index. Pure; what follows is common to nodes and files.

Sources: EIP-20 and EIP-721 (Transfer), WETH9 (Deposit, Withdrawal), the Swap events of Uniswap 2 and 3, Curve
(TokenExchange) and Balancer 2; EIP-1559 (the base fee is burned, the rest is the block maker's), EIP-4844 (blob gas is
burned), EIP-4895 (withdrawals, in gwei, after all chain txs of a block).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from Crypto.Hash import keccak

from strongroom_tracing.accounts.model import (
    ADDRESS_BYTES,
    END_OF_BLOCK,
    NO_TXID,
    NOBODY,
    WORD_BYTES,
    Block,
    BlockTransfers,
    Kind,
    Transfer,
)

GWEI: Final = 10**9


def topic(signature: str) -> bytes:
    """Give an event's first topic."""
    return keccak.new(digest_bits=256, data=signature.encode()).digest()


TRANSFER: Final = topic("Transfer(address,address,uint256)")
DEPOSIT: Final = topic("Deposit(address,uint256)")
WITHDRAWAL: Final = topic("Withdrawal(address,uint256)")
SWAPS: Final = frozenset(
    topic(signature)
    for signature in (
        "Swap(address,uint256,uint256,uint256,uint256,address)",
        "Swap(address,address,int256,int256,uint160,uint128,int24)",
        "TokenExchange(address,int128,uint256,int128,uint256)",
        "TokenExchange(address,uint256,uint256,uint256,uint256)",
        "TokenExchangeUnderlying(address,int128,uint256,int128,uint256)",
        "Swap(bytes32,address,address,uint256,uint256)",
    )
)


@dataclass(frozen=True, slots=True)
class ChainTx:
    """A chain tx with what its receipt says.

    ``fee``: all that the sender paid for it; ``tip``: the block maker's part.
    """

    txid: bytes
    index: int
    sender: bytes
    recipient: bytes | None  # of a contract's creation: the contract
    value: int
    success: bool
    fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Log:
    """An event, with its place in the block."""

    txid: bytes
    tx_index: int
    log_index: int
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Inner:
    """Coin that moved inside of a chain tx."""

    sender: bytes
    recipient: bytes
    value: int


# By txid; None where the top-level call failed: receipts say so only since Byzantium (EIP-658).
InnerByTx = dict[bytes, list[Inner] | None]


@dataclass(frozen=True, slots=True)
class Issue:
    """Coin that a block pays out by itself, in wei."""

    recipient: bytes
    value: int


def block_transfers(
    block: Block, miner: bytes, txs: Iterable[ChainTx], logs: Iterable[Log], inner: InnerByTx,
    issues: Sequence[Issue],
) -> BlockTransfers:  # fmt: skip
    """Make all rows of a block, in order."""
    rows = [row for tx in txs for row in _of_tx(block.height, miner, tx, inner.get(tx.txid, []))]
    rows += [row for log in logs if (row := transfer_of(block.height, log)) is not None]
    rows += [
        Transfer(block.height, END_OF_BLOCK, Kind.ISSUED, place, NO_TXID, NOBODY, issue.recipient, b"", issue.value)
        for place, issue in enumerate(issues)
        if issue.value
    ]
    return BlockTransfers(block, tuple(sorted(rows, key=lambda row: row.order)))


def _of_tx(height: int, miner: bytes, tx: ChainTx, inner: Sequence[Inner] | None) -> list[Transfer]:
    found = [(Kind.GAS, 0, tx.sender, NOBODY, tx.fee)]
    if tx.success and inner is not None and tx.recipient is not None:
        found.append((Kind.VALUE, 0, tx.sender, tx.recipient, tx.value))
        found += [(Kind.INTERNAL, n, one.sender, one.recipient, one.value) for n, one in enumerate(inner, 1)]
    found.append((Kind.TIP, 0, NOBODY, miner, tx.tip))
    return [
        Transfer(height, tx.index, kind, place, tx.txid, sender, recipient, b"", value)
        for kind, place, sender, recipient, value in found
        if value
    ]


def transfer_of(height: int, log: Log) -> Transfer | None:
    """Read a log; None where it is none of those that matter, or not in their form."""
    if not log.topics:
        return None
    words = [*log.topics[1:], *(log.data[n : n + WORD_BYTES] for n in range(0, len(log.data), WORD_BYTES))]
    found: tuple[Kind, bytes, bytes, int] | None = None
    first = log.topics[0]
    if first in SWAPS:
        return Transfer(height, log.tx_index, Kind.SWAP, log.log_index, log.txid, log.address, log.address, b"", 0)
    if any(len(one) != WORD_BYTES for one in words):
        return None
    if first == TRANSFER and len(words) == 3:  # noqa: PLR2004 - from, to, amount
        kind = Kind.NFT if len(log.topics) == 4 else Kind.TOKEN  # noqa: PLR2004 - EIP-721 indexes the number too
        found = (kind, words[0], words[1], int.from_bytes(words[2], "big"))
    elif first in (DEPOSIT, WITHDRAWAL) and len(words) == 2:  # noqa: PLR2004 - who, amount
        own, amount = bytes(WORD_BYTES - ADDRESS_BYTES) + log.address, int.from_bytes(words[1], "big")
        found = (Kind.WRAP, own, words[0], amount) if first == DEPOSIT else (Kind.UNWRAP, words[0], own, amount)
    if found is None or any(word[:-ADDRESS_BYTES].strip(b"\0") for word in found[1:3]):
        return None
    kind, sender, recipient, value = found
    ends = sender[-ADDRESS_BYTES:], recipient[-ADDRESS_BYTES:]
    return Transfer(height, log.tx_index, kind, log.log_index, log.txid, *ends, log.address, value)
