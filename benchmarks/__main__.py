"""All figures: a table on the terminal, and `benchmarks/results.json`. Each is measured beside its limit in this run.

`python -m benchmarks` runs all, `python -m benchmarks ledger chains` some; results of the others are kept.
"""

from __future__ import annotations

import json
import os
import platform as machine
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import addresses, chains, evm_logs, gas, invoices, ledger, signer, tracing, tracing_accounts, whole

RESULTS: Final = Path(__file__).parent / "results.json"
SUITES: Final[dict[str, Callable[[], list[dict[str, Any]]]]] = {
    "chains": chains.run,
    "evm_logs": evm_logs.run,
    "gas": gas.run,
    "ledger": ledger.run,
    "signer": signer.run,
    "addresses": addresses.run,
    "invoices": invoices.run,
    "tracing": tracing.run,
    "tracing_accounts": tracing_accounts.run,
    "whole": whole.run,
}


def main(names: list[str]) -> int:
    """Run the named suites, or all; 2 where a name is unknown."""
    unknown = sorted(set(names) - set(SUITES))
    if unknown:
        print(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    results = _kept()
    console = Console(stderr=True)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as progress:
        for name in names or list(SUITES):
            task = progress.add_task(name, total=1)
            results[name] = {"measured": _circumstances(), "rows": SUITES[name]()}
            progress.advance(task)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    Console().print(_table(results))
    return 0


def _kept() -> dict[str, Any]:
    if not RESULTS.exists():
        return {}
    kept: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {name: suite for name, suite in kept.items() if name in SUITES}


def _circumstances() -> dict[str, Any]:
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "python": machine.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def _table(results: dict[str, Any]) -> Table:
    table = Table(title="Strongroom: figures of this machine", title_justify="left")
    for column in ("suite", "name"):
        table.add_column(column)
    for column in ("value", "unit", "baseline", "ratio"):
        table.add_column(column, justify="right")
    for name, suite in results.items():
        for row in suite["rows"]:
            table.add_row(name, row["name"], *(str(row[key]) for key in ("value", "unit", "baseline", "ratio")))
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
