"""Measures from a node that is not the platform's, and from the books: what is held, claimed, and taken.

Nothing here reads the platform's tables of coins or addresses: scripts follow from the key sets, which are public.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from drills.model import Reading
from drills.psbt import Coin
from strongroom.chains.ethereum.keccak import keccak
from strongroom.demo.configuration import ASSET, CHAIN
from strongroom.demo.ethereum_configuration import CHAIN as DEVNET
from strongroom.demo.ethereum_configuration import (
    HOLDINGS,
    PRICE,
    RELAYERS,
    USDT,
    deployment_of,
    relayer_key_file,
)
from strongroom.demo.evm_wallet import make_wallet
from strongroom.demo.merchant import read_received
from strongroom.ledger import service as ledger
from strongroom.ledger.model import AccountType
from strongroom_core.abi import parse_address
from strongroom_core.amounts import Amount
from strongroom_core.ids import RequestId
from strongroom_core.proof_messages import BooksAre, BooksRequest
from strongroom_signer.keyset import FIRST_MERCHANT_BRANCH, Place

if TYPE_CHECKING:
    from drills.world import World

# Scripts that are looked for: change may be at most 1,000 past the last; merchants of a drill have few addresses.
CHANGE_REACH: Final = 1_100
BRANCH_REACH: Final = 150
BALANCES_MAX: Final = 500
_AT: Final = re.compile(r"\[[0-9a-f]{8}/48[h']/1[h']/0[h']/2[h']/([0-9]+)/([0-9]+)\]")
_CLAIMS: Final = (AccountType.MERCHANT_AVAILABLE, AccountType.MERCHANT_HELD)


async def read(world: World) -> Reading:
    """Measure everything now; chain txs that wait for a block do not count, so settle first."""
    heights = {CHAIN.id: await world.outside.height(), DEVNET.id: await world.ethereum.height()}
    coins = await unspent(world)
    assets = {ASSET.id: sum(coin.amount for coin in coins)} | await _safes(world)
    held, owed = await _thief(world), await claims(world)
    deposited = sum(coin.amount for coin in coins if coin.place.branch >= FIRST_MERCHANT_BRANCH)
    goods, worth = await _unpaid_goods(world), await _own_worth(world)
    gas = await _gas(world, heights[DEVNET.id])
    return Reading(held, assets, owed, gas, goods, worth, deposited, tuple(coins), heights)


async def unspent(world: World) -> list[Coin]:
    """Find every unspent output on the scripts of both key sets, without the chain tx that made it."""
    found = await world.outside.rpc("scantxoutset", "start", descriptors(world))
    hot = {key.fingerprint.hex() for key in world.key_sets["hot"].keys}
    return [_coin(item, hot) for item in found["unspents"]]


def descriptors(world: World) -> list[dict[str, Any]]:
    """Give the scripts of both key sets that are looked for, as ``scantxoutset`` takes them."""
    return [
        {"desc": f"wsh(sortedmulti(2,{_keys(world, key_set, branch)}))", "range": reach}
        for key_set in world.key_sets
        for branch, reach in _reaches(world)
    ]


async def with_previous(world: World, coins: list[Coin]) -> tuple[Coin, ...]:
    """Fetch the chain tx that made each coin."""
    return tuple([_filled(coin, await _raw(world, coin)) for coin in coins])


async def claims(world: World) -> dict[str, int]:
    """Sum what all merchants have in the books, by asset."""
    total: Counter[str] = Counter({ASSET.id: 0} | {item.asset.id: 0 for item in HOLDINGS})
    async with world.scene.database("auditor") as connection:
        audits, _ = await ledger.audit(connection)
    for audit in audits:
        if audit.account.type in _CLAIMS:
            total[audit.account.asset.id] += audit.balance
    return dict(total)


def _reaches(world: World) -> list[tuple[int, int]]:
    return [(0, CHANGE_REACH), *((branch, BRANCH_REACH) for branch in range(1, world.last_branch + 1))]


def _keys(world: World, key_set: str, branch: int) -> str:
    return ",".join(f"{key.text(test=True)}/{branch}/*" for key in world.key_sets[key_set].keys)


def _coin(item: dict[str, Any], hot: set[str]) -> Coin:
    match = _AT.search(item["desc"])
    if match is None:
        message = f"the node describes a script of ours as {item['desc']}"
        raise ValueError(message)
    key_set = "hot" if match[0][1:9] in hot else "cold"
    amount = int(item["amount"].scaleb(ASSET.decimals))
    return Coin(item["txid"], item["vout"], amount, Place(key_set, int(match[1]), int(match[2])), item["height"])


def _filled(coin: Coin, previous: bytes) -> Coin:
    return Coin(coin.txid, coin.vout, coin.amount, coin.place, coin.height, previous)


async def _raw(world: World, coin: Coin) -> bytes:
    block = await world.outside.rpc("getblockhash", coin.height)
    return bytes.fromhex(await world.outside.rpc("getrawtransaction", coin.txid, 0, block))


async def _thief(world: World) -> dict[str, int]:
    held = {ASSET.id: await world.thief.bitcoin()}
    for item in HOLDINGS:
        held[item.asset.id] = await world.ethereum.balance(item.token, world.thief.account)
    return held


async def _safes(world: World) -> dict[str, int]:
    places = deployment_of(world.scene.environment)
    forwarders = [parse_address(text, keccak) for text in world.forwarders]
    held = {}
    for item in HOLDINGS:
        found = [
            await world.ethereum.balance(item.token, of) for of in (places.cold_safe, places.hot_safe, *forwarders)
        ]
        held[item.asset.id] = sum(found)
    return held


def relayer_accounts(world: World) -> tuple[bytes, ...]:
    """Give the accounts that pay the house's gas (20 bytes each)."""
    return tuple(make_wallet(relayer_key_file(world.scene.environment, name)) for name in RELAYERS)


async def _gas(world: World, height: int) -> int:
    """Sum what the relayers had as of a block: relayers go on meanwhile, and chain txs are counted by their blocks."""
    held = [
        await world.ethereum.rpc("eth_getBalance", f"0x{account.hex()}", hex(height))
        for account in relayer_accounts(world)
    ]
    return sum(int(balance, 16) for balance in held)


async def _unpaid_goods(world: World) -> int:
    """Sum what the merchant's server took for paid in Bitcoin, and what is not."""
    believed = {}
    for row in read_received(world.scene.merchant_folder):
        event: Any = row["event"]
        if event["type"] == "invoice.paid" and event["data"]["asset_id"] == ASSET.id:
            believed[event["data"]["id"]] = Amount.parse(event["data"]["amount_paid"], ASSET).base_units
    total = 0
    for invoice_id, units in believed.items():
        invoice = await world.victim.api(lambda api, found=invoice_id: api.invoice(found))  # type: ignore[misc]
        total += units if invoice["status"] != "paid" else 0
    return total


async def _own_worth(world: World) -> int:
    """Value a merchant's balances in each signer's own books; one whose books are not on yet says nothing."""
    worth = []
    for signer in world.signers:
        answer = await signer.ask(BooksRequest(RequestId.new(), "", "", BALANCES_MAX))
        rows = answer.balances if isinstance(answer, BooksAre) else ()
        own = {row.asset: int(row.amount) for row in rows if row.holder == world.mallory.id}
        worth.append(own.get(ASSET.id, 0) * PRICE + own.get(USDT.id, 0))
    return min(worth)
