"""Over HTTP: nothing that a merchant is answered tells whether another one has used a payout id."""

from __future__ import annotations

from typing import Any

from strongroom_core.ids import PayoutId
from tests.integration.api.objects import payout_body
from tests.integration.api.stage import Stage

OF_ITS_OWN = ("created_at", "updated_at", "expires_at", "timeline")


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    assert OF_ITS_OWN[0] in answer
    return {name: value for name, value in answer.items() if name not in OF_ITS_OWN}


async def test_an_id_that_another_merchant_used_is_answered_as_one_that_nobody_used(stage: Stage):
    used = PayoutId.new()
    mine, theirs = (payout_body(stage, seller, payout=used) for seller in (stage.shop, stage.other))
    async with stage.client() as own, stage.client(stage.other.token) as other:
        first = await own.post("/v1/payouts", json=mine)
        assert (await other.get(f"/v1/payouts/{used}")).status_code == 404
        assert (await other.post(f"/v1/payouts/{used}/cancel")).status_code == 404

        second = await other.post("/v1/payouts", json=theirs)
        unused = await other.post("/v1/payouts", json=payout_body(stage, stage.other))

        assert (first.status_code, second.status_code, unused.status_code) == (201, 201, 201)
        assert shown(second.json()) == shown(unused.json()) | {"id": used}
        # Each goes on under the id that both share, and neither sees the other's.
        assert (await other.post(f"/v1/payouts/{used}/cancel")).json()["status"] == "cancelled"
        assert (await own.get(f"/v1/payouts/{used}")).json()["status"] == "queued"
        conflict = await other.post("/v1/payouts", json=payout_body(stage, stage.other, sats=200_000, payout=used))
        assert (conflict.status_code, conflict.json()["code"]) == (409, "payout-conflict")
