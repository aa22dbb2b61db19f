"""Scanning all unspent outputs (``scantxoutset``), for reconciliation: slow on a big chain, and abortable."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

from strongroom.chains.bitcoin.rpc import RpcClient, base_units
from strongroom.chains.errors import NodeError, NodeRefusedError, ScanBusyError
from strongroom.chains.model import ScannedCoin, ScanRange, UtxoScan

SCAN_SECONDS: Final = 3600.0  # a full mainnet set takes minutes on a slow disk
ABORT_SECONDS: Final = 10.0
ABORT_POLL_SECONDS: Final = 0.1
TARGETS_MAX: Final = 200_000  # a request of the node is at most 32 MiB; a ranged descriptor is one target
_BUSY: Final = -8  # bitcoin/src/rpc/protocol.h: RPC_INVALID_PARAMETER, which a running scan answers with


async def scan_utxos(rpc: RpcClient, targets: Sequence[bytes | ScanRange | str]) -> UtxoScan:
    """Find all unspent outputs of scripts (bytes), descriptors (text) and ranged descriptors.

    Cancelling the task aborts the scan on the node. Raises ``ScanBusyError`` while another scan runs there.
    """
    if len(targets) > TARGETS_MAX:
        message = f"{len(targets)} targets are too many for one scan ({TARGETS_MAX}); use ranged descriptors"
        raise NodeError(message)
    try:
        answer = await rpc.call(
            "scantxoutset", "start", [_object(item) for item in targets], timeout_seconds=SCAN_SECONDS
        )
    except asyncio.CancelledError:
        with contextlib.suppress(NodeError, TimeoutError):
            async with asyncio.timeout(ABORT_SECONDS):
                await _abort(rpc)
        raise
    except NodeRefusedError as error:
        if error.number == _BUSY and "in progress" in error.message:
            raise ScanBusyError(error.message) from None
        raise
    return _scan(answer)


async def _abort(rpc: RpcClient) -> None:
    """Ask until no scan runs: the node forgets a first request that comes while it still derives scripts."""
    while await rpc.call("scantxoutset", "status") is not None:
        await rpc.call("scantxoutset", "abort")
        await asyncio.sleep(ABORT_POLL_SECONDS)


def _object(target: bytes | ScanRange | str) -> object:
    match target:
        case bytes():
            return f"raw({target.hex()})"
        case ScanRange():
            return {"desc": target.descriptor, "range": target.last}
        case _:
            return target


def _scan(answer: Any) -> UtxoScan:
    if not answer.get("success"):
        message = "the scan of unspent outputs was aborted"
        raise NodeError(message)
    coins = tuple(
        ScannedCoin(
            txid=str(coin["txid"]),
            vout=int(coin["vout"]),
            script=bytes.fromhex(coin["scriptPubKey"]),
            amount=base_units(coin["amount"]),
            height=int(coin["height"]),
            coinbase=bool(coin.get("coinbase", False)),
        )
        for coin in answer["unspents"]
    )
    return UtxoScan(int(answer["height"]), str(answer["bestblock"]), coins)
