"""The books once more, in plain Python, and an auditor that believes only the entries; no code of the ledger's."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from strongroom.infra.database import Connection

NEVER_BELOW = {"merchant-available", "merchant-held", "in-transit"}
NEVER_ABOVE = {"merchant-owed", "chain-hot", "chain-cold"}
Leg = tuple[str, str, str]  # owner, type, asset
Move = tuple[Leg, Leg, int]


@dataclass
class ModelHold:
    """What the model knows of a hold."""

    leg: Leg
    left: int
    open: bool
    expires_at: int | None


@dataclass
class Model:
    """Balances and keys as they have to be."""

    balances: dict[Leg, int] = field(default_factory=lambda: defaultdict(int))
    keys: dict[str, object] = field(default_factory=dict)
    holds: dict[str, ModelHold] = field(default_factory=dict)

    def post(self, key: str, moves: list[Move], content: object = None) -> str:
        """Post or say why not: `posted`, `again`, `conflict`, `insufficient`."""
        content = content or moves
        if key in self.keys:
            return "again" if self.keys[key] == content else "conflict"
        after = dict(self.balances)
        for source, destination, units in moves:
            after[source] = after.get(source, 0) - units
            after[destination] = after.get(destination, 0) + units
            if (source[1] in NEVER_BELOW and after[source] < 0) or (
                destination[1] in NEVER_ABOVE and after[destination] > 0
            ):
                return "insufficient"
        self.balances.update(after)
        self.keys[key] = content
        return "posted"


async def recompute(connection: Connection) -> dict[Leg, int]:
    """Add up all entries, checking each on the way: balances chain, legs pair up, every asset sums to zero."""
    rows = await (
        await connection.execute(
            "SELECT a.owner, a.type, a.asset, e.transaction, e.line, e.seq, e.amount, e.balance_before AS before, "
            "e.balance_after AS after FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id "
            "ORDER BY e.account_id, e.seq"
        )
    ).fetchall()
    sums: dict[Leg, int] = defaultdict(int)
    counts: dict[Leg, int] = defaultdict(int)
    lines: dict[tuple[int, int, str], list[int]] = defaultdict(list)
    for row in rows:
        leg = (row["owner"], row["type"], row["asset"])
        counts[leg] += 1
        assert row["seq"] == counts[leg]
        assert row["before"] == sums[leg]
        sums[leg] += row["amount"]
        assert row["after"] == sums[leg]
        assert leg[1] not in NEVER_BELOW or sums[leg] >= 0
        assert leg[1] not in NEVER_ABOVE or sums[leg] <= 0
        lines[row["transaction"], row["line"], row["asset"]].append(row["amount"])
    assert all(len(legs) == 2 and sum(legs) == 0 for legs in lines.values())
    return sums


def run(runner: asyncio.Runner, connection: Connection, expected: dict[Leg, int]) -> None:
    """Compare the entries, the accounts and the model."""
    sums = runner.run(recompute(connection))
    stored = runner.run(_stored(connection))
    wanted = {leg: units for leg, units in expected.items() if units}
    assert {leg: units for leg, units in sums.items() if units} == wanted
    assert {leg: units for leg, units in stored.items() if units} == wanted


async def _stored(connection: Connection) -> dict[Leg, int]:
    rows = await (await connection.execute("SELECT owner, type, asset, balance FROM ledger_account")).fetchall()
    return {(row["owner"], row["type"], row["asset"]): row["balance"] for row in rows}
