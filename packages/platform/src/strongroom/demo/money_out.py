"""The second half of the main job: a payout that the merchant signs, two signers co-sign, and the chain makes final."""

from __future__ import annotations

import json
import time
from typing import Any, Final

from strongroom.demo.commands import MERCHANT, STRONGROOM, run_command
from strongroom.demo.configuration import ASSET, CHAIN, HORIZON, PAYOUT_FEE
from strongroom.demo.errors import ObservationError
from strongroom.demo.outside import SUPPLIER
from strongroom.demo.scene import Scene, seconds_between, until
from strongroom.infra.components.hosting import write_private
from strongroom.outbound import jobs as outbound
from strongroom_core.amounts import Amount

PAYOUT: Final = Amount(ASSET, 150_000)
AFTER_SIGNING: Final = ("signed", "broadcast", "confirmed", "final")
_DEAD: Final = ("refused", "cancelled", "expired")


async def sign_intent(scene: Scene) -> str:
    """The merchant signs one exact payment, offline, with its own tool."""
    if "destination" not in scene.environment.facts:
        scene.environment.finish("destination", destination=await scene.outside.address(SUPPLIER))
    signed = await run_command(
        *(*MERCHANT, "payout", "sign", "--key", str(scene.merchant_folder / "key.json")),
        *("--deployment", scene.settings.deployment, "--merchant", scene.fact("merchant")),
        *("--asset", ASSET.code, "--chain", CHAIN.id, "--amount", PAYOUT.format(), "--to", scene.fact("destination")),
        *("--fee-ceiling", Amount(ASSET, PAYOUT_FEE).format()),
        secret=scene.merchant_folder / "passphrase",
    )
    write_private(scene.merchant_folder / "payout-1.json", signed)
    scene.environment.finish("intent", payout=json.loads(signed)["payout"], rows_before=await journal_rows(scene))
    return f"{PAYOUT} to {scene.fact('destination')}"


async def send_payout(scene: Scene) -> str:
    """The signed intent goes in over the REST API; its amount and fee are held at once."""
    where = ("--api", scene.environment.api_url, "--token-file", str(scene.environment.token_file))
    sent = await scene.command(*MERCHANT, "payout", "send", *where, str(scene.merchant_folder / "payout-1.json"))
    balances = await scene.api(lambda api: api.balances())
    held = [item["held"] for item in balances if item["asset"] == ASSET.id]
    wanted = (PAYOUT + Amount(ASSET, PAYOUT_FEE)).format()
    if sent["status"] == "queued" and held not in ([wanted], [Amount(ASSET, 0).format()]):
        message = f"{wanted} should be held, and the balance says {held}"
        raise ObservationError(message)
    scene.environment.finish("payout")
    return f"{sent['id']}, {sent['status']}"


async def see_signatures(scene: Scene) -> str:
    """Both signers decode, judge, journal and sign."""
    payout = await until("two signatures", lambda: payout_in(scene, scene.fact("payout"), AFTER_SIGNING))
    at = {entry["status"]: entry["at"] for entry in payout["timeline"]}
    scene.progress.figure("payout_signed_seconds", seconds_between(payout["created_at"], at["signed"]))
    before: dict[str, int] = scene.environment.facts["rows_before"]
    after = await journal_rows(scene)
    silent = [name for name, rows in after.items() if rows <= before[name]]
    if silent or len(after) < len(scene.settings.signers):
        message = f"signed, and no new row in the journal of {silent or 'a signer that does not answer'}"
        raise ObservationError(message)
    scene.environment.finish("signatures")
    return ", ".join(f"signer {name} in row {rows}" for name, rows in sorted(after.items()))


async def see_broadcast(scene: Scene) -> str:
    """The chain tx reaches the world outside."""
    payout = await until(
        "the payout's chain tx", lambda: payout_in(scene, scene.fact("payout"), ("broadcast", "confirmed", "final"))
    )
    txid = str(payout["txid"])

    async def travels() -> bool | None:
        return payout["status"] != "broadcast" or await scene.outside.knows(txid) or None

    await until("the payout's chain tx at a node of others", travels)
    scene.environment.finish("broadcast", payout_txid=txid)
    return f"{txid[:16]}… is at the outside node"


async def see_confirmation(scene: Scene) -> str:
    """A block has it, and the destination has exactly the amount."""
    await scene.outside.mine()
    await until("the payout confirmed", lambda: payout_in(scene, scene.fact("payout"), ("confirmed", "final")))
    received = await scene.outside.received(SUPPLIER, scene.fact("destination"), ASSET.decimals)
    if received != PAYOUT.base_units:
        message = f"the destination got {received} base units instead of {PAYOUT.base_units}"
        raise ObservationError(message)
    scene.environment.finish("payout-confirmed")
    return f"the destination has exactly {PAYOUT}"


async def see_final(scene: Scene) -> str:
    """Beyond the reorg horizon."""
    start = time.monotonic()
    await scene.outside.mine(HORIZON)
    await until("the payout final", lambda: payout_in(scene, scene.fact("payout"), ("final",)))
    scene.progress.figure("final_seen_seconds", time.monotonic() - start)
    scene.environment.finish("payout-final")
    return f"beyond {HORIZON} blocks"


async def reconcile(scene: Scene) -> str:
    """Books, chain and both signers' journals agree."""
    start = time.monotonic()
    report = await scene.command(*STRONGROOM, "reconcile", "--json")
    if report["clean"] is not True or report["journal_rows"] < len(scene.settings.signers):
        message = f"reconciliation is not clean: {report}"
        raise ObservationError(message)
    scene.progress.figure("reconciliation_seconds", time.monotonic() - start)
    scene.environment.finish("reconciled")
    return f"no difference; {report['journal_rows']} journal rows verified"


async def payout_in(scene: Scene, payout_id: str, states: tuple[str, ...]) -> dict[str, Any] | None:
    """Give a payout where it is in one of ``states``. Raises ``ObservationError`` where it never can be."""
    payout = await scene.api(lambda api: api.payout(payout_id))
    if payout["status"] in _DEAD:
        message = f"the payout is {payout['status']}: {payout['status_reason']}"
        raise ObservationError(message)
    return dict(payout) if payout["status"] in states else None


async def journal_rows(scene: Scene) -> dict[str, int]:
    """Count the rows of every signer's journal."""
    found = {}
    for signer in outbound.connect_signers(scene.settings.signers):
        status = await signer.status()
        found[status.signer] = status.rows
    return found
