"""The step that a worker runs now and then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import Settings
from strongroom.reconciliation import service
from strongroom.reconciliation.model import Report
from strongroom.reconciliation.service import JournalSource, Node

_log = structlog.get_logger(__name__)


async def run(
    settings: Settings,
    auditor_pool: Pool,
    worker_pool: Pool,
    nodes: Mapping[str, Node],
    signers: Sequence[JournalSource],
) -> Report:
    """Read the journals, compare everything, keep the report, and log what is not explained."""
    report = await service.compare(settings, auditor_pool, nodes, signers)
    async with transaction(worker_pool) as connection:
        await service.record(connection, report)
    for item in report.unexplained:
        _log.error(
            "books, chain and journals differ",
            difference=item.name,
            asset=item.asset,
            expected=str(item.expected),
            found=str(item.found),
            detail=item.detail,
        )
    return report
