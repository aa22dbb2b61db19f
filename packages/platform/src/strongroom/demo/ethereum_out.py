"""Money out on the Ethereum devnet: a USDC payout by two signatures and a relayer, and forwarders gathered."""

from __future__ import annotations

import json
from typing import Any, Final

from strongroom.chains.ethereum.keccak import keccak
from strongroom.demo.commands import MERCHANT, run_command
from strongroom.demo.errors import ObservationError
from strongroom.demo.ethereum_configuration import (
    HOLDINGS,
    HORIZON,
    USDC,
    Holding,
    deployment_of,
    token_of,
)
from strongroom.demo.money_out import AFTER_SIGNING, journal_rows, payout_in
from strongroom.demo.scene import Scene, seconds_between, until
from strongroom.infra.components.hosting import write_private
from strongroom_core.abi import parse_address
from strongroom_core.amounts import Amount

PAYOUT: Final = Amount(USDC, 25_000_000)
_FEE: Final = next(item.payout_fee for item in HOLDINGS if item.asset == USDC)
GATHER_SECONDS: Final = 90.0


async def sign_intent(scene: Scene) -> str:
    """The merchant signs one exact payment of USDC; the token's decimals are the issuer's word, not the platform's."""
    signed = await run_command(
        *(*MERCHANT, "payout", "sign", "--key", str(scene.merchant_folder / "key.json")),
        *("--deployment", scene.settings.deployment, "--merchant", scene.fact("merchant")),
        *("--asset", USDC.id, "--decimals", str(USDC.decimals), "--amount", PAYOUT.format()),
        *("--to", scene.fact("supplier"), "--fee-ceiling", Amount(USDC, _FEE).format()),
        secret=scene.merchant_folder / "passphrase",
    )
    write_private(scene.merchant_folder / "payout-usdc.json", signed)
    rows = await journal_rows(scene)
    scene.environment.finish("usdc-intent", usdc_payout=json.loads(signed)["payout"], usdc_rows_before=rows)
    return f"{PAYOUT} to {scene.fact('supplier')}"


async def send_payout(scene: Scene) -> str:
    """The signed intent goes in over the REST API."""
    where = ("--api", scene.environment.api_url, "--token-file", str(scene.environment.token_file))
    sent = await scene.command(*MERCHANT, "payout", "send", *where, str(scene.merchant_folder / "payout-usdc.json"))
    scene.environment.finish("usdc-payout")
    return f"{sent['id']}, {sent['status']}"


async def see_signatures(scene: Scene) -> str:
    """Both signers decode the Safe transaction, compute its hash themselves, judge, journal and sign."""
    payout = await until("two signatures", lambda: payout_in(scene, scene.fact("usdc_payout"), AFTER_SIGNING))
    at = {entry["status"]: entry["at"] for entry in payout["timeline"]}
    scene.progress.figure("usdc_signed_seconds", seconds_between(payout["created_at"], at["signed"]))
    before: dict[str, int] = scene.environment.facts["usdc_rows_before"]
    after = await journal_rows(scene)
    if len(after) < len(scene.settings.signers) or any(rows <= before[name] for name, rows in after.items()):
        message = f"signed, and the journals went from {before} to {after}"
        raise ObservationError(message)
    scene.environment.finish("usdc-signatures")
    return ", ".join(f"signer {name} in row {rows}" for name, rows in sorted(after.items()))


async def see_confirmation(scene: Scene) -> str:
    """A relayer has brought it to the Safe, blocks confirm it, and the node counts exactly the amount."""
    payout = await until(
        "the payout confirmed", lambda: payout_in(scene, scene.fact("usdc_payout"), ("confirmed", "final"))
    )
    supplier = parse_address(scene.fact("supplier"), keccak)
    received = await scene.ethereum.balance(token_of(USDC), supplier)
    if received != PAYOUT.base_units:
        message = f"the destination has {received} base units instead of {PAYOUT.base_units}"
        raise ObservationError(message)
    scene.environment.finish("usdc-confirmed", usdc_payout_txid=str(payout["txid"]))
    return f"the destination has exactly {PAYOUT}, by the node's own count"


async def see_final(scene: Scene) -> str:
    """Beyond the reorg horizon."""
    await scene.ethereum.mine(HORIZON)
    await until("the payout final", lambda: payout_in(scene, scene.fact("usdc_payout"), ("final",)))
    scene.environment.finish("usdc-final")
    return f"beyond {HORIZON} blocks"


async def see_gathered(scene: Scene) -> str:
    """Every forwarder has been emptied into the cold Safe: what was paid in and not out is there, to the unit."""
    await until("all forwarders gathered", lambda: _gathered(scene), GATHER_SECONDS)
    deployment = deployment_of(scene.environment)
    found = []
    for item in HOLDINGS:
        cold = await scene.ethereum.balance(item.token, deployment.cold_safe)
        hot = await scene.ethereum.balance(item.token, deployment.hot_safe)
        expected = await _paid_in(scene, item) - (PAYOUT.base_units if item.asset == USDC else 0)
        if cold + hot != expected:
            message = f"{item.asset.code}: the Safes have {cold} + {hot} base units instead of {expected}"
            raise ObservationError(message)
        found.append(str(Amount(item.asset, cold)))
    scene.environment.finish("gathered")
    return f"the cold Safe has {', '.join(found)}"


async def _gathered(scene: Scene) -> bool | None:
    for name in ("house_forwarder", "usdt_address", "usdc_address"):
        address = parse_address(scene.fact(name), keccak)
        for item in HOLDINGS:
            if await scene.ethereum.balance(item.token, address):
                return None
    return True


async def _paid_in(scene: Scene, item: Holding) -> int:
    total = item.capital
    name = f"{item.asset.code.lower()}_invoice"
    if name in scene.environment.facts:
        invoice: Any = await scene.api(lambda api: api.invoice(scene.fact(name)))
        total += Amount.parse(invoice["amount_paid"], item.asset).base_units
    return total
