"""Takes of drills on the Ethereum devnet: what came to the thief, balances in books, gas that the house paid."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trace_accounts import Followed, balance, follow
from trace_drill_play import Played
from trace_follow import DemonstrationError

from drills.d06_false_tokens import withdraw
from drills.measure import relayer_accounts
from drills.world import World
from strongroom.demo import evm_wallet
from strongroom.demo.bills import EthereumBill
from strongroom.demo.ethereum_configuration import token_of
from strongroom.demo.progress import Progress
from strongroom.infra.components.ethereum_rpc import EthereumRpc
from strongroom_core.amounts import Amount
from strongroom_core.assets import DEVNET, DEVNET_ETH, Asset
from strongroom_core.evm import ZERO_ADDRESS
from strongroom_tracing.accounts.model import Mark
from strongroom_tracing.accounts.service import marks_into
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.report.model import Table

GAS_MONEY: Final = 10**18  # wei
OWN: Final = 50_000_000  # base units of a token that the thief has already
_WHO: Final = "thief"
_FRIENDS: Final = ("friend-1", "friend-2")
_DESKS: Final = ("exchange-1", "exchange-2")
_MAKER: Final = "block-maker"
_CHAIN_NUMBER: Final = int(DEVNET.id.rpartition(":")[2])


async def make_ready(world: World, asset: Asset) -> None:
    """Before the drill: the thief has money of its own, and somebody makes the blocks whose tips somebody gets."""
    await world.ethereum.rpc("anvil_setCoinbase", _address(world, _MAKER))
    own = [await world.ethereum.pay(ZERO_ADDRESS, world.thief.account, GAS_MONEY)]
    if asset.contract is not None:
        own.append(await world.ethereum.pay(token_of(asset), world.thief.account, OWN))
    await world.ethereum.settle(*own)


async def received(played: Played, progress: Progress) -> dict[str, Any]:
    """Follow what came to the thief's account between the two measurements."""
    before, after = (reading.heights[DEVNET.id] for reading in (played.measured.before, played.measured.after))
    return await _received(played, (before + 1, after), progress)


async def booked(played: Played, progress: Progress) -> dict[str, Any]:
    """Follow a take that stands in the signers' books: the thief withdraws it, if the signers let it, and goes on."""
    world, worth = played.world, Amount(played.drill.asset, played.take)
    first = await world.ethereum.height() + 1
    with progress.step("withdraw", "The thief withdraws what it is richer by in the signers' books") as outcome:
        paid = await withdraw(world, played.take, "the take, withdrawn")
        outcome.detail = world.thief.tried[-1].rpartition(": ")[2]
    said = f"The take of drill {played.drill.number} ({played.drill.name}), {worth}, stood in both signers' books"
    if not paid:
        words = f"{said}; they refused to pay it out ({outcome.detail}), so there is nothing to follow on a chain."
        return {"nothing": words}
    said += "; the thief withdrew it, and from there it is followed."
    return {**await _received(played, (first, await world.ethereum.height()), progress, said), "said": said}


async def gas(played: Played, progress: Progress) -> dict[str, Any]:
    """Follow what relayers paid for gas: of what is burnt nothing is left, the rest came to who made the blocks."""
    heights = [reading.heights[DEVNET.id] for reading in (played.measured.before, played.measured.after)]
    node, relayers = EthereumRpc(_port(played.world)), [_hex(one) for one in relayer_accounts(played.world)]
    paid = await asyncio.to_thread(gas_of, node, relayers, heights[0] + 1, heights[1])
    if sum(one.paid for one in paid) != played.take:
        message = f"the drill measured {played.take} wei, the relayers' chain txs cost {sum(one.paid for one in paid)}"
        raise DemonstrationError(message)
    tips = sum(one.tip for one in paid)
    burnt = Amount(DEVNET_ETH, played.take - tips)
    said = (
        f"The take of drill {played.drill.number} ({played.drill.name}) is gas of {len(paid)} chain txs that the house "
        f"paid, {Amount(DEVNET_ETH, played.take)}; the thief got none of it. {burnt} of it was burnt by the chain "
        "(EIP-1559) and is nobody's any more; the rest came to who made the blocks."
    )
    if not tips:
        return {"nothing": f"{said} There is nothing to follow."}
    followed = Followed(
        folder=played.folder,
        port=_port(played.world),
        asset=DEVNET_ETH,
        take=tips,
        marks=lambda _: tuple(Mark(played.claim, f"{one.txid}:tip0") for one in paid if one.tip),
        exchange=[_address(played.world, name) for name in _DESKS],
        title=played.title,
        opening=said,
        table=_table(paid),
    )
    told = await asyncio.to_thread(follow, followed, progress)
    return {**told, "said": said, "marked": str(tips), "burnt": str(played.take - tips)}


@dataclass(frozen=True, slots=True)
class GasPaid:
    """What a chain tx cost its sender, and what of that its block's maker got, in wei; the rest is burnt."""

    txid: str
    sender: str
    paid: int
    tip: int


def gas_of(node: EthereumRpc, senders: Sequence[str], first: int, last: int) -> list[GasPaid]:
    """Give what chain txs of these senders in these blocks cost. Raises ``NodeRpcError``, ``NodeUnreachableError``."""
    found = []
    for height in range(first, last + 1):
        block = node.call("eth_getBlockByNumber", hex(height), True)  # noqa: FBT003 -- with bodies
        for tx in block["transactions"]:
            if tx["from"].lower() in senders:
                receipt = node.call("eth_getTransactionReceipt", tx["hash"])
                used, price = int(receipt["gasUsed"], 16), int(receipt["effectiveGasPrice"], 16)
                tip = used * (price - int(block["baseFeePerGas"], 16))
                found.append(GasPaid(str(tx["hash"]), tx["from"].lower(), used * price, tip))
    return found


def _table(paid: Sequence[GasPaid]) -> Table:
    def text(value: int) -> str:
        return f"{Amount(DEVNET_ETH, value)}"

    rows = tuple((one.txid, one.sender, text(one.paid), text(one.paid - one.tip), text(one.tip)) for one in paid)
    note = "What the house paid for: each chain tx, what was burnt of its gas, and what the block's maker got."
    columns = ("chain tx", "relayer", "gas", "burnt", "tip")
    return Table("Gas", note, columns, frozenset(columns[2:]), rows)


async def _received(played: Played, blocks: tuple[int, int], progress: Progress, opening: str = "") -> dict[str, Any]:
    world, asset = played.world, played.drill.asset
    await _go_on(world, asset, progress)
    thief = _hex(world.thief.account)

    def marks(transfers: Transfers) -> tuple[Mark, ...]:
        return marks_into(transfers, played.claim, thief, assets={asset.id}, since=blocks[0], until=blocks[1])

    followed = Followed(
        folder=played.folder,
        port=_port(world),
        asset=asset,
        take=played.take,
        marks=marks,
        exchange=[_address(world, name) for name in _DESKS],
        title=played.title,
        opening=opening,
    )
    return {**await asyncio.to_thread(follow, followed, progress), "marked": str(played.take)}


async def _go_on(world: World, asset: Asset, progress: Progress) -> None:
    """Have the thief split its take, with its own money in it, over two friends, who cash some of it."""
    with progress.step("thief", "The thief splits its take and cashes some of it") as outcome:
        for friend in _FRIENDS:
            await _pay(world, DEVNET_ETH, _WHO, friend, GAS_MONEY // 10)
        has = await _balance(world, asset, _WHO)
        first, second = has * 2 // 5, has * 3 // 10
        await _pay(world, asset, _WHO, _FRIENDS[0], first)
        await _pay(world, asset, _WHO, _FRIENDS[1], second)
        await _pay(world, asset, _FRIENDS[0], _DESKS[0], first // 2)
        await _pay(world, asset, _FRIENDS[1], _DESKS[1], second)
        cashed = Amount(asset, first // 2 + second)
        outcome.detail = f"{1 + len(_FRIENDS)} parts, {cashed} to {len(_DESKS)} addresses of an exchange"


async def _pay(world: World, asset: Asset, payer: str, payee: str, units: int) -> None:
    bill = EthereumBill(_CHAIN_NUMBER, asset.contract, _address(world, payee), units)
    node, file = EthereumRpc(_port(world)), _key_file(world, payer)
    await world.ethereum.settle(await asyncio.to_thread(evm_wallet.pay, node, file, bill))


async def _balance(world: World, asset: Asset, name: str) -> int:
    return await asyncio.to_thread(balance, EthereumRpc(_port(world)), asset, _address(world, name))


def _port(world: World) -> int:
    return world.scene.supervisor.ethereum.rpc_port


def _key_file(world: World, name: str) -> Path:
    return world.scene.environment.root / "shopper" / f"{name}.key"


def _address(world: World, name: str) -> str:
    """Give the address of somebody outside, who gets a key where there is none yet."""
    return _hex(evm_wallet.make_wallet(_key_file(world, name)))


def _hex(address: bytes) -> str:
    return f"0x{address.hex()}"
