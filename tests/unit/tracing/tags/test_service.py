"""What may take the place of a list, and what may not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from strongroom_tracing.tags.errors import BadListError, ListOlderError, ListShrunkError
from strongroom_tracing.tags.imports.formats import Format, read
from strongroom_tracing.tags.imports.reading import Given
from strongroom_tracing.tags.service import Imported, import_list
from strongroom_tracing.tags.store import TagStore
from tests.unit.tracing.tags.made import evm

FETCHED = datetime(2025, 6, 7, 23, 30, tzinfo=UTC)
TODAY = "2025-06-07"


def take(store: TagStore, folder: Path, rows: Iterable[tuple[int, str]], *, anyway: bool = False) -> Imported:
    """Take in a list of addresses, each of a day."""
    path = folder / "list.csv"
    path.write_text("address,source_date\n" + "".join(f"{evm(number)},{day}\n" for number, day in rows))
    given = Given(source="me", label="l", currency="ETH")
    return import_list(store, "mine", Format.CSV, path, given, fetched_at=FETCHED, anyway=anyway)


def issue(numbers: Iterable[int], day: str = TODAY) -> list[tuple[int, str]]:
    return [(number, day) for number in numbers]


def test_a_day_to_come_does_not_lock_a_list(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path / "store")
    take(store, tmp_path, issue(range(10), "2025-06-06"))
    stood = store.hash
    for late in ("9999-12-31", "2025-06-09"):
        with pytest.raises(BadListError, match="a day to come"):
            take(store, tmp_path, [*issue(range(9)), (9, late)], anyway=True)
    assert TagStore.open(tmp_path / "store").hash == stood
    assert take(store, tmp_path, [*issue(range(9)), (9, "2025-06-08")]).info.as_of == date(2025, 6, 8)


def test_a_list_made_by_hand_is_of_no_day_to_come_either(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(evm(1))
    given = Given(source="me", label="l", as_of=date(9999, 12, 31))
    with pytest.raises(BadListError, match="a day to come"):
        import_list(TagStore.open(tmp_path / "store"), "mine", Format.ADDRESSES, path, given)


def test_as_many_others_are_not_the_same_list(tmp_path: Path) -> None:
    store = TagStore.open(tmp_path / "store")
    take(store, tmp_path, issue(range(10)))
    stood = store.hash
    for numbers in (range(100, 110), range(6, 106)):
        with pytest.raises(ListShrunkError):
            take(store, tmp_path, issue(numbers))
    assert store.hash == stood
    assert take(store, tmp_path, issue(range(5, 105))).change.after == 100
    assert take(store, tmp_path, issue(range(200, 210)), anyway=True).change.after == 10


def test_what_another_process_put_meanwhile_is_what_is_compared_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = TagStore.open(tmp_path / "store"), TagStore.open(tmp_path / "store")
    take(mine, tmp_path, issue(range(4), "2025-06-01"))

    def slow(*given: object, **named: object) -> object:
        """Read, and let the other process be done first."""
        monkeypatch.undo()
        tags = read(*given, **named)  # type: ignore[arg-type] # as it was called
        (tmp_path / "other").mkdir(exist_ok=True)
        take(other, tmp_path / "other", issue(range(40), "2025-06-05"), anyway=True)
        return tags

    monkeypatch.setattr("strongroom_tracing.tags.service.read", slow)
    with pytest.raises(ListShrunkError):
        take(mine, tmp_path, issue(range(4)))
    monkeypatch.setattr("strongroom_tracing.tags.service.read", slow)
    with pytest.raises(ListOlderError):
        take(mine, tmp_path, issue(range(40), "2025-06-04"))
    assert TagStore.open(tmp_path / "store").info("mine").tags == 40
