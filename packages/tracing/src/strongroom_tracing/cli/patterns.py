"""`changes` and `peel`: which outputs look like change, and coins that are carried from payment to payment."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import typer

from strongroom_core.assets import Asset
from strongroom_tracing.cli import basis
from strongroom_tracing.cli.context import INDEX_DEFAULT, AsJson, IndexFolder, coin_of, emit, money, say, show
from strongroom_tracing.cli.errors import UsageError
from strongroom_tracing.clusters.patterns import Patterns
from strongroom_tracing.clusters.peeling import LEAST, PeelingChain
from strongroom_tracing.clusters.tables import changes_table, peels_table
from strongroom_tracing.export import as_json as answer_json
from strongroom_tracing.index.service import Index
from strongroom_tracing.provenance import Provenance

_SHOWN: Final = 50
_TXID: Final = re.compile(r"[0-9a-f]{64}")
_HEIGHTS: Final = re.compile(r"([0-9]{1,10})-([0-9]{1,10})")

Heights = Annotated[
    str, typer.Option("--heights", help="All chain txs of these blocks instead, as 100-120 (both included).")
]


def changes(
    where: Annotated[
        str, typer.Argument(help="A chain tx by its txid, or an address: the chain txs that spend from it.")
    ] = "",
    heights: Heights = "",
    folder: IndexFolder = INDEX_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Say which outputs look like change that the payer kept, by which signs, with a score of 1 to 100.

    A score is an order for reading, no probability. Change never merges clusters. CoinJoins have none.
    """
    with Index.open(folder) as index:
        patterns = Patterns(index)
        if heights:
            links = patterns.changes(*_txs(index, where, heights))
        elif _TXID.fullmatch(where):
            links = patterns.finder.links([_tx(index, where)])
        else:
            links = patterns.changes_of(_address(index, where))
        table = changes_table(index.columns, links, index.address_text)
        facts = patterns.provenance("changes", _asked(where, heights))
        if as_json:
            emit(answer_json({"changes": table}, facts))
        else:
            _tell_changes(table.to_pylist(), facts, coin_of(index.chain))


def peel(
    txid: Annotated[str, typer.Argument(help="A chain tx: give the peeling chain that it is a hop of.")] = "",
    heights: Heights = "",
    least: Annotated[int, typer.Option("--least", min=1, help="Shorter chains are left out (hops).")] = LEAST,
    folder: IndexFolder = INDEX_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Follow a peeling chain: one coin, of which a little is peeled off at each payment and the rest is carried on.

    With --heights, list the chains that start in these blocks.
    """
    with Index.open(folder) as index:
        patterns = Patterns(index)
        if heights:
            chains = list(patterns.chains(*_txs(index, txid, heights), least=least))
        else:
            found = patterns.chain_through(_tx(index, txid), least)
            chains = [] if found is None else [found]
        facts = patterns.provenance("peeling", {**_asked(txid, heights), "least": least})
        if as_json:
            rests_on = {"provenance": facts.as_json(), "provenance_sha256": facts.sha256}
            emit({**rests_on, "chains": [_chain_json(index, chain) for chain in chains]})
        else:
            _tell_chains(index, chains, facts, whole=not heights)


def _asked(where: str, heights: str) -> dict[str, Any]:
    return {"heights": heights} if heights else {"where": where}


def _txs(index: Index, where: str, heights: str) -> tuple[int, int]:
    """Give the chain txs of blocks: the first, and the one after the last."""
    match = _HEIGHTS.fullmatch(heights)
    if match is None or where:
        message = f"--heights {heights!r} stands alone and names blocks as 100-120"
        raise UsageError(message)
    columns = index.columns
    first, last = int(match[1]) - columns.first_height, int(match[2]) - columns.first_height
    if not 0 <= first <= last < columns.blocks:
        message = f"--heights {heights}: the index has blocks {columns.first_height}-{index.tip.height}"
        raise UsageError(message)
    return int(columns.block_first_tx[first]), int(columns.block_first_tx[last + 1])


def _tx(index: Index, txid: str) -> int:
    tx = index.find_tx(txid)
    if tx is None:
        message = f"no chain tx {txid!r} is in the index of {index.chain} up to height {index.tip.height}; name a txid"
        raise UsageError(message)
    return tx


def _address(index: Index, text: str) -> int:
    address = index.find_address(text) if text else None
    if address is None:
        message = (
            f"{text!r} is no txid, and no address that was paid on {index.chain} through height {index.tip.height}"
        )
        raise UsageError(message)
    return address


def _tell_changes(rows: list[dict[str, Any]], facts: Provenance, asset: Asset) -> None:
    say(basis.heading("Change", facts))
    if not rows:
        say("No output of these chain txs looks like change: no sign, or as much against it as for it.")
    for row in rows[:_SHOWN]:  # no table: an outpoint that is cut into lines cannot be copied
        say(f"score {row['score']} ({', '.join(row['signs'])}): {money(asset, row['value'])} at {row['address']}")
        say(f"    {row['output']}, kept by who spent from {row['spender']}")
    if len(rows) > _SHOWN:
        say(f"and {len(rows) - _SHOWN} more; --json gives all")
    basis.tell_provenance(facts)


def _tell_chains(index: Index, chains: list[PeelingChain], facts: Provenance, *, whole: bool) -> None:
    asset = coin_of(index.chain)
    say(basis.heading("Peeling chains", facts))
    if not chains:
        say("None: one coin in, two out, several times in a row, is not what is there.")
    for chain in chains[:_SHOWN]:
        _tell_chain(index, chain, asset)
        if whole:
            _tell_hops(index, chain, asset)
    if len(chains) > _SHOWN:
        say(f"and {len(chains) - _SHOWN} more; --json gives all")
    basis.tell_provenance(facts)


def _tell_chain(index: Index, chain: PeelingChain, asset: Asset) -> None:
    left = int(index.columns.output_value[chain.end])
    ended = f" by {index.columns.txid_text(chain.ended_in)}" if chain.ended_in >= 0 else ""
    say(
        f"{len(chain.hops)} hops peel {money(asset, chain.peeled)} off {index.columns.outpoint_text(chain.start)}; "
        f"{money(asset, left)} is left, {chain.ended}{ended}"
    )
    say(f"    {index.columns.outpoint_text(chain.end)}")


def _tell_hops(index: Index, chain: PeelingChain, asset: Asset) -> None:
    rows = [
        (
            str(row["hop"]),
            str(row["height"]),
            row["peeled_address"],
            money(asset, row["peeled_value"]),
            money(asset, row["carried_value"]),
            ", ".join(row["signs"]) or "the larger is carried",
        )
        for row in peels_table(index.columns, chain, index.address_text).to_pylist()
    ]
    names = ("hop", "height", "peeled off to", "peeled", "carried on", "told by")
    show("Hops", names, rows, numeric=("peeled", "carried on"))


def _chain_json(index: Index, chain: PeelingChain) -> dict[str, Any]:
    columns = index.columns
    hops = peels_table(columns, chain, index.address_text).to_pylist()
    for hop in hops:
        hop |= {name: str(hop[name]) for name in ("peeled_value", "carried_value")}
    return {
        "start": columns.outpoint_text(chain.start),
        "end": columns.outpoint_text(chain.end),
        "left": str(int(columns.output_value[chain.end])),
        "peeled": str(chain.peeled),
        "ended": str(chain.ended),
        "ended_in": columns.txid_text(chain.ended_in) if chain.ended_in >= 0 else None,
        "hops": hops,
    }
