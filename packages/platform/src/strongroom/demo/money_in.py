"""The first half of the main job: house capital, a merchant, an invoice, a payment, a balance, a webhook."""

from __future__ import annotations

import asyncio
import sys
import time
import urllib.error
import urllib.request
from typing import Any, Final

from strongroom.chains import service as chains
from strongroom.demo.changes import apply_merchants, draft_file
from strongroom.demo.commands import MERCHANT, SIGNER, STRONGROOM, run_command
from strongroom.demo.configuration import ASSET, CAPITAL_COLD, CAPITAL_HOT, CHAIN, CONFIRMATIONS, HORIZON
from strongroom.demo.environment import SIGNERS, make_passphrase
from strongroom.demo.errors import ObservationError
from strongroom.demo.ethereum_configuration import HOLDINGS
from strongroom.demo.merchant import SECRET_FILE, read_received
from strongroom.demo.outside import OPERATOR, SHOPPER
from strongroom.demo.scene import Scene, seconds_between, until
from strongroom.demo.shopper import Wallets
from strongroom.infra.components.hosting import write_private
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType
from strongroom.merchants import service as merchants
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeySetKind
from strongroom_client.pins import Pins, render_pins
from strongroom_core.amounts import Amount
from strongroom_core.ids import MerchantId

MERCHANT_NAME: Final = "Demonstration Shop"
PRICE: Final = ("120.00", "EUR")
# Base units: what the merchant allows itself, on each signer: a payout, and all payouts of a day.
CAPS: Final = {ASSET.id: (10_000_000, 20_000_000)} | {
    item.asset.id: (item.draw // 4, item.draw // 2) for item in HOLDINGS
}
BAD_REQUEST: Final = 400


async def deposit_capital(scene: Scene) -> str:
    """The operator pays house capital to the house branch, hot and cold, and the books credit it."""
    for kind, amount in ((KeySetKind.HOT, CAPITAL_HOT), (KeySetKind.COLD, CAPITAL_COLD)):
        await _pay_capital(scene, kind, Amount(ASSET, amount))
    await scene.outside.mine(CONFIRMATIONS)
    total = await until("house capital in the books", lambda: _capital(scene))
    # Coins are spent only beyond the reorg horizon.
    await scene.outside.mine(HORIZON - CONFIRMATIONS)
    await until("a hot intake, since house capital covers it", lambda: _hot_intake(scene))
    scene.environment.finish("house-capital")
    return f"{Amount(ASSET, total)} credited to the house"


async def make_merchant(scene: Scene) -> str:
    """A merchant with its branch and addresses on every chain, and an API token."""
    async with scene.database("api") as connection:
        known = [item for item in await merchants.list_merchants(connection) if item.name == MERCHANT_NAME]
    merchant: dict[str, Any]
    if known:  # made by a start that was interrupted right after
        merchant = {"id": known[0].id, "branch": known[0].branch}
    else:
        merchant = await scene.command(*STRONGROOM, "merchant", "create", MERCHANT_NAME, "--json")
    if not scene.environment.token_file.exists():
        into = ("--file", str(scene.environment.token_file))
        await scene.command(*STRONGROOM, "merchant", "token", merchant["id"], *into, "--json")
    scene.environment.finish("merchant", merchant=merchant["id"], branch=merchant["branch"])
    return f"{merchant['id']} on branch {merchant['branch']}"


async def make_merchant_key(scene: Scene) -> str:
    """The merchant's Ed25519 key, made by the merchant's own tool in the merchant's own folder."""
    key, passphrase = scene.merchant_folder / "key.json", scene.merchant_folder / "passphrase"
    make_passphrase(passphrase)
    if key.exists():
        public = await run_command(*MERCHANT, "keys", "show", str(key))
    else:
        public = await run_command(*MERCHANT, "keys", "new", str(key), secret=passphrase)
    scene.environment.finish("merchant-key", public_key=public.strip())
    return f"public half {public.strip()[:16]}…"


async def enrol(scene: Scene) -> str:
    """The public half and the caps: written on each signer's host, signed by the operator offline, applied there."""
    await enrol_merchant(scene, scene.fact("merchant"), scene.fact("branch"), scene.fact("public_key"))
    # What each signer's host printed of its identity; the API is not asked whose word is to be believed.
    identities = {name: bytes.fromhex(key) for name, key in scene.environment.facts["identities"].items()}
    pins = Pins(scene.settings.deployment, MerchantId(scene.fact("merchant")), identities)
    write_private(scene.pins_file, render_pins(pins))
    scene.environment.finish("enrolment")
    return "on signer A and on signer B, by hand, signed by the operator for each of them"


async def enrol_merchant(scene: Scene, merchant: str, branch: str, public_key: str) -> None:
    """Enrol a merchant's key with the demonstration's caps on both signers."""
    who = ("--merchant", merchant, "--branch", branch, "--key", public_key)
    await asyncio.gather(*(_enrol_on(scene, name, who) for name in SIGNERS))


async def add_endpoint(scene: Scene) -> str:
    """The merchant names its server; the secret is shown this once."""

    async def fresh() -> dict[str, Any]:
        for old in await scene.api(lambda api: list(api.all("webhook-endpoints"))):
            await scene.api(lambda api, old=old: api.delete_webhook_endpoint(old["id"]))  # type: ignore[misc]
        return dict(await scene.api(lambda api: api.create_webhook_endpoint(scene.environment.merchant_url)))

    endpoint = await fresh()
    write_private(scene.merchant_folder / SECRET_FILE, endpoint["secret"] + "\n")
    scene.environment.finish("webhook-endpoint", endpoint=endpoint["id"], endpoint_url=scene.environment.merchant_url)
    return str(endpoint["url"])


async def issue_invoice(scene: Scene) -> str:
    """An invoice in euros over the REST API, whose address both signers attest."""
    amount, currency = PRICE
    start = time.monotonic()
    invoice = await scene.verified(
        lambda api: api.create_invoice(
            amount=amount,
            currency=currency,
            asset=ASSET.code,
            reference="order-1",
            description="Order 1",
            idempotency_key=f"demonstration-order-1-{scene.environment.facts.get('expired', 0)}",
        )
    )
    scene.progress.figure("invoice_created_seconds", time.monotonic() - start)
    scene.environment.finish("invoice", invoice=invoice["id"], checkout_url=invoice["checkout_url"])
    due = f"{invoice['amount_due']} {ASSET.code}"
    return f"{amount} {currency} = {due} at {invoice['checkout_url']}, its address attested by both signers"


async def pay_invoice(scene: Scene) -> str:
    """The shopper opens the checkout page and pays what it says."""
    invoice = await scene.api(lambda api: api.invoice(scene.fact("invoice")))
    if invoice["payments"]:  # by a start that was interrupted right after
        scene.environment.finish("payment", payment=invoice["payments"][0]["txid"])
        return f"paid before, by {scene.fact('payment')[:16]}…"
    if invoice["status"] == "expired":  # the start before this one was interrupted long ago
        scene.environment.finish("invoice", expired=int(scene.environment.facts.get("expired", 0)) + 1)
        await issue_invoice(scene)
    program = (sys.executable, "-m", "strongroom.demo.shopper", *Wallets.of(scene.environment).arguments())
    paid = await scene.command(*program, scene.fact("checkout_url"))
    scene.environment.finish("payment", payment=paid["txid"])
    return f"{Amount(ASSET, paid['units'])} by {paid['txid'][:16]}…"


async def see_payment(scene: Scene) -> str:
    """The platform sees the payment before any block has it."""
    start = time.monotonic()
    payment = await until("the shopper's payment on the invoice", lambda: _waiting_payment(scene))
    scene.progress.figure("payment_seen_seconds", time.monotonic() - start)
    scene.environment.finish("seen")
    return f"{payment['amount']} {ASSET.code}, {payment['state']}"


async def confirm_payment(scene: Scene) -> str:
    """Blocks, one by one, and the invoice follows each."""
    for number in range(1, CONFIRMATIONS + 1):
        await scene.outside.mine()
        await until(f"{number} confirmations on the invoice", lambda number=number: _confirmed(scene, number))  # type: ignore[misc]
    invoice = await until("the invoice paid", lambda: _invoice_paid(scene))
    scene.progress.figure("invoice_to_paid_seconds", seconds_between(invoice["created_at"], invoice["paid_at"]))
    scene.environment.finish("confirmations")
    return f"{CONFIRMATIONS} confirmations, as the policy asks for this amount; the invoice is paid"


async def check_balance(scene: Scene) -> str:
    """The merchant's balance holds exactly what the invoice was paid with."""
    invoice = await scene.api(lambda api: api.invoice(scene.fact("invoice")))
    balances = await scene.api(lambda api: api.balances())
    available = [item["available"] for item in balances if item["asset"] == ASSET.id]
    if available != [invoice["amount_paid"]]:
        message = f"the invoice was paid {invoice['amount_paid']}, and the balance says {available}"
        raise ObservationError(message)
    scene.environment.finish("credited")
    return f"{available[0]} {ASSET.code} available"


async def check_webhook(scene: Scene) -> str:
    """The merchant's server has the signed news, and believes nothing that is not signed."""
    row = await until("invoice.paid at the merchant's server", lambda: _received(scene, "invoice.paid"))
    scene.progress.figure("webhook_seconds", seconds_between(row["event"]["timestamp"], row["received_at"]))
    status = await asyncio.to_thread(_post_unsigned, scene.environment.merchant_url)
    if status != BAD_REQUEST:
        message = f"the merchant's server answered {status} to a webhook that nobody signed"
        raise ObservationError(message)
    scene.environment.finish("webhook")
    return (
        f"invoice.paid, verified; {len(read_received(scene.merchant_folder))} webhooks so far; an unsigned one got 400"
    )


async def _pay_capital(scene: Scene, kind: KeySetKind, amount: Amount) -> None:
    name = f"capital_{kind}"
    if name in scene.environment.facts:
        return
    async with scene.database("treasury") as connection:
        address = await wallets.house_address(connection, CHAIN.id, kind)
    text = chains.script_to_address(CHAIN.id, address.script)
    if text is None:
        message = "a house address without a text"
        raise ObservationError(message)
    txid = await scene.outside.pay(OPERATOR, text, amount)
    scene.environment.finish("capital-sent", **{name: txid})


async def _capital(scene: Scene) -> int | None:
    async with scene.database("auditor") as connection:
        balance = await ledger.balance(connection, Account(AccountType.HOUSE_CAPITAL, ASSET))
    return balance if balance >= CAPITAL_HOT + CAPITAL_COLD else None


async def _hot_intake(scene: Scene) -> bool | None:
    async with scene.database("treasury") as connection:
        return await wallets.intake(connection, CHAIN.id) is KeySetKind.HOT or None


async def _enrol_on(scene: Scene, name: str, who: tuple[str, ...]) -> None:
    folder, draft = str(scene.environment.key_folder(name)), draft_file(scene.environment, name)
    for asset, (payout, window) in CAPS.items():
        caps = ("--per-payout", str(payout), "--per-window", str(window), "--unlisted-per-window", str(window))
        into = ("--asset", asset, *caps, "--out", str(draft))
        await run_command(*SIGNER, "enroll", "--dir", folder, *who, *into)
    await apply_merchants(scene.environment, name)


async def _payment(scene: Scene) -> dict[str, Any] | None:
    invoice = await scene.api(lambda api: api.invoice(scene.fact("invoice")))
    found = [dict(item) for item in invoice["payments"] if item["txid"] == scene.fact("payment")]
    return found[0] if found else None


async def _waiting_payment(scene: Scene) -> dict[str, Any] | None:
    payment = await _payment(scene)
    if payment is not None and payment["state"] == "dropped":
        # Nodes that were killed forget what waited; a wallet sends again what is in no block.
        await scene.outside.send_again(SHOPPER, scene.fact("payment"))
        return None
    return payment


async def _confirmed(scene: Scene, number: int) -> bool | None:
    payment = await _payment(scene)
    return True if payment is not None and payment["confirmations"] >= number else None


async def _invoice_paid(scene: Scene) -> dict[str, Any] | None:
    invoice = await scene.api(lambda api: api.invoice(scene.fact("invoice")))
    return dict(invoice) if invoice["status"] == "paid" else None


async def _received(scene: Scene, event_type: str) -> dict[str, Any] | None:
    for row in read_received(scene.merchant_folder):
        event: Any = row["event"]
        if event["type"] == event_type and event["data"]["id"] == scene.fact("invoice"):
            return dict(row)
    return None


def _post_unsigned(url: str) -> int:
    request = urllib.request.Request(url, data=b'{"type": "invoice.paid"}', method="POST")  # noqa: S310 -- our own loopback
    try:
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310 -- our own loopback
            return int(response.status)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return refusal.code
