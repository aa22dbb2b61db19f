"""`exposure`: how near is an output to marks and tags?"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset
from strongroom_tracing.cli import asking, basis
from strongroom_tracing.cli.clustering import ClustersFolder, clusters_of
from strongroom_tracing.cli.context import (
    INDEX_DEFAULT,
    TAGS_DEFAULT,
    AsJson,
    IndexFolder,
    On,
    TagsFolder,
    coin_of,
    day,
    emit,
    money,
    say,
    show,
)
from strongroom_tracing.export import as_json as answer_json
from strongroom_tracing.exposure.asking import Asked, Question, ask
from strongroom_tracing.exposure.model import Exposure, Limits
from strongroom_tracing.index.service import Index
from strongroom_tracing.marks.service import Case

_STANDARD = Limits()


def exposure(
    output: Annotated[str, typer.Argument(help="An output, as txid:number.")],
    case: Annotated[
        Path | None, typer.Option("--case", "-c", help="Folder of a case: what it marks counts as well.")
    ] = None,
    folder: IndexFolder = INDEX_DEFAULT,
    tags: TagsFolder = TAGS_DEFAULT,
    clusters_folder: ClustersFolder = None,
    alone: Annotated[
        bool, typer.Option("--addresses-only", help="Leave clusters out: a tag counts for its own address only.")
    ] = False,
    no_lists: Annotated[bool, typer.Option("--no-lists", help="Leave lists out: only what the case marks.")] = False,
    confidence: Annotated[
        int, typer.Option("--confidence", min=0, max=100, help="Tags of less confidence (per cent) do not count.")
    ] = 0,
    hops: Annotated[int, typer.Option("--hops", min=0, help="Look back through so many chain txs.")] = _STANDARD.hops,
    txs: Annotated[int, typer.Option("--txs", min=1, help="Look at so many chain txs in all.")] = _STANDARD.txs,
    inputs: Annotated[int, typer.Option("--inputs", min=1, help="Look at so many inputs in all.")] = _STANDARD.inputs,
    smallest: Annotated[str, typer.Option("--smallest", help="Do not follow shares below this, in coins.")] = "",
    on: On = "",
    as_json: AsJson = False,
) -> None:
    """Say what an output touches: marks and tags of its own, and by hops the shares of its value that came from such.

    Shares are in proportion (haircut, backward), and add up to its value. What the limits left out is a share as well.
    The first time clusters of the whole chain are made and kept, unless --addresses-only.
    """
    today = day(on)
    store = asking.store_of(tags, through=no_lists)
    marks = () if case is None else Case.open(case).marks()
    with Index.open(folder) as index:
        asset = coin_of(index.chain)
        least = Amount.parse(smallest, asset).base_units if smallest else _STANDARD.smallest
        index.find_output(output)  # before clusters are made, which can take long
        clusters = None if alone else clusters_of(index, folder, clusters_folder, quiet=as_json)
        limits = Limits(hops, txs, inputs, max(least, 1))
        asked = ask(index, output, Question(store, marks, clusters, confidence, limits))
        if as_json:
            emit(_json(index, output, asked, today))
        else:
            _tell(index, output, asked, asset, today)


def _json(index: Index, output: str, asked: Asked, on: date) -> dict[str, Any]:
    found = asked.found
    return {
        "output": output,
        "address": _address(index, found),
        "value": str(found.value),
        "mined": str(found.mined),
        "before_index": str(found.before_index),
        "beyond": {str(limit): str(value) for limit, value in found.beyond},
        "bounded_by": [str(limit) for limit in found.bounded_by],
        "visited_txs": found.visited_txs,
        "visited_inputs": found.visited_inputs,
        **basis.lists_json(asked.provenance, on),
        **answer_json({"exposure": asked.table}, asked.provenance),
    }


def _tell(index: Index, output: str, asked: Asked, asset: Asset, on: date) -> None:
    found, facts = asked.found, asked.provenance
    say(basis.heading("Exposure", facts))
    say(f"{money(asset, found.value)} at {_address(index, found)}")
    say(f"    {output}")
    say("")
    rows = asked.table.to_pylist()
    direct = [(row["by"], row["what"], ", ".join(row["labels"])) for row in rows if row["part"] == "direct"]
    if direct:
        show("It is itself near to", ("by", "what", "says"), direct)
    else:
        say("It is itself neither marked nor tagged.")
        say("")
    shares = [_row(row, found.value, asset) for row in rows if row["part"] not in {"direct", "mixed"}]
    show(
        "Where its value came from",
        ("what", "hops back", "by", "says", "share", "value"),
        shares,
        numeric=("share", "value"),
    )
    mixed = [(row["labels"][0], str(row["hop"]), money(asset, row["value"])) for row in rows if row["part"] == "mixed"]
    if mixed:
        show("Of that, through CoinJoins", ("kind", "hops back", "value"), mixed, numeric=("value",))
    _tell_limits(found, asset)
    basis.tell_lists(facts, on, "only marks count")
    basis.tell_provenance(facts)


def _row(row: dict[str, Any], whole: int, asset: Asset) -> tuple[str, ...]:
    what = row["what"] if row["part"] == "indirect" else f"({row['part']})"
    hop = "" if row["hop"] is None else str(row["hop"])
    says = ", ".join(row["labels"])
    return what, hop, row["by"] or "", says, basis.share(row["value"], whole), money(asset, row["value"])


def _tell_limits(found: Exposure, asset: Asset) -> None:
    limits = found.limits
    say(
        f"Limits: {limits.hops} hops, {limits.txs} chain txs, {limits.inputs} inputs, shares of "
        f"{money(asset, limits.smallest)} or more. Looked at: {found.visited_txs} chain txs, "
        f"{found.visited_inputs} inputs."
    )
    if found.bounded_by:
        say(f"The search was cut short by: {', '.join(found.bounded_by)}; what lies behind was not looked at.")


def _address(index: Index, found: Exposure) -> str:
    return index.address_text(int(index.columns.output_address[found.output]))
