"""`reconcile`: whether books, chain and the signers' journals agree."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

from strongroom.demo.environment import DEFAULT_FOLDER
from strongroom.infra.database import make_pool
from strongroom.outbound import jobs as outbound
from strongroom.processes.commands import evm
from strongroom.processes.commands.context import (
    AsJson,
    Config,
    Folder,
    out,
    print_json,
    print_table,
    run,
    settings_of,
    transaction_as,
)
from strongroom.reconciliation import service as reconciliation
from strongroom.reconciliation.model import Report

UNCLEAN: Final = 1


def reconcile(*, config: Config = None, directory: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Compare books, chain and the signers' journals; every difference is named, and the exit code tells."""

    async def body() -> int:
        settings = settings_of(config, directory)
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(make_pool(settings.dsn("auditor"), size=2, name="reconcile"))
            nodes = reconciliation.connect_nodes(settings)
            for node in nodes.values():
                stack.push_async_callback(node.close)
            report = await reconciliation.compare(settings, pool, nodes, outbound.connect_signers(settings.signers))
        async with transaction_as(settings, "worker") as connection:
            await reconciliation.record(connection, report)
        _print_report(report, as_json=as_json)
        return 0 if report.clean else UNCLEAN

    run(body())


def _print_report(report: Report, *, as_json: bool) -> None:
    rows = [
        {
            "difference": item.name.value,
            "explained": item.explained,
            "asset": item.asset,
            "expected": str(item.expected),
            "found": str(item.found),
            "detail": item.detail,
        }
        for item in report.differences
    ]
    if as_json:
        facts = {"clean": report.clean, "chains": report.chains, "journal_rows": report.journal_rows}
        print_json(facts | {"differences": rows, "relayers": evm.gas_rows(report)})
        return
    if relayers := evm.gas_rows(report):
        print_table("Relayers", tuple(relayers[0]), [tuple(row.values()) for row in relayers])
    if rows:
        print_table("Differences", tuple(rows[0]), [tuple(row.values()) for row in rows])
    verdict = "Books, chain and journals agree." if report.clean else "They do NOT agree: somebody has to look."
    out.print(f"{verdict} {report.journal_rows} journal rows verified, {report.chains} chain(s).")
