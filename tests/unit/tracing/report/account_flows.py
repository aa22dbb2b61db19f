"""A made-up theft on an account chain with everything that a report can show of it."""

from __future__ import annotations

from datetime import date

from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.evidence import provenance
from strongroom_tracing.accounts.model import Limits, Mark
from strongroom_tracing.accounts.service import trace
from strongroom_tracing.accounts.tables import tables
from strongroom_tracing.report.model import Report
from strongroom_tracing.report.service import report_of_accounts
from strongroom_tracing.taint.model import Direction, Policy
from tests.unit.tracing.accounts.support import ETH, GENUINE, Ledger, question, text

ETHER = 10**18


def laundered(
    policy: Policy = Policy.FIFO, direction: Direction = Direction.FORWARD, service: str = "Example Exchange"
) -> tuple[AccountAnswer, Report]:
    """Bob steals 10 ether, wraps, swaps at a pool, pays out more than he is known to have, and cashes."""
    ledger = Ledger()
    ledger.issue("ann", 10 * ETHER)
    ledger.tx()
    stolen = ledger.coin("ann", "bob", 10 * ETHER)
    ledger.tx()
    ledger.gas("bob", ETHER // 1000)
    ledger.wrap("bob", 5 * ETHER)
    ledger.tx()
    ledger.coin("bob", "pool", 2 * ETHER)
    ledger.token("pool", "cy", 4000 * ETHER)
    ledger.tx()
    ledger.coin("bob", "cy", 1)
    ledger.token("bob", "dee", 7, contract=b"\x99" * 20)
    ledger.token("bob", "dee", 0)
    ledger.tx()
    last = ledger.coin("bob", "dee", 9 * ETHER)
    found = stolen if direction is Direction.FORWARD else last
    marks = (Mark("theft-1", found), Mark("theft-2", found, ETHER))
    stops, pools = {text("dee"): service} if direction is Direction.FORWARD else {}, {text("pool"): "A pool"}
    index = ledger.index()
    asked = question(policy, *marks, direction=direction, stops=stops, pools=pools, limits=Limits(smallest={ETH: 1000}))
    answer = trace(index, asked)
    basis = provenance(index, answer)
    return answer, report_of_accounts(answer, GENUINE, tables(answer), basis, title="Laundered", on=date(2026, 1, 2))
