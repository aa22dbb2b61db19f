"""What is held of others' journals: rows follow, heads are signed, nothing is changed, and a fork is kept as proof."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom_core.messages import JournalRow, JournalRows, Refused, StatusRequest
from strongroom_core.peer_messages import CopyRequest, HeadIs, PushRequest
from strongroom_core.wire import frame
from strongroom_signer import keyfile
from strongroom_signer.errors import BusyError, JournalBrokenError, PolicyError
from strongroom_signer.identity import check_identity, identity_key, is_head_of, sign_head
from strongroom_signer.journal import MAX_ROWS, encode_body, row_hash
from strongroom_signer.keeper import About, Keeper
from strongroom_signer.peer_store import PeerStore
from tests.unit.signer.kit import DEPLOYMENT, KEYS, NOW
from tests.unit.signer.pair_kit import IDENTITIES, PAIR

NO = "rows-refused"
ABOUT = About(DEPLOYMENT, IDENTITIES, b"\x01" * 32, b"\x02" * 32, NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "peers.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[PeerStore]:
    made = PeerStore(path)
    yield made
    made.close()


def chain(count: int, word: str = "", after: JournalRow | None = None) -> list[JournalRow]:
    rows: list[JournalRow] = [after] if after is not None else []
    for _ in range(count):
        previous, number = (rows[-1].hash, rows[-1].number + 1) if rows else (bytes(32), 1)
        body = encode_body({"at": NOW, "kind": "refused", "word": word + str(number)})
        rows.append(JournalRow(number, previous, body, row_hash(previous, number, body)))
    return rows[1:] if after is not None else rows


def push(rows: list[JournalRow], owner: str = "A", signer: str | None = None, **changes: object) -> PushRequest:
    last = rows[-1] if rows else JournalRow(1, bytes(32), b"", bytes(32))
    signature = sign_head(KEYS[signer or owner].identity, DEPLOYMENT, owner, last.number, last.hash)
    values: dict[str, object] = {"request_id": "r", "owner": owner, "rows": tuple(rows), "signature": signature}
    return PushRequest(**(values | changes))  # type: ignore[arg-type]


def tag(store: PeerStore, request: PushRequest) -> str:
    answer = Keeper(store, lambda: ABOUT).answer(request)
    return answer.tag if isinstance(answer, Refused) else answer.kind


def copied(store: PeerStore, owner: str = "A") -> list[JournalRow]:
    return list(store.copy(owner, 1, MAX_ROWS))


def test_rows_are_taken_in_order_and_once_and_the_signed_head_is_told(store: PeerStore):
    rows = chain(6)
    keeper = Keeper(store, lambda: ABOUT)
    for part in (rows[:2], rows[:2], rows[1:4], rows[3:], rows[:1], rows):
        assert tag(store, push(part)) == "head-is"
    assert copied(store) == rows
    answer = keeper.answer(push(rows[:3]))
    assert isinstance(answer, HeadIs)
    assert (answer.rows, answer.head, answer.policy_hash, answer.now) == (6, rows[-1].hash, b"\x01" * 32, NOW)
    assert is_head_of(IDENTITIES["A"], answer.signature, DEPLOYMENT, "A", 6, rows[-1].hash)


def test_every_order_of_delivery_ends_in_the_same_rows(tmp_path: Path):
    rows = chain(4)
    pushes = [push(rows[:1]), push(rows[1:2]), push(rows[:3]), push(rows[3:])]
    for number, order in enumerate(itertools.permutations(pushes)):
        store = PeerStore(tmp_path / f"{number}.sqlite")
        for _ in range(len(pushes)):
            assert {tag(store, item) for item in order} <= {"head-is", "rows-refused"}
        assert copied(store) == rows
        store.close()


def test_what_does_not_follow_is_not_signed_or_of_a_stranger_is_refused(store: PeerStore):
    rows = chain(4)
    assert tag(store, push(rows[:2])) == "head-is"
    row = rows[2]
    broken = [
        (push(rows[3:]), "rows-refused"),
        (push([rows[2], rows[2]]), "rows-refused"),
        (push([]), "rows-refused"),
        (push(rows[2:], signer="B"), "rows-refused"),
        (push(rows[2:], signature=bytes(64)), "rows-refused"),
        (push(rows[2:], signature=b""), "rows-refused"),
        (push(rows[2:3], signature=push(rows[2:]).signature), "rows-refused"),
        (push([JournalRow(3, row.previous, row.body + b" ", row.hash)]), "rows-refused"),
        (push([JournalRow(3, bytes(31), row.body, row.hash)]), "rows-refused"),
        (PushRequest("r", "A", (JournalRow(0, bytes(32), b"{}", row_hash(bytes(32), 0, b"{}")),), bytes(64)), NO),
        (push(rows[2:], owner="C", signer="A"), "owner-unknown"),
    ]
    for number, (request, wanted) in enumerate(broken):
        assert tag(store, request) == wanted, number
    assert copied(store) == rows[:2]
    assert store.forks("A") == []
    assert tag(store, push(rows[2:])) == "head-is"


@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_fork_is_refused_whole_and_recorded_once(store: PeerStore, first: int):
    rows = chain(3)
    tag(store, push(rows))
    other = chain(5, "other", rows[first - 2] if first > 1 else None)
    for _ in range(2):
        assert tag(store, push(other)) == "journal-forked"
    assert copied(store) == rows
    assert store.forks("A") == [(first, rows[first - 1].hash, other[0].hash)]
    # One that begins behind the row where the pasts part is a fork by the row that it follows.
    assert tag(store, push(other[1:])) == "journal-forked" if first < 3 else tag(store, push(other[1:])) != "head-is"
    assert copied(store) == rows


def test_owners_do_not_mix(store: PeerStore):
    first, second = chain(2), chain(3, "b")
    assert tag(store, push(first)) == tag(store, push(second, owner="B")) == "head-is"
    assert (copied(store), copied(store, "B")) == (first, second)


def test_nothing_that_is_held_changes_goes_or_jumps(store: PeerStore, path: Path):
    rows = chain(3)
    tag(store, push(rows[:2]))
    tag(store, push(chain(3, "x")))
    other = sqlite3.connect(path)
    row = rows[2]
    for statement in (
        "UPDATE rows SET body = x''",
        "DELETE FROM rows",
        "UPDATE heads SET rows = 1",
        "DELETE FROM heads",
        "UPDATE forks SET at = 0",
        "DELETE FROM forks",
        "INSERT INTO heads VALUES ('A', 1, zeroblob(64))",
        "INSERT INTO heads VALUES ('A', 9, zeroblob(64))",
        f"INSERT INTO rows VALUES ('A', 4, x'{row.hash.hex()}', x'00', zeroblob(32))",
        "INSERT INTO rows VALUES ('A', 3, zeroblob(32), x'00', zeroblob(32))",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            other.execute(statement)
    other.close()
    assert copied(store) == rows[:2]


def test_a_store_is_read_again_and_a_flipped_byte_is_named(path: Path):
    rows, store = chain(4), PeerStore(path)
    tag(store, push(rows))
    with pytest.raises(BusyError):
        PeerStore(path)
    store.close()
    again = PeerStore(path)
    assert (again.held("A").rows, copied(again)) == (4, rows)
    again.close()
    damaged = sqlite3.connect(path)
    damaged.execute("DROP TRIGGER rows_stay")
    damaged.execute("UPDATE rows SET body = x'7b7d' WHERE number = 3")
    damaged.commit()
    damaged.close()
    with pytest.raises(JournalBrokenError) as caught:
        PeerStore(path)
    assert caught.value.row == 3


def test_copies_and_pushes_of_large_rows_fit_into_frames(store: PeerStore):
    rows: list[JournalRow] = []
    for number in range(1, 9):
        previous = rows[-1].hash if rows else bytes(32)
        body = encode_body({"at": NOW, "kind": "refused", "word": "x" * 900_000})
        rows.append(JournalRow(number, previous, body, row_hash(previous, number, body)))
    for start in range(0, 8, 2):
        assert tag(store, push(rows[start : start + 2])) == "head-is"
    keeper, got = Keeper(store, lambda: ABOUT), 0
    while got < 8:
        answer = keeper.answer(CopyRequest("r", "A", got + 1, MAX_ROWS))
        assert isinstance(answer, JournalRows)
        assert answer.rows
        frame(answer)
        got += len(answer.rows)
    assert got == 8


def test_a_keeper_answers_nothing_else(store: PeerStore):
    answer = Keeper(store, lambda: ABOUT).answer(StatusRequest("r"))
    assert isinstance(answer, Refused)
    assert answer.tag == "request-malformed"


def test_an_identity_follows_from_the_seed_and_tells_nothing_of_the_other_keys(tmp_path: Path):
    seed = b"s" * 32
    assert identity_key(seed) == identity_key(seed) != identity_key(b"t" * 32)
    key = keyfile._opened("A", seed)
    assert bytes(key.identity) not in {seed, key.ticket_key}
    assert repr(key).find(bytes(key.identity).hex()) == -1
    public = keyfile._seal(tmp_path / "k", "A", seed, (), b"a long passphrase", "interactive")
    assert public.identity == keyfile.read_public(tmp_path / "k").identity == bytes(key.identity.verify_key)
    assert bytes(key.identity).hex() not in (tmp_path / "k").read_text()


def test_a_policy_that_names_another_identity_is_refused():
    check_identity(PAIR.trust, "A", IDENTITIES["A"])
    for name, identity in (("A", IDENTITIES["B"]), ("C", IDENTITIES["A"])):
        with pytest.raises(PolicyError):
            check_identity(PAIR.trust, name, identity)
