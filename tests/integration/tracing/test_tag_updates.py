"""Updates of lists over real HTTP, from a server that does what servers do; and processes killed in the middle."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from strongroom_tracing.tags.errors import (
    BadListError,
    ChecksumError,
    FetchError,
    ListOlderError,
    ListShrunkError,
)
from strongroom_tracing.tags.imports.formats import Format
from strongroom_tracing.tags.imports.reading import FILE_BYTES_MAX, Given
from strongroom_tracing.tags.model import Category
from strongroom_tracing.tags.settings import ListSetting
from strongroom_tracing.tags.settings import read as read_settings
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.tags.updates import update, update_all
from tests.fixtures.ports import reserved_port
from tests.integration.tracing.tag_lists import FIRST, SECOND, tags_of
from tests.unit.tracing.tags.made import ETHEREUM, evm, put

CHECKOUT = Path(__file__).resolve().parents[3]
NOW = datetime(2025, 6, 7, 8, 9, 10, tzinfo=UTC)
GIVEN = Given(source="me", label="a thief", category=Category.THEFT, currency="ETH", licence="CC0-1.0")


@dataclass
class Site:
    """What the server answers, by path: status, body, headers; ``slow`` paths drip."""

    port: int = 0
    pages: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)  # the headers of the last request, by path

    def put(self, path: str, body: bytes, status: int = 200, **headers: str) -> str:
        self.pages[path] = (status, body, headers)
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked[self.path] = {name.lower(): value for name, value in self.headers.items()}
            status, body, headers = made.pages.get(self.path, (404, b"", {}))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            try:
                for at in range(0, len(body), 16 if self.path in made.slow else len(body) or 1):
                    self.wfile.write(body[at : at + 16] if self.path in made.slow else body)
                    self.wfile.flush()
                    time.sleep(0.1 if self.path in made.slow else 0)
            except OSError:
                self.close_connection = True  # the client has had enough

        def log_message(self, *_arguments: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port at which nobody listens."""
    with reserved_port() as port:
        yield port


def lines(numbers: range) -> bytes:
    return "".join(f"{evm(number)}\n" for number in numbers).encode()


def setting(url: str, **said: object) -> ListSetting:
    return replace(ListSetting("mine", url, Format.ADDRESSES, GIVEN), **said)  # type: ignore[arg-type] # fields of it


def labels(store: TagStore, number: int) -> list[str]:
    return [tag.label for tag in store.lookup(ETHEREUM, evm(number))]


def test_a_list_is_fetched_and_later_replaced_and_delistings_are_told(site: Site, tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    url = site.put("/a.txt", lines(range(10)), Last_Modified="Wed, 04 Jun 2025 23:00:00 GMT")
    first = update(store, setting(url), now=NOW)
    assert (first.info.as_of, first.info.fetched_at, first.info.tags) == (date(2025, 6, 4), NOW, 10)
    assert store.lookup(ETHEREUM, evm(3))[0].uri == url
    site.put("/a.txt", lines(range(2, 11)) + b"nonsense\n", Last_Modified="Fri, 06 Jun 2025 00:00:00 GMT")
    second = update(store, setting(url), now=NOW)
    assert second.change.added == ((ETHEREUM, evm(10)),)
    assert [gone.address for gone in second.change.delisted] == [evm(0), evm(1)]
    assert [(problem.line, problem.text) for problem in second.problems] == [(10, "nonsense")]
    assert TagStore.open(tmp_path).answered(ETHEREUM, evm(0), NOW.date()).delisted[0].gone_as_of == date(2025, 6, 6)


def test_what_is_not_whole_replaces_nothing(site: Site, nobody: int, tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    update(store, setting(site.put("/a.txt", lines(range(10)))), now=NOW)
    stood = store.hash
    cut = site.put("/cut", lines(range(10)), Content_Length="9999")
    wrong = [
        (setting(site.put("/gone", b"", 404)), FetchError),
        (setting(site.put("/error", b"<html>busy</html>", 200)), BadListError),
        (setting(cut), FetchError),
        (setting(site.put("/large", lines(range(10))), bytes_max=100), FetchError),
        (setting(site.put("/sum", lines(range(10))), sha256="0" * 64), ChecksumError),
        (setting(site.put("/few", lines(range(4)))), ListShrunkError),
        (setting(site.put("/old", lines(range(10))), given=replace(GIVEN, as_of=date(2025, 6, 6))), ListOlderError),
        (setting(f"http://127.0.0.1:{nobody}/"), FetchError),
        (setting(site.put("/away", b"", 302, Location="http://example.org/a.txt")), FetchError),
        (setting(site.put("/inside", b"", 302, Location="https://10.0.0.1/a.txt")), FetchError),
        (setting(site.put("/round", b"", 302, Location="/round")), FetchError),
    ]
    for asked, error in wrong:
        with pytest.raises(error):
            update(store, asked, now=NOW)
        assert store.hash == TagStore.open(tmp_path).hash == stood, asked.url
    assert update(store, setting(site.put("/few", lines(range(4)))), now=NOW, anyway=True).info.tags == 4


def test_what_a_server_packs_is_refused_before_it_is_unpacked(site: Site, tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    once = gzip.compress(lines(range(10)))
    for body, packing in ((once, "gzip"), (gzip.compress(once), "gzip, gzip"), (once, "x-unknown")):
        with pytest.raises(FetchError, match="packed by its server"):
            update(store, setting(site.put("/a.txt", body, Content_Encoding=packing)), now=NOW)
    plain = site.put("/a.txt", lines(range(10)), Content_Encoding="Identity")
    assert update(store, setting(plain), now=NOW).info.tags == 10
    assert site.asked["/a.txt"]["accept-encoding"] == "identity"


def test_exactly_half_of_a_list_is_taken(site: Site, tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    update(store, setting(site.put("/a.txt", lines(range(10)))), now=NOW)
    assert update(store, setting(site.put("/a.txt", lines(range(5)))), now=NOW).change.after == 5


def test_a_server_that_drips_is_left(site: Site, tmp_path: Path) -> None:
    site.slow.add("/slow")
    begun = time.monotonic()
    with pytest.raises(FetchError, match="seconds_max"):
        update(TagStore.open(tmp_path), setting(site.put("/slow", lines(range(400))), seconds_max=1), now=NOW)
    assert time.monotonic() - begun < 60  # it would drip for a hundred seconds


def test_a_checksum_of_the_packed_or_the_unpacked_file_and_a_redirect_here_are_fine(site: Site, tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    plain = lines(range(10))
    packed = bz2.compress(plain)
    site.put("/real.txt", packed)
    url = site.put("/moved", b"", 302, Location="/real.txt")
    for body in (plain, packed):
        published = site.put("/sum", f"SHA256(a.txt) = {hashlib.sha256(body).hexdigest()}\n".encode())
        assert update(store, setting(url, checksum_url=published), now=NOW).info.tags == 10
    site.put("/sum", b"no digest here")
    with pytest.raises(ChecksumError):
        update(store, setting(url, checksum_url=f"http://127.0.0.1:{site.port}/sum"), now=NOW)


def test_a_packed_bomb_costs_no_more_than_the_readers_limit(site: Site, tmp_path: Path) -> None:
    store = TagStore.open(tmp_path)
    plain = b"#" * (FILE_BYTES_MAX + 1)
    bomb = bz2.compress(plain)
    assert len(bomb) < 1000
    url = site.put("/a.txt.bz2", bomb)
    with pytest.raises(ChecksumError):
        update(store, setting(url, sha256=hashlib.sha256(plain).hexdigest()), now=NOW)
    with pytest.raises(BadListError, match="unpacked"):
        update(store, setting(url, sha256=hashlib.sha256(bomb).hexdigest()), now=NOW)
    short = site.put("/cut.bz2", bz2.compress(lines(range(10)))[:-9])
    with pytest.raises(ChecksumError):
        update(store, setting(short, sha256="0" * 64), now=NOW)


def test_one_list_that_fails_does_not_keep_the_others(site: Site, tmp_path: Path) -> None:
    store = TagStore.open(tmp_path / "store")
    toml = "".join(
        f'[[list]]\nname = "{name}"\nurl = "{url}"\nformat = "addresses"\nsource = "me"\nlabel = "l"\n'
        for name, url in (("bad", site.put("/bad", b"", 500)), ("good", site.put("/good", lines(range(3)))))
    )
    (tmp_path / "lists.toml").write_text(toml)
    seen: list[tuple[int, int]] = []
    outcomes = update_all(
        store,
        read_settings(tmp_path / "lists.toml"),
        now=NOW,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [(outcome.list_name, outcome.error is None) for outcome in outcomes] == [("bad", False), ("good", True)]
    assert [info.name for info in store.lists()] == ["good"]
    assert seen == [(0, 2), (1, 2), (2, 2)]


def replacing(folder: Path, fatal_step: int) -> subprocess.CompletedProcess[str]:
    paths = [str(CHECKOUT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return subprocess.run(
        [sys.executable, "-m", "tests.integration.tracing.tag_lists", str(folder), str(fatal_step)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_process_killed_at_any_step_leaves_the_old_list_or_the_new_one(tmp_path: Path) -> None:
    put(TagStore.open(tmp_path / "count"), "a", tags_of(FIRST))
    steps = int(replacing(tmp_path / "count", 0).stdout)
    assert steps >= 6
    seen = set()
    for fatal in range(1, steps + 1):
        folder = tmp_path / str(fatal)
        put(TagStore.open(folder), "a", tags_of(FIRST))
        assert replacing(folder, fatal).returncode == -signal.SIGKILL
        store = TagStore.open(folder)
        stands = SECOND if labels(store, SECOND.start) else FIRST
        seen.add(stands)
        assert {tag.address for tag in store.all(ETHEREUM)} == {evm(number) for number in stands}
        put(store, "a", tags_of(SECOND))
        assert len(list((folder / "lists").iterdir())) == 1
    assert seen == {FIRST, SECOND}
