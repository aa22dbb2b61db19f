"""Follows marked money on an account chain from its node: index, marks, tags, five policies, checks, reports.

It is for one asset of one chain: what a thief took there. The case is left as a file too, for `strongroom-trace evm`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from trace_follow import DAY, POLICIES, DemonstrationError, line, tag

from strongroom.demo.progress import Progress
from strongroom.infra.components.ethereum_rpc import EthereumRpc
from strongroom_core.assets import DEVNET, Asset
from strongroom_tracing.accounts import service
from strongroom_tracing.accounts.answer import AccountAnswer
from strongroom_tracing.accounts.cases import Case
from strongroom_tracing.accounts.evidence import document, provenance
from strongroom_tracing.accounts.genuine import Genuine, Token
from strongroom_tracing.accounts.model import Mark
from strongroom_tracing.accounts.sources.rpc import RpcSource
from strongroom_tracing.accounts.tables import tables
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.export import Format, export
from strongroom_tracing.provenance import Provenance
from strongroom_tracing.report.model import Report, Table
from strongroom_tracing.report.service import report_of_accounts, write
from strongroom_tracing.tags.services import stops_by_text
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.taint.model import Direction, Policy

BALANCE_OF: Final = "0x70a08231"  # ERC-20: balanceOf(address)
_PARTS: Final = ("held", "services", "gas", "left", "contested")
_SOURCE: Final = "the demonstration"


@dataclass(frozen=True, slots=True)
class Followed:
    """What is followed: ``take`` base units of ``asset``, all of each transfer that ``marks`` finds in the index.

    ``exchange``: its addresses, canonical. ``opening``: a sentence before every report's summary, and ``table`` one
    of its tables, where there is something to say that no transfer shows.
    """

    folder: Path
    port: int
    asset: Asset
    take: int
    marks: Callable[[Transfers], tuple[Mark, ...]]
    exchange: Sequence[str]
    title: str
    opening: str = ""
    table: Table | None = None

    @property
    def index(self) -> Path:
        """The index's folder."""
        return self.folder / "index"

    @property
    def case(self) -> Path:
        """The case's file."""
        return self.folder / "case.json"


def follow(followed: Followed, progress: Progress) -> dict[str, Any]:
    """Index the node's chain, mark, tag, follow under all policies, check, and write the reports."""
    with progress.step("index", "The chain is indexed") as outcome:
        outcome.detail = _index(followed)
    with progress.step("tags", "The exchange's addresses come as a list of tags") as outcome:
        store = tag(followed.folder, DEVNET.id, followed.exchange)
        outcome.detail = f"{store.lists()[0].tags} addresses"
    with progress.step("mark", "The take is marked, transfer by transfer") as outcome:
        case = _case(followed)
        transfers = service.open_indexes(followed.index, genuine=case.genuine())
        outcome.detail = f"{len(json.loads(followed.case.read_text())['marks'])} marks, {followed.take} base units"
    told: dict[str, Any] = {}
    for policy in POLICIES:
        with progress.step(policy.value, f"Followed by {policy.value.upper()}") as outcome:
            told[policy.value] = _ask(followed, case, transfers, store, policy)
            outcome.detail = line(followed.asset, told[policy.value]["total"])
    return {
        "where": told,
        "asset": followed.asset.id,
        "report": str(followed.folder / "fifo.html"),
        "folder": str(followed.folder),
    }


def _index(followed: Followed) -> str:
    with RpcSource(f"http://127.0.0.1:{followed.port}") as source:
        status = service.build(followed.index, source)
    inner = "with" if status.traced else "WITHOUT"
    return f"{status.height + 1} blocks, {status.transfers} transfers, {inner} payments inside of contract calls"


def _case(followed: Followed) -> Case:
    """Find the take in the index, see that it is all of it and no more, and keep the case as a file."""
    genuine = _genuine(followed.asset)
    transfers = service.open_indexes(followed.index, genuine=Genuine.committed().plus(*genuine))
    marks = followed.marks(transfers)
    found = sum(transfers.value(transfers.find(mark.transfer)) for mark in marks)
    if found != followed.take:
        message = f"the drill measured {followed.take} base units of {followed.asset.id}, the chain shows {found}"
        raise DemonstrationError(message)
    data = {
        "marks": [{"claim": mark.claim, "transfer": mark.transfer} for mark in marks],
        "genuine": [
            {"chain": one.chain, "contract": one.contract, "symbol": one.symbol, "decimals": one.decimals}
            | {"wraps": one.wraps, "source": one.source}
            for one in genuine
        ],
    }
    followed.case.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return Case.read(followed.case)


def _genuine(asset: Asset) -> list[Token]:
    if asset.contract is None:
        return []
    return [Token(asset.chain_id, asset.contract, asset.code, asset.decimals, source=_SOURCE)]


def _ask(followed: Followed, case: Case, transfers: Transfers, store: TagStore, policy: Policy) -> dict[str, Any]:
    stops = {f"{DEVNET.id}:{address}": label for address, label in stops_by_text(store, DEVNET.id).items()}
    question = case.question(transfers, policy, Direction.FORWARD, stops=stops)
    answer = service.trace(transfers, question)
    sums = sums_of(answer, followed.asset, followed.take)
    _check_places(answer, followed)
    basis = provenance(transfers, answer, lists=store.lists(), tags_hash=store.hash)
    _write(followed, answer, transfers, basis)
    return {"total": {name: str(value) for name, value in sums.items()}, "provenance": basis.sha256}


def sums_of(answer: AccountAnswer, asset: Asset, take: int) -> dict[str, int]:
    """Add up where the take is, in base units; see that it is all there, in its own asset.

    Raises ``DemonstrationError``. By poison values are of whole payments, and only what was marked is compared.
    """
    sums = {"marked": 0} | dict.fromkeys(_PARTS, 0)
    for name in sums:
        for row in getattr(answer, name):
            if row.asset != asset.id:
                message = f"{row.value} of {row.asset} came up where {asset.id} was followed"
                raise DemonstrationError(message)
            sums[name] += row.value
    found = sum(sums[name] for name in _PARTS)
    if sums["marked"] != take or (answer.question.policy is not Policy.POISON and found != take):
        message = f"of a take of {take} {sums['marked']} were marked and {found} found"
        raise DemonstrationError(message)
    return sums


def _check_places(answer: AccountAnswer, followed: Followed) -> None:
    """See that the node has what is held, and that services are the exchange. Raises ``DemonstrationError``."""
    node, held = EthereumRpc(followed.port), Counter[str]()
    for row in answer.held:
        held[row.address] += row.value
    for address, value in held.items():
        if balance(node, followed.asset, address) < value:
            message = f"the node does not have {value} of {followed.asset.id} at {address}"
            raise DemonstrationError(message)
    for service_row in answer.services:
        if service_row.address not in followed.exchange:
            message = f"{service_row.address} is not the exchange's"
            raise DemonstrationError(message)


def balance(node: EthereumRpc, asset: Asset, address: str) -> int:
    """Ask a node for a balance in base units. Raises ``NodeRpcError``, ``NodeUnreachableError``."""
    if asset.contract is None:
        return int(node.call("eth_getBalance", address, "latest"), 16)
    call = {"to": asset.contract, "data": BALANCE_OF + address.removeprefix("0x").rjust(64, "0")}
    return int(node.call("eth_call", call, "latest"), 16)


def _write(followed: Followed, answer: AccountAnswer, transfers: Transfers, basis: Provenance) -> None:
    name, found = answer.question.policy.value, tables(answer)
    into = followed.folder / name
    export(into, found, basis, Format.PARQUET)
    (into / "answer.json").write_bytes(document(answer, basis) + b"\n")
    title = f"{followed.title}, followed by {name.upper()}"
    made = report_of_accounts(answer, transfers.genuine, found, basis, title=title, on=DAY)
    write(_told(made, followed), followed.folder / f"{name}.html")


def _told(report: Report, followed: Followed) -> Report:
    extra = () if followed.table is None else (followed.table,)
    return replace(report, summary=f"{followed.opening} {report.summary}".strip(), tables=(*extra, *report.tables))
