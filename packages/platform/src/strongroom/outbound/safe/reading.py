"""What the chain says about our Safes: balances, the allowance, nonces, owners; and what it would do with calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from strongroom.chains.errors import CallRevertedError, NodeError, NodeRefusedError
from strongroom.chains.ethereum.model import Place
from strongroom.outbound.model import Payment
from strongroom.outbound.safe.model import Contracts, Funds, SafeNode, token_of
from strongroom_core.abi import ADDRESS_BYTES, WORD, padded, tail, word
from strongroom_core.assets import Asset, asset_by_id
from strongroom_core.evm import ZERO_ADDRESS, Call, encode_multi_send, encode_transfer

# Safe.sol and StorageAccessible.sol of Safe 1.3 to 1.5: nonce(), getOwners(), simulateAndRevert(address,bytes).
_NONCE: Final = bytes.fromhex("affed0e0")
_GET_OWNERS: Final = bytes.fromhex("a0e67e2b")
_SIMULATE: Final = bytes.fromhex("b4faba09")
# left(address) and limits(address) of our allowance contract; the first word of a limit is its base units per day.
_LEFT: Final = bytes.fromhex("99bcc052")
_LIMITS: Final = bytes.fromhex("20d7bec1")
# Error(string) of Solidity.
_ERROR: Final = bytes.fromhex("08c379a0")
_REASON_MAX: Final = 200


async def nonce(node: SafeNode, places: Contracts, block: Place = "latest", *, safe: bytes | None = None) -> int:
    """Give the next nonce of the hot Safe, or of another ``safe``."""
    return int.from_bytes(await node.call(safe or places.hot_safe, _NONCE, block), "big")


async def owners(node: SafeNode, places: Contracts, *, safe: bytes | None = None) -> frozenset[bytes]:
    """Give the owners of the hot Safe, or of another ``safe``, as they are now."""
    found = await node.call(safe or places.hot_safe, _GET_OWNERS)
    words = [found[at : at + WORD] for at in range(2 * WORD, len(found), WORD)]
    return frozenset(item[-ADDRESS_BYTES:] for item in words)


async def balance(node: SafeNode, asset: Asset, address: bytes, block: Place = "latest") -> int:
    """Give what an address has of an asset."""
    token = token_of(asset)
    if token is None:
        return await node.balance(address, block)
    return await node.token_balance(token, address, block)


async def funds(node: SafeNode, places: Contracts, asset: Asset, block: Place) -> Funds:
    """Give what hot and cold have of an asset at a block, and what may still be drawn there."""
    hot, cold, left = await asyncio.gather(
        balance(node, asset, places.hot_safe, block),
        balance(node, asset, places.cold_safe, block),
        node.call(places.allowance, _LEFT + padded(token_of(asset) or ZERO_ADDRESS), block),
    )
    return Funds(hot, cold, int.from_bytes(left, "big"))


async def draw_limit(node: SafeNode, places: Contracts, asset: Asset, block: Place = "latest") -> int:
    """Give what the chain lets the hot Safe draw of an asset in 24 hours, in base units; 0 where none was set."""
    limit = await node.call(places.allowance, _LIMITS + padded(token_of(asset) or ZERO_ADDRESS), block)
    return int.from_bytes(limit[:WORD], "big")


async def would_fail(node: SafeNode, places: Contracts, calls: Iterable[Call], gas: int) -> str | None:
    """Run calls as the hot Safe on the latest block; why they fail, or None where they all succeed.

    The Safe itself runs MultiSendCallOnly and undoes everything (``simulateAndRevert``), so that no signature is
    needed and nothing is assumed about tokens. ``gas`` is what their execution will have: a destination that burns more
    fails here. Raises ``NodeError`` where the node cannot say.
    """
    inner = encode_multi_send(tuple(calls))
    data = _SIMULATE + padded(places.multisend) + word(2 * WORD) + tail(inner)
    try:
        await node.call(places.hot_safe, data, gas=gas)
    except CallRevertedError as error:
        if len(error.data) < 2 * WORD:
            message = f"the hot Safe cannot simulate: {error.message}"
            raise NodeError(message) from None
        succeeded = int.from_bytes(error.data[:WORD], "big") == 1
        return None if succeeded else reason_of(error.data[2 * WORD :])
    except NodeRefusedError as error:
        return _out_of_gas(error)
    message = "the hot Safe simulated nothing: is it a Safe of 1.3 or later?"
    raise NodeError(message)


async def exec_fails(
    node: SafeNode, places: Contracts, calldata: bytes, gas: int, *, safe: bytes | None = None
) -> str | None:
    """Run an ``execTransaction`` on the latest block with the gas it will have; why it fails, None if it does not.

    Of the hot Safe, or of another ``safe``.
    """
    try:
        await node.call(safe or places.hot_safe, calldata, sender=places.multisend, gas=gas)
    except CallRevertedError as error:
        return reason_of(error.data)
    except NodeRefusedError as error:
        return _out_of_gas(error)
    return None


async def moves_nothing(node: SafeNode, places: Contracts, payment: Payment) -> bool:
    """Whether a token says that it would not move a payment, though it does not fail: it answers zero.

    Asked for no more than the hot Safe has now, since draws come first when it is executed. One that fails is found by
    ``would_fail``.
    """
    token = token_of(asset_by_id(payment.asset))
    if token is None:
        return False
    amount = min(payment.amount, await node.token_balance(token, places.hot_safe))
    try:
        answer = await node.call(token, encode_transfer(payment.script, amount), sender=places.hot_safe)
    except (CallRevertedError, NodeRefusedError):
        return False
    return bool(answer) and not any(answer)


def _out_of_gas(error: NodeRefusedError) -> str:
    """Read a node's refusal to go on; anything but a lack of gas is the node's own trouble."""
    if "gas" not in error.message.lower():
        raise error
    return "it needs more gas than a payment may use"


def reason_of(data: bytes) -> str:
    """Read why a call was reverted, for people; tokens' own words are cut short and kept printable."""
    if not data.startswith(_ERROR) or len(data) < len(_ERROR) + 2 * WORD:
        return f"reverted with 0x{data[:WORD].hex()}" if data else "reverted without a reason"
    length = int.from_bytes(data[len(_ERROR) + WORD : len(_ERROR) + 2 * WORD], "big")
    text = data[len(_ERROR) + 2 * WORD :][: min(length, _REASON_MAX)].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text) or "reverted without a reason"
