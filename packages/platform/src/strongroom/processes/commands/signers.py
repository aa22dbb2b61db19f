"""What people see of the signers: each one's own word about itself, and what its policy lets the hot Safe draw."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from strongroom.infra.settings import Settings
from strongroom.outbound import jobs as outbound
from strongroom_core.errors import StrongroomError
from strongroom_core.messages import Status

Told = dict[str, Status | str]


async def ask(settings: Settings) -> Told:
    """Ask every signer how it is; by name, or why it did not say."""
    found: Told = {}
    for signer in outbound.connect_signers(settings.signers):
        try:
            found[signer.name] = await signer.status()
        except StrongroomError as error:
            found[signer.name] = error.message
    return found


def draws(told: Told) -> dict[str, dict[str, int]]:
    """Give the base units of each asset that each signer's policy lets a day draw; who was silent is left out."""
    return {
        name: {item.asset: int(item.per_day) for item in status.draws}
        for name, status in told.items()
        if isinstance(status, Status)
    }


def changes(told: Told) -> list[dict[str, Any]]:
    """Show every change of a signer's policy or merchants that loosens, and from when on it is in force."""
    return [
        {
            "signer": name,
            "document": item.document,
            "sequence": item.sequence,
            "in force from": datetime.fromtimestamp(item.effective_at, UTC).isoformat(),
            "sha256": item.sha256.hex(),
        }
        for name, status in told.items()
        if isinstance(status, Status)
        for item in status.pending
    ]


def rows(told: Mapping[str, Status | str]) -> list[dict[str, Any]]:
    """Show every signer."""
    return [_row(name, item) for name, item in told.items()]


def _row(name: str, told: Status | str) -> dict[str, Any]:
    if isinstance(told, str):
        return {"signer": name, "state": "unreachable", "rows": None, "detail": told}
    state = "halted" if told.halted else "ok"
    return {"signer": name, "state": state, "rows": told.rows, "detail": told.halt_reason or told.fingerprint.hex()}
