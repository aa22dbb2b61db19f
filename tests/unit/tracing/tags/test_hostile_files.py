"""Whatever stands in a file, reading it ends in tags, bad lines or an error of ours: never in a library's own."""

from __future__ import annotations

import contextlib
import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom_tracing.tags.errors import TagsError
from strongroom_tracing.tags.imports.formats import Format, read
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.model import Problem
from strongroom_tracing.tags.service import import_list
from strongroom_tracing.tags.store import TagStore

COIN: Final = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
EVM: Final = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
GIVEN: Final = Given(source="S", as_of=date(2024, 1, 1), label="L")
_UUID: Final = "6d0d5a35-9d3e-4c1f-8c6d-2b57aaaaaaaa"
_TIMES: Final = {"created": "2024-01-01T00:00:00.000Z", "modified": "2024-01-01T00:00:00.000Z", "spec_version": "2.1"}
STIX: Final = {
    "type": "bundle",
    "id": f"bundle--{_UUID}",
    "objects": [
        {"type": "identity", "id": f"identity--{_UUID}", "name": "P", "identity_class": "system", **_TIMES},
        {
            "type": "indicator",
            "id": f"indicator--{_UUID}",
            "valid_from": "2024-01-01T00:00:00Z",
            "pattern": f"[cryptocurrency-wallet:value = '{COIN}']",
            "pattern_type": "stix",
            "name": "x",
            "labels": ["theft"],
            "created_by_ref": f"identity--{_UUID}",
            "external_references": [{"source_name": "a", "url": "https://example.org"}],
            **_TIMES,
        },
        {"type": "x-wallet", "id": f"x-wallet--{_UUID}", "address": COIN, "extensions": {"a": {"b": "c"}}, **_TIMES},
    ],
}
_COIN_OBJECT: Final = {
    "name": "coin-address",
    "Attribute": [{"object_relation": "address", "type": "btc", "value": COIN}],
}
MISP: Final = {
    "Event": {
        "date": "2024-01-01",
        "info": "i",
        "Orgc": {"name": "o"},
        "Tag": [{"name": "t"}],
        "Attribute": [{"type": "btc", "value": COIN, "timestamp": "1700000000", "uuid": _UUID, "Tag": [{"name": "x"}]}],
        "Object": [_COIN_OBJECT],
    }
}
TAGPACK: Final = {
    "title": "t",
    "creator": "c",
    "source": "https://example.org",
    "lastmod": "2024-01-01",
    "currency": "BTC",
    "confidence": "web_crawl",
    "label": "l",
    "tags": [{"address": COIN, "actor": "a", "concepts": ["exchange"]}, {"address": EVM, "currency": "ETH"}],
}
ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    10**400,
    99999999999999999999,
    "",
    "x" * 300,
    [],
    {},
    [[]],
    {"a": 1},
    "9999-99-99",
    "\ud800",
    1e308,
)


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside a value."""
    if before:
        yield before
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*before, key))


def changed(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    """The value with something odd in one place."""
    made = copy.deepcopy(value)
    inside = made
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = odd
    return made


@pytest.mark.parametrize(("kind", "whole"), [(Format.STIX, STIX), (Format.MISP, MISP), (Format.TAGPACK, TAGPACK)])
def test_something_odd_in_any_place_of_a_file_is_told_as_an_error_of_ours(
    tmp_path: Path, kind: Format, whole: dict[str, Any]
) -> None:
    path, read_whole = tmp_path / "list", 0
    for place in places(whole):
        for odd in ODD:
            path.write_text(json.dumps(changed(whole, place, odd)))
            problems: list[Problem] = []
            try:
                tags = read(kind, path, GIVEN, problems, actors={})
            except TagsError:
                continue
            read_whole += bool(tags)
            json.dumps([tag.label for tag in tags], ensure_ascii=False).encode()
    assert read_whole > len(ODD)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from([Format.CSV, Format.ADDRESSES, Format.FBI]), text=st.text(max_size=60), at=st.integers(0, 200)
)
def test_something_odd_in_a_text_is_told_as_an_error_of_ours(tmp_path: Path, kind: Format, text: str, at: int) -> None:
    whole = f"# source: s\n# as_of: 2024-01-01\naddress,label,currency,confidence\n{COIN},l,BTC,50\n{EVM},m,ETH,5\n"
    path = tmp_path / "list.txt"
    path.write_bytes((whole[:at] + text + whole[at:]).encode("utf-8", "surrogatepass"))
    with contextlib.suppress(TagsError):
        read(kind, path, GIVEN, [], actors={})


@pytest.mark.parametrize("head", ["# : ", "#:", "# as_of: ", "# source: \n# : x"])
def test_a_head_that_says_nothing_is_no_fault_of_the_program(tmp_path: Path, head: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{head}\naddress,currency,label\n{COIN},BTC,l\n")
    assert len(read(Format.CSV, path, GIVEN, [], actors={})) == 1


def test_half_of_a_surrogate_pair_is_a_bad_line_and_the_others_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(changed(STIX, ("objects", 2, "name"), "\ud800")))
    taken = import_list(TagStore.open(tmp_path / "tags"), "a", Format.STIX, path, GIVEN)
    assert (taken.info.tags, len(taken.problems)) == (1, 1)
    assert "surrogate" in taken.problems[0].reason


def test_what_a_file_says_does_not_reach_the_terminal_by_a_librarys_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Logging writes warnings to standard error as they are, where nobody has set a handler, as commands do not."""
    place = ("Event", "Object", 0, "Attribute", 0, "object_relation")
    path = tmp_path / "event.json"
    path.write_text(json.dumps(changed(MISP, place, "\x1b]0;owned\x07")))
    code = "import sys, pathlib; from strongroom_tracing.tags.imports.misp import read; read(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)
    assert capfd.readouterr() == ("", "")
