"""Drill 6: tokens and contracts that lie. Their logs look like deposits, to the platform and to the signers' own books.

What the platform's watcher believes of them is tested one by one elsewhere; here the thief also owns the platform, and
shows the lies to the signers as proofs.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from drills.model import Drill
from drills.thief import refusal
from strongroom.chains.ethereum.contracts import DEPLOYER, NO_SALT, contract, create2_address
from strongroom.chains.ethereum.keccak import keccak
from strongroom.demo.ethereum_configuration import CHAIN, HOLDINGS, USDT, deployment_of, text, token_of
from strongroom.outbound.safe import building
from strongroom.proofs.ethereum.blocks import ReadBlock
from strongroom_client.signing import make_intent, sign_intent
from strongroom_core.amounts import Amount
from strongroom_core.errors import StrongroomError
from strongroom_core.evm import Call, SafeTx, encode_draw, encode_transfer
from strongroom_core.ids import RequestId
from strongroom_core.messages import SafeSigned
from strongroom_core.proof_messages import Proven, ProveReceiptsRequest, ReceiptProof

if TYPE_CHECKING:
    from drills.world import World

FORGED: Final = 500_000_000
LOOT: Final = 100_000_000
SWEPT: Final = keccak(b"Swept(address,uint256)")
# Blocks until the devnet's node calls one final.
FINAL: Final = 70
TRANSFER_TOPICS: Final = 3


async def attack(world: World) -> None:
    """Write logs that say money came, show them as proofs, and withdraw what somebody believed."""
    made = await world.mallory.api(lambda api: api.deposit_address(asset=USDT.id, reference="lies"))
    forwarder = bytes.fromhex(made["address"][2:])
    world.forwarders.add(made["address"])
    sent = {
        "a log of a contract's own that says Swept": await _swept(world),
        "a token that has the name only": await _named_alike(world, forwarder),
        "a transfer that is only a log": await _spoofed(world, forwarder),
    }
    await world.ethereum.settle(*sent.values())
    await world.ethereum.mine(FINAL)
    await asyncio.sleep(3.0)  # the signers' own nodes look every second
    for what, txid in sent.items():
        await _prove(world, what, txid)
    balances = await world.mallory.api(lambda api: api.balances())
    shown = next((item["available"] for item in balances if item["asset"] == USDT.id), "0")
    world.thief.note("what the platform credited", f"{shown} {USDT.code}")
    if world.judges("balance-merchant"):
        await withdraw(world, LOOT, "what the lies would be worth, withdrawn")


async def _swept(world: World) -> str:
    """Creation code that writes ``Swept(USDT, amount)`` and leaves nothing: PUSH32 MSTORE PUSH32 PUSH32 LOG2."""
    amount, token = FORGED.to_bytes(32, "big"), token_of(USDT).rjust(32, b"\0")
    code = b"\x7f" + amount + b"\x5f\x52\x7f" + token + b"\x7f" + SWEPT + b"\x60\x20\x5f\xa2\x00"
    return await world.ethereum.send(DEPLOYER, _salt() + code)


async def _named_alike(world: World, forwarder: bytes) -> str:
    salt, code = _salt(), contract("test/StandardToken").init_code("Tether USD", "USDT", 6)
    await world.ethereum.settle(await world.ethereum.send(DEPLOYER, salt + code))
    return await world.ethereum.pay(create2_address(DEPLOYER, salt, code), forwarder, FORGED)


async def _spoofed(world: World, forwarder: bytes) -> str:
    code = contract("test/Spoofer").init_code()
    place = create2_address(DEPLOYER, NO_SALT, code)
    if not await world.ethereum.has_code(place):
        await world.ethereum.settle(await world.ethereum.send(DEPLOYER, NO_SALT + code))
    return await world.ethereum.send(place, contract("test/Spoofer").call("spoof", token_of(USDT), forwarder, FORGED))


def _salt() -> bytes:
    """The same code once more is another contract."""
    return time.time_ns().to_bytes(32, "big")


async def _prove(world: World, what: str, txid: str) -> None:
    """Show a true receipt of a lie to both signers; then the same with its proof bent."""
    receipt = await world.ethereum.rpc("eth_getTransactionReceipt", txid)
    block_hash = receipt["blockHash"]
    block = await world.ethereum.rpc("eth_getBlockByHash", block_hash, False)  # noqa: FBT003 -- no bodies
    receipts = await world.ethereum.rpc("eth_getBlockReceipts", block_hash)
    position = int(receipt["transactionIndex"], 16)
    proof = ReadBlock.read(block, receipts, block_hash).proof(position, 0, world.mallory.branch, 0)
    nodes = proof.nodes.replace(FORGED.to_bytes(32, "big"), (2 * FORGED).to_bytes(32, "big"))
    words = [await _ask(world, item) for item in (proof, replace(proof, nodes=nodes), replace(proof, branch=1))]
    world.thief.note(what, f"{words[0]}; its proof bent: {words[1]}; as the house's: {words[2]}")


async def _ask(world: World, proof: ReceiptProof) -> str:
    words = []
    for signer in world.signers:
        try:
            answer = await signer.ask(ProveReceiptsRequest(RequestId.new(), CHAIN.id, (proof,)))
        except StrongroomError as error:
            words.append(error.code)
            continue
        words.append(refusal(answer) or (answer.results[0].tag if isinstance(answer, Proven) else "") or "booked")
    return "/".join(words)


async def withdraw(world: World, units: int, what: str) -> bool:
    """Have the hot Safe draw from cold and pay the thief USDT, on its own merchant's signature; whether it was paid."""
    fee = next(item.payout_fee for item in HOLDINGS if item.asset == USDT)
    intent = make_intent(
        deployment=world.scene.settings.deployment,
        merchant=world.mallory.id,
        amount=Amount(USDT, units),
        destination=text(world.thief.account),
        fee_ceiling=Amount(USDT, fee),
    )
    evidence = (sign_intent(intent, world.mallory.key),)
    places, token = deployment_of(world.scene.environment), token_of(USDT)
    nonce = await world.ethereum.call(places.hot_safe, contract("safe/Safe").call("nonce"))
    pays = Call(token, 0, encode_transfer(world.thief.account, units))
    draw = Call(places.allowance, 0, encode_draw(token, units))
    tx = SafeTx.of_calls(places.hot_safe, nonce, (draw, pays), places.multisend)
    answers = [await signer.sign_safe(CHAIN.id, tx.encode(), evidence) for signer in world.signers]
    words = [refusal(answer) or answer.kind for answer in answers]
    world.thief.note(what, ", ".join(words))
    signed = [answer.signature for answer in answers if isinstance(answer, SafeSigned)]
    if len(signed) < len(answers):
        return False
    chain = next(item for item in world.scene.settings.chains if item.id == CHAIN.id)
    call = building.combine(building.contracts(chain), tx, signed)
    await world.ethereum.settle(await world.ethereum.send(places.hot_safe, call))
    return True


async def strange(world: World) -> str:
    """What a monitor sees that reads all logs to our addresses: a transfer by a contract that is no asset of ours."""
    known = {"0x" + token_of(item.asset).hex() for item in HOLDINGS}
    transfer = "0x" + keccak(b"Transfer(address,address,uint256)").hex()
    tip = await world.ethereum.height()
    logs = await world.ethereum.rpc("eth_getLogs", {"fromBlock": hex(max(0, tip - 2 * FINAL)), "topics": [transfer]})
    ours = {item.lower() for item in world.forwarders}
    strangers = [log for log in logs if log["address"] not in known and len(log["topics"]) == TRANSFER_TOPICS]
    found = [log for log in strangers if "0x" + log["topics"][2][-40:] in ours]
    return f"a token that is none of ours paid {len(found)} of our addresses" if found else ""


DRILL = Drill(
    number=6,
    name="False tokens",
    owned="the platform, a merchant, contracts of its own",
    tried="logs that say Swept or Transfer, as deposits and as proofs; a withdrawal",
    attack=attack,
    rules=("proof-place", "balance-merchant"),
    mutants=("balance-merchant",),
    asset=USDT,
    believes_books=False,
    probe=strange,
)
