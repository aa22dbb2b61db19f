"""Money in on the Ethereum devnet: house capital, the allowance, and the shopper's payments in USDT and USDC."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, Final

from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.ethereum.deployment import THRESHOLD, cold_ceremony
from strongroom.chains.ethereum.keccak import keccak
from strongroom.demo.commands import SIGNER, run_command
from strongroom.demo.errors import ObservationError
from strongroom.demo.ethereum_configuration import (
    CHAIN,
    COLD_OWNERS,
    CONFIRMATIONS,
    HOLDINGS,
    USDC,
    USDT,
    deployment_of,
    text,
)
from strongroom.demo.merchant import read_received
from strongroom.demo.scene import Scene, seconds_between, until
from strongroom.demo.shopper import Wallets
from strongroom.infra.components.hosting import write_private
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind
from strongroom_core.abi import parse_address
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset
from strongroom_core.evm import SafeTx, encode_exec_transaction

PRICE: Final = ("120.00", "EUR")


async def deposit_capital(scene: Scene) -> str:
    """The operator pays house capital to a forwarder of the house's branch, and the books credit it."""
    if "house_forwarder" not in scene.environment.facts:
        async with scene.database("treasury") as connection:
            address = await wallets.house_address(connection, CHAIN.id, KeySetKind.COLD)
        scene.environment.finish("house-forwarder", house_forwarder=text(address.script))
    forwarder = parse_address(scene.fact("house_forwarder"), keccak)
    cold = deployment_of(scene.environment).cold_safe
    for item in HOLDINGS:
        there = sum([await scene.ethereum.balance(item.token, place) for place in (forwarder, cold)])
        if there < item.capital:
            await scene.ethereum.settle(await scene.ethereum.pay(item.token, forwarder, item.capital - there))
    await until("the house's capital in the books", lambda: _capital(scene))
    scene.environment.finish("house-capital-evm")
    return ", ".join(str(Amount(item.asset, item.capital)) for item in HOLDINGS)


async def allow(scene: Scene) -> str:
    """Two offline keys allow the hot Safe to draw, by an exported Safe transaction that each looks at and signs."""
    deployment, safe = deployment_of(scene.environment), contract("safe/Safe")
    enabled = safe.call("isModuleEnabled", deployment.allowance)
    if not await scene.ethereum.call(deployment.cold_safe, enabled):
        nonce = await scene.ethereum.call(deployment.cold_safe, safe.call("nonce"))
        calls = cold_ceremony(deployment, {item.token: item.draw for item in HOLDINGS})
        safe_tx = SafeTx.of_calls(deployment.cold_safe, nonce, calls, deployment.multisend)
        signatures = await _sign_offline(scene, safe_tx)
        sent = await scene.ethereum.send(deployment.cold_safe, encode_exec_transaction(safe_tx, signatures))
        await scene.ethereum.settle(sent)
    for item in HOLDINGS:
        left = await scene.ethereum.call(deployment.allowance, contract("Allowance").call("left", item.token))
        if left != item.draw:
            message = f"the hot Safe may draw {left} base units of {item.asset.code} instead of {item.draw}"
            raise ObservationError(message)
    scene.environment.finish("allowance")
    draws = ", ".join(str(Amount(item.asset, item.draw)) for item in HOLDINGS)
    return f"{draws} a day, which the house's capital covers"


async def issue_invoice(scene: Scene) -> str:
    """An invoice in euros, to be paid in USDT."""
    invoice = await _issue(scene, USDT, "usdt")
    return f"{' '.join(PRICE)} = {invoice['amount_due']} {USDT.code} at {invoice['checkout_url']}"


async def pay_invoice(scene: Scene) -> str:
    """The shopper opens the checkout page and pays what it says, by a transfer of its own signing."""
    txid = await _pay(scene, USDT, "usdt")
    return f"by {txid[:18]}…"


async def credit(scene: Scene) -> str:
    """Blocks confirm it, and the merchant's balance is credited with exactly what the node says has arrived."""
    start = time.monotonic()
    invoice = await _credited(scene, USDT, "usdt")
    scene.progress.figure("usdt_paid_seconds", time.monotonic() - start)
    scene.environment.finish("usdt-credited")
    return f"{invoice['amount_paid']} {USDT.code} available after {CONFIRMATIONS} confirmations"


async def check_webhook(scene: Scene) -> str:
    """The merchant's server has the signed news."""
    row = await until("invoice.paid at the merchant's server", lambda: _received(scene, scene.fact("usdt_invoice")))
    scene.progress.figure("usdt_webhook_seconds", seconds_between(row["event"]["timestamp"], row["received_at"]))
    scene.environment.finish("usdt-webhook")
    return "invoice.paid, verified"


async def earn_usdc(scene: Scene) -> str:
    """A second invoice, paid in USDC, so that there is USDC to pay out."""
    if "usdc_invoice" not in scene.environment.facts:
        await _issue(scene, USDC, "usdc")
    await _pay(scene, USDC, "usdc")
    paid = await _credited(scene, USDC, "usdc")
    scene.environment.finish("usdc-credited")
    return f"{paid['amount_paid']} {USDC.code} available"


async def _sign_offline(scene: Scene, safe_tx: SafeTx) -> bytes:
    """Have as many cold keys as it takes sign, each with its own hand's command; in the order that the Safe wants."""
    environment = scene.environment
    exported = environment.root / "offline" / "allowance.safe-tx"
    write_private(exported, safe_tx.encode().hex() + "\n")
    wanted = "0x" + safe_tx.hash(CHAIN.evm_id, keccak).hex()

    async def sign(name: str) -> tuple[bytes, bytes]:
        what = ("--chain", CHAIN.id, "--safe-tx", str(exported), "--hash", wanted)
        folder, secret = str(environment.key_folder(name)), environment.passphrase_file(name)
        answer = json.loads(await run_command(*SIGNER, "owner-sign", "--dir", folder, *what, secret=secret))
        return parse_address(answer["owner"], keccak), bytes.fromhex(answer["signature"])

    signed = await asyncio.gather(*(sign(name) for name in COLD_OWNERS[:THRESHOLD]))
    return b"".join(signature for _, signature in sorted(signed))


async def _capital(scene: Scene) -> bool | None:
    async with scene.database("auditor") as connection:
        for item in HOLDINGS:
            if await ledger.balance(connection, Account(AccountType.HOUSE_CAPITAL, item.asset)) < item.capital:
                return None
    return True


async def _issue(scene: Scene, asset: Asset, name: str) -> dict[str, Any]:
    """Make an invoice to be paid in an asset, once, and remember it."""
    amount, currency = PRICE
    order = f"order-{name}-{scene.environment.facts.get(f'{name}_expired', 0)}"
    invoice = await scene.verified(
        lambda api: api.create_invoice(
            amount=amount,
            currency=currency,
            asset=asset.id,
            reference=order,
            description=f"An order, paid in {asset.code}",
            idempotency_key=f"demonstration-{order}",
        )
    )
    facts = {"invoice": invoice["id"], "checkout_url": invoice["checkout_url"], "address": invoice["address"]}
    scene.environment.finish(f"{name}-invoice", **{f"{name}_{key}": value for key, value in facts.items()})
    return dict(invoice)


async def _pay(scene: Scene, asset: Asset, name: str) -> str:
    """Have the shopper pay an invoice, once; the txid."""
    invoice = await scene.api(lambda api: api.invoice(scene.fact(f"{name}_invoice")))
    if invoice["payments"]:  # by a start that was interrupted right after
        txid = str(invoice["payments"][0]["txid"])
    else:
        if invoice["status"] == "expired":  # the start before this one was interrupted long ago
            again = int(scene.environment.facts.get(f"{name}_expired", 0)) + 1
            scene.environment.finish(f"{name}-invoice", **{f"{name}_expired": again})
            await _issue(scene, asset, name)
        program = (sys.executable, "-m", "strongroom.demo.shopper", *Wallets.of(scene.environment).arguments())
        txid = str((await scene.command(*program, scene.fact(f"{name}_checkout_url")))["txid"])
    scene.environment.finish(f"{name}-payment", **{f"{name}_payment": txid})
    return txid


async def _credited(scene: Scene, asset: Asset, name: str) -> dict[str, Any]:
    if await scene.ethereum.rpc("eth_getTransactionByHash", scene.fact(f"{name}_payment")) is None:
        await _pay(scene, asset, name)  # a node that is stopped forgets what waits for a block

    async def paid() -> dict[str, Any] | None:
        invoice = await scene.api(lambda api: api.invoice(scene.fact(f"{name}_invoice")))
        return dict(invoice) if invoice["status"] == "paid" else None

    invoice = await until(f"the invoice paid in {asset.code}", paid)
    balances = await scene.api(lambda api: api.balances())
    available = [item["available"] for item in balances if item["asset"] == asset.id]
    if available != [invoice["amount_paid"]] or invoice["amount_paid"] != invoice["amount_due"]:
        message = f"the invoice was paid {invoice['amount_paid']} {asset.code}, and the balance says {available}"
        raise ObservationError(message)
    return invoice


async def _received(scene: Scene, invoice: str) -> dict[str, Any] | None:
    for row in read_received(scene.merchant_folder):
        event: Any = row["event"]
        if event["type"] == "invoice.paid" and event["data"]["id"] == invoice:
            return dict(row)
    return None
