"""The steps that a treasury process runs in loops: each signer is asked for its word on what was derived."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.attestations.attesting import Attesting
from strongroom.attestations.model import Attester
from strongroom.infra.clock import Clock, SystemClock
from strongroom.infra.database import Pool
from strongroom.infra.settings import Settings


def make_attesting(
    pool: Pool, settings: Settings, signers: Sequence[Attester], clock: Clock | None = None
) -> tuple[Attesting, ...]:
    """Make one for each signer, to run side by side: one that is away delays no other.

    Call ``step`` again and again; the channel ``attestations`` wakes it.
    """
    return tuple(Attesting(pool, settings, signer, clock or SystemClock()) for signer in signers)
