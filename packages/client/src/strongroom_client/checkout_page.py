"""Reads a checkout page as its shopper gets it: without a token, from the same address, with a browser's headers.

Whatever on it can tell a shopper where to pay is read: the address that is shown, every payment link, the QR code, and
what the page's own script puts in their place a moment later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Final

import httpx

from strongroom_client.errors import CheckoutError, UnreachableError
from strongroom_client.qr import read_path

TIMEOUT_SECONDS: Final = 20
_MAX_BYTES: Final = 2_000_000
_OK: Final = 200
_FIRST_SERVER_ERROR: Final = 500
_BUSY: Final = 503
_DATA: Final = "data: "
_LINK: Final = re.compile(r"\b(?:bitcoin|litecoin|ethereum):[^\s\"'<>]+", re.IGNORECASE)
_VOID: Final = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
#: As a phone's browser says it: who serves the canary something else than shoppers must find another way to tell them.
_HEADERS: Final = {
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.9",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """Every address and every payment link that a checkout page shows, also in its QR codes."""

    addresses: frozenset[str]
    links: frozenset[str]


def open_checkout(url: str) -> Shown:
    """Open a page and what its script asks for. Raises ``UnreachableError``, ``CheckoutError`` (it is no such page)."""
    with httpx.Client(headers=_HEADERS, timeout=TIMEOUT_SECONDS, trust_env=False) as browser:
        text = _get(browser, url)
        told = [_told(_get(browser, f"{url}/state")), *_streamed(browser, f"{url}/events")]
    page = _Page()
    page.feed(text)
    shown = [page.shown(), *told, Shown(frozenset(), frozenset(map(_unescaped, _LINK.findall(text))))]
    return Shown(
        frozenset(address for item in shown for address in item.addresses),
        frozenset(link for item in shown for link in item.links),
    )


def _get(browser: httpx.Client, url: str) -> str:
    try:
        answer = browser.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _closed(url, error) from None
    _check(url, answer)
    if len(answer.content) > _MAX_BYTES:
        message = f"{url} has {len(answer.content)} bytes"
        raise CheckoutError(message)
    return answer.text


def _streamed(browser: httpx.Client, url: str) -> list[Shown]:
    """Read what an open page hears first; nothing where too many are open, and then it asks for the state instead."""
    try:
        with browser.stream("GET", url) as answer:
            if answer.status_code == _BUSY:
                return []
            _check(url, answer)
            for line in answer.iter_lines():
                if line.startswith(_DATA):
                    return [_told(line.removeprefix(_DATA))]
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _closed(url, error) from None
    message = f"{url} ends without a word"
    raise UnreachableError(message)


def _closed(url: str, error: Exception) -> UnreachableError:
    return UnreachableError(f"{url} does not open ({type(error).__name__})")


def _check(url: str, answer: httpx.Response) -> None:
    message = f"{url} answers with HTTP {answer.status_code}"
    if answer.status_code >= _FIRST_SERVER_ERROR:
        raise UnreachableError(message)
    if answer.status_code != _OK:
        raise CheckoutError(message)


def _told(text: str) -> Shown:
    """Read what the script is told: the state's own fields, which it puts into the page."""
    try:
        state: Any = httpx.Response(_OK, text=text).json()
        page = state["page"]
        paths = [(page["qr_size"], page["qr_path"])] if page["pay"] else []
        return Shown(
            frozenset({str(state["address"])}),
            frozenset({str(state["payment_uri"]), str(page["payment_uri"]), *(read_path(*item) for item in paths)}),
        )
    except (ValueError, KeyError, TypeError) as error:
        message = f"the page's state does not read as one ({type(error).__name__})"
        raise CheckoutError(message) from None


def _unescaped(link: str) -> str:
    return link.replace("&amp;", "&")


class _Page(HTMLParser):
    """Collects the text of the address, links that are no web links, and QR codes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._depth = 0  # inside the element with the address: how many elements deep
        self._text: list[str] = []
        self._addresses: list[str] = []
        self._links: list[str] = []
        self._size = ""
        self._codes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element shows."""
        found = {name: value or "" for name, value in attrs}
        if self._depth and tag not in _VOID:
            self._depth += 1
        if found.get("id") == "address":
            self._depth, self._text = 1, []
        self._links += [value for name, value in found.items() if name == "href" and _LINK.fullmatch(value)]
        if tag == "svg":
            self._size = found.get("viewbox", "")
        if tag == "path" and found.get("d", "").startswith("M") and self._size.startswith("0 0 "):
            self._codes.append((self._size.rpartition(" ")[2], found["d"]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it, and that it has no inside."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        if self._depth and tag not in _VOID:
            self._depth -= 1
            if not self._depth:
                self._addresses.append("".join(self._text).strip())

    def handle_data(self, data: str) -> None:
        """Keep the address's own text."""
        if self._depth:
            self._text.append(data)

    def shown(self) -> Shown:
        """Give what was found. Raises ``CheckoutError`` where a shopper could not pay by it."""
        codes = [read_path(int(size), path) for size, path in self._codes if _is_code(size, path)]
        if not self._addresses or not codes:
            message = "the page shows no address or no QR code, although the invoice is open"
            raise CheckoutError(message)
        return Shown(frozenset(self._addresses), frozenset([*self._links, *codes]))


def _is_code(size: str, path: str) -> bool:
    """Tell a QR code from the page's signs: runs of dark modules, and nothing else."""
    return size.isdecimal() and re.fullmatch(r"(?:M\d+ \d+h\d+v1h-\d+z)+", path) is not None
