"""`tags`: the lists of known services, thefts and sanctioned addresses."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from strongroom_tracing.cli.context import TAGS_DEFAULT, AsJson, On, TagsFolder, day, emit, note, progress, say, show
from strongroom_tracing.tags import answers, currencies, settings, snapshots
from strongroom_tracing.tags.imports.formats import Format
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.model import Category, Change, Listed
from strongroom_tracing.tags.service import Imported, import_list
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.tags.updates import update_all
from strongroom_tracing.tags.vocabulary import CONFIDENCE_UNKNOWN

tags = typer.Typer(
    help="Lists of tags: which were checked, how old they are, what they say of an address.", no_args_is_help=True
)
_SHOWN: Final = 10
_FAILED: Final = 1
_CHAINS: Final = (  # by the form of an address, the likeliest chain of that form
    (re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII), currencies.ETHEREUM),
    (re.compile(r"T[1-9A-HJ-NP-Za-km-z]{33}", re.ASCII), currencies.TRON),
)
Anyway = Annotated[bool, typer.Option("--anyway", help="Take a list that is older or lost more than half of its tags.")]


@tags.command("install")
def install(folder: TagsFolder = TAGS_DEFAULT) -> None:
    """Put the dated lists there that come with this program (sanctions, FBI); lists that are there already stay."""
    store = TagStore.open(folder)
    added = snapshots.install(store)
    say(f"installed: {', '.join(added) or 'nothing, all are there already'}")


@tags.command("list")
def show_lists(folder: TagsFolder = TAGS_DEFAULT, on: On = "", as_json: AsJson = False) -> None:
    """Show the lists, their days, ages and sizes."""
    store, today = TagStore.open(folder), day(on)
    found = store.lists()
    if as_json:
        emit({"tags_hash": store.hash, "lists": [_plain(item) for item in found]})
        return
    rows = [
        (
            item.name,
            item.source,
            item.as_of.isoformat(),
            f"{(today - item.as_of).days} days",
            str(item.tags),
            item.licence,
        )
        for item in found
    ]
    show("Lists", ("list", "source", "as of", "age", "tags", "licence"), rows, numeric=("tags",))


@tags.command("lookup")
def lookup(
    address: Annotated[str, typer.Argument(help="The address to look up.")],
    chain: Annotated[
        str,
        typer.Option(
            help="CAIP-2 id of its chain, as eip155:1. Where left out, the address's form tells: Ethereum (counts on "
            "every EVM chain) or Tron, else Bitcoin."
        ),
    ] = "",
    folder: TagsFolder = TAGS_DEFAULT,
    on: On = "",
    as_json: AsJson = False,
) -> None:
    """Say what all lists say of an address, conflicts and delistings included, and which lists those were."""
    store = TagStore.open(folder)
    answered = store.answered(chain or _chain_of(address), address, day(on))
    if as_json:
        emit(answers.as_json(answered, store.actors))
        return
    show(
        f"{answered.address} on {answered.chain}",
        ("list", "says", "category", "as of", "confidence"),
        [_said(x) for x in answered.tags],
    )
    for gone in answered.delisted:
        until = f"(listed until {gone.listed_as_of.isoformat()}: {gone.label})"
        say(f"{gone.list_name} no longer lists it as of {gone.gone_as_of.isoformat()} {until}")
    if answered.conflicts:
        say(f"The lists do not agree: {', '.join(answered.conflicts)}.")
    checked = ", ".join(f"{item.info.name} ({item.days} days old)" for item in answered.lists) or "none"
    say(f"Lists checked: {checked}. On none of them does not mean clean.")


@tags.command("import")
def take_in(
    path: Annotated[Path, typer.Argument(help="The file of tags.")],
    name: Annotated[str, typer.Option("--list", help="Name of the list that the file becomes.")],
    form: Annotated[Format, typer.Option("--format", help="Format of the file.")] = Format.CSV,
    source: Annotated[str, typer.Option(help="Whose list it is, where the file does not say.")] = "",
    as_of: Annotated[
        str, typer.Option("--as-of", help="Day of the list (YYYY-MM-DD), where the file does not say.")
    ] = "",
    label: Annotated[str, typer.Option(help="Label of addresses that have none.")] = "",
    category: Annotated[Category | None, typer.Option(help="Category of addresses that have none.")] = None,
    currency: Annotated[str, typer.Option(help="Currency of addresses that have none, as XBT.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the list.")] = "",
    confidence: Annotated[
        int, typer.Option(min=0, max=100, help="Per cent, for tags that say none.")
    ] = CONFIDENCE_UNKNOWN,
    anyway: Anyway = False,
    folder: TagsFolder = TAGS_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Read a file of tags and put it in the place of the list of that name; all of it or nothing."""
    said = Given(
        source=source,
        licence=licence,
        as_of=_given_day(as_of),
        label=label,
        category=category,
        currency=currency,
        confidence=confidence,
    )
    done = import_list(TagStore.open(folder), name, form, path, said, anyway=anyway)
    _show_import(done, as_json=as_json)


@tags.command("update")
def update(
    settings_file: Annotated[Path, typer.Option("--settings", help="TOML file that names the lists and their URLs.")],
    anyway: Anyway = False,
    folder: TagsFolder = TAGS_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Fetch the lists that a settings file names; one that fails leaves what stood, and the exit code is 1."""
    wanted = settings.read(settings_file)
    with progress("lists", quiet=as_json) as told:
        outcomes = update_all(TagStore.open(folder), wanted, now=datetime.now(UTC), anyway=anyway, progress=told)
    for outcome in outcomes:
        if outcome.imported is not None:
            _show_import(outcome.imported, as_json=as_json)
        elif outcome.error is not None:
            note(f"{outcome.list_name}: {outcome.error.code}: {outcome.error.message}")
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(_FAILED)


@tags.command("remove")
def remove(name: Annotated[str, typer.Argument(help="Name of the list.")], folder: TagsFolder = TAGS_DEFAULT) -> None:
    """Take a list away."""
    TagStore.open(folder).remove(name)
    say(f"removed: {name}")


def _chain_of(address: str) -> str:
    """Give the chain that is meant where none is named; a wrong checksum is found there."""
    return next((chain for form, chain in _CHAINS if form.fullmatch(address.strip())), currencies.BITCOIN)


def _given_day(text: str) -> date | None:
    return day(text) if text else None


def _show_import(done: Imported, *, as_json: bool) -> None:
    if as_json:
        emit(
            {
                "list": _plain(done.info),
                "change": _plain(done.change),
                "problems": [str(item) for item in done.problems],
            }
        )
        return
    say(f"{done.info.name}: {done.info.tags} tags as of {done.info.as_of.isoformat()}; {_change(done.change)}")
    for problem in done.problems[:_SHOWN]:
        note(str(problem))
    if len(done.problems) > _SHOWN:
        note(f"and {len(done.problems) - _SHOWN} more lines that cannot be read")


def _change(change: Change) -> str:
    return f"{len(change.added)} addresses are new, {len(change.delisted)} are gone"


def _said(listed: Listed) -> tuple[str, ...]:
    tag = listed.tag
    return (listed.list_name, tag.label, tag.category.value, tag.source_date.isoformat(), f"{tag.confidence} %")


def _plain(value: Any) -> Any:
    """Give a dataclass as JSON's own types; days in ISO 8601."""
    return json.loads(json.dumps(asdict(value), default=str))
