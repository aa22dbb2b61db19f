"""An answer as plain data; and the real packs taken in with the parties that they name."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from strongroom_tracing.tags.answers import as_json
from strongroom_tracing.tags.errors import StoreDamagedError
from strongroom_tracing.tags.imports.formats import Format
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.model import Actor, Category
from strongroom_tracing.tags.service import import_actors, import_list
from strongroom_tracing.tags.store import TagStore
from tests.unit.tracing.tags.made import ETHEREUM, evm, put, tag


def test_an_answer_is_plain_data_and_names_whom_to_ask(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    store.replace_actors({"kraken": Actor("kraken", "Kraken", Category.EXCHANGE, ("US",), "https://kraken.com")})
    put(store, "a", [tag(evm(1), actor="kraken"), tag(evm(2))])
    put(store, "a", [tag(evm(1), actor="kraken")], date(2025, 2, 1))
    again = TagStore.open(tmp_path)
    said = as_json(again.answered(ETHEREUM, evm(1), date(2025, 3, 1)), again.actors)
    assert json.loads(json.dumps(said)) == said
    assert (said["tags"][0]["list"], said["tags"][0]["category"]) == ("a", "exchange")
    assert (said["tags"][0]["actor_name"], said["tags"][0]["jurisdictions"]) == ("Kraken", ["US"])
    assert (said["lists"][0]["as_of"], said["lists"][0]["days"]) == ("2025-02-01", 28)
    gone = as_json(again.answered(ETHEREUM, evm(2), date(2025, 3, 1)), again.actors)
    assert (gone["tags"], gone["delisted"][0]["gone_as_of"]) == ([], "2025-02-01")
    (tmp_path / "actors.json").write_text("[1]")
    with pytest.raises(StoreDamagedError):
        TagStore.open(tmp_path)


def test_real_packs_are_taken_in_with_their_parties(shared_data: Path, tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    packs = shared_data / "tags"
    assert import_actors(store, packs / "graphsense.actorpack.yaml") == 3813
    taken = import_list(store, "bybit", Format.TAGPACK, packs / "exchange-wallets-bybit.yaml", Given(licence="MIT"))
    assert (taken.info.tags, taken.info.as_of, taken.problems) == (8, date(2022, 11, 17), ())
    assert taken.info.source == "GraphSense Core Team: Bybit reserve wallets"
    (found,) = store.lookup(ETHEREUM, "0xa7a93fd0a276fc1c0197a5b5623ed117786eed06")
    assert store.actors[found.actor].label == "Bybit"
    plus = import_list(store, "plus", Format.TAGPACK, packs / "plustoken.yaml", Given(licence="MIT"))
    assert [problem.line for problem in plus.problems] == [11, 31]
