"""`cluster`: which addresses belong to one owner, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom_tracing.cli import basis
from strongroom_tracing.cli.context import INDEX_DEFAULT, AsJson, IndexFolder, emit, progress, say, show
from strongroom_tracing.cli.errors import UsageError
from strongroom_tracing.clusters import store
from strongroom_tracing.clusters.evidence import provenance_of
from strongroom_tracing.clusters.model import Clusters
from strongroom_tracing.clusters.scripts import known_settings
from strongroom_tracing.clusters.tables import members_table, reasons_table
from strongroom_tracing.index.service import Index
from strongroom_tracing.provenance import Provenance

SHOWN = 50
ClustersFolder = Annotated[
    Path | None, typer.Option("--clusters", help="Where clusters are kept; beside the index where left out.")
]


def cluster(
    address: Annotated[str, typer.Argument(help="An address of the index's chain.")],
    why: Annotated[str, typer.Option("--why", help="Another address: say why both are one, step by step.")] = "",
    folder: IndexFolder = INDEX_DEFAULT,
    clusters_folder: ClustersFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the addresses that were spent together with an address; with --why, say which chain txs tell so.

    CoinJoins join nobody, and neither do coins that anybody may spend. The first time clusters of the whole chain are
    made and kept; later only new blocks are added.
    """
    with Index.open(folder) as index:
        number = _number(index, address)
        other = _number(index, why) if why else None
        found = clusters_of(index, folder, clusters_folder, quiet=as_json)
        facts = provenance_of(index, "cluster", {"address": address, "why": why or None})
        if other is None:
            _members(index, found, number, facts, as_json=as_json)
        else:
            _why(index, found, (number, other), facts, as_json=as_json)


def clusters_of(index: Index, folder: Path, clusters_folder: Path | None, *, quiet: bool) -> Clusters:
    """Give the clusters of an index, kept beside it and brought up to its tip. Raises ``ClustersBusyError``."""
    kept = clusters_folder or folder.with_name(f"{folder.name}-clusters")
    with progress("chain txs", quiet=quiet) as told:
        return store.update(kept, index, known_settings(index), told)


def _number(index: Index, address: str) -> int:
    number = index.find_address(address)
    if number is None:
        message = f"{address} was never paid on {index.chain} through height {index.tip.height}; is it of this chain?"
        raise UsageError(message)
    return number


def _members(index: Index, found: Clusters, number: int, facts: Provenance, *, as_json: bool) -> None:
    table = members_table(found, [number], index.address_text)
    if as_json:
        emit({"size": table.num_rows, "members": table.column("address").to_pylist(), **_rests_on(facts)})
        return
    rows = [(row["address"],) for row in table.slice(0, SHOWN).to_pylist()]
    more = f", the first {SHOWN}" if table.num_rows > SHOWN else ""
    show(f"{table.num_rows} addresses of one owner{more}", ("address",), rows)
    basis.tell_provenance(facts)


def _why(index: Index, found: Clusters, pair: tuple[int, int], facts: Provenance, *, as_json: bool) -> None:
    first, other = pair
    together = found.of(first) == found.of(other)
    table = reasons_table(found, found.why(first, other), index.address_text)
    if as_json:
        emit({"one": together, "reasons": table.to_pylist(), **_rests_on(facts)})
        return
    if not together:
        say("These are not one: no chain of chain txs, other than CoinJoins, spent coins of both.")
    else:
        rows = [(row["address"], row["other"], row["txid"], str(row["height"])) for row in table.to_pylist()]
        show("One owner: each chain tx spent coins of both addresses", ("address", "and", "chain tx", "height"), rows)
    basis.tell_provenance(facts)


def _rests_on(facts: Provenance) -> dict[str, Any]:
    return {"provenance": facts.as_json(), "provenance_sha256": facts.sha256}
