"""What a signer connects to: its peer, its witness, and its own nodes of each chain, from ``links.toml`` in its folder.

URLs of nodes hold passwords, so the file is private (0600) and no error or log shows what stands in it.
"""

from __future__ import annotations

import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from strongroom_signer.errors import PolicyError, SignerError
from strongroom_signer.files import is_private
from strongroom_signer.tables import exactly, tables
from strongroom_signer.tls import TlsFiles

#: Beside the journal, in a signer's folder.
LINKS_FILE: Final = "links.toml"
MAX_BYTES: Final = 64 * 1024
MAX_PORT: Final = 65_535
_NODE: Final = {"urls", "cookie_files"}
_TLS: Final = ("tls_cert", "tls_key", "tls_ca")
_BY_SOCKET: Final = {"name", "socket"}
_BY_ADDRESS: Final = {"name", "address", *_TLS}


class LinksError(SignerError):
    """The file of links cannot be read as one, or others can read it."""

    code = "links-wrong"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Another party of the deployment: its name, and a Unix socket, or host and port under TLS."""

    name: str
    socket: Path | None
    address: tuple[str, int] | None
    tls: TlsFiles | None


@dataclass(frozen=True, slots=True)
class NodeUrl:
    """A node's HTTP address, with ``user:password@`` or beside a cookie file; neither is ever shown."""

    url: str
    cookie_file: Path | None

    def __repr__(self) -> str:
        """Show where, not how to get in."""
        return f"NodeUrl({self.name})"

    @property
    def name(self) -> str:
        """What may be shown of it: host and port."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


@dataclass(frozen=True, slots=True)
class Links:
    """Everything that this signer connects to; ``nodes`` by CAIP-2 id."""

    peer: Endpoint | None
    witness: Endpoint | None
    nodes: dict[str, tuple[NodeUrl, ...]]


def read_links(path: Path) -> Links:
    """Read ``links.toml``; no file is no links. Raises ``LinksError``, which quotes nothing of the file."""
    try:
        return _read(path) if path.exists() else Links(None, None, {})
    except PolicyError as error:
        # It names settings, never their values.
        message = f"links.toml: {error.message}"
        raise LinksError(message) from None


def _read(path: Path) -> Links:
    body = _toml(path)
    _exactly_of(body, {"peer", "witness", "nodes"}, "the file")
    found = {name: tuple(_nodes(table, name)) for name, table in tables({"nodes": {}, **body}, "nodes").items()}
    peer, witness = (_endpoint(body[name], name) if name in body else None for name in ("peer", "witness"))
    return Links(peer, witness, found)


def _toml(path: Path) -> dict[str, Any]:
    if not stat.S_ISREG(path.stat().st_mode) or path.stat().st_size > MAX_BYTES or not is_private(path):
        message = (
            f"{path.name} holds passwords: it must be a file of at most {MAX_BYTES} bytes that only its owner reads"
        )
        raise LinksError(message)
    try:
        return tomllib.loads(path.read_bytes().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # The parser's own message would quote a line, and with it a password.
        message = f"{path.name} is not TOML"
        raise LinksError(message) from None


def _endpoint(table: object, where: str) -> Endpoint:
    if not isinstance(table, dict) or not all(isinstance(value, str) and value for value in table.values()):
        message = f"{where} is a table of texts"
        raise LinksError(message)
    if "socket" in table:
        exactly(table, _BY_SOCKET, where)
        return Endpoint(table["name"], Path(table["socket"]), None, None)
    exactly(table, _BY_ADDRESS, where)
    tls = TlsFiles(*(Path(table[name]) for name in _TLS))
    return Endpoint(table["name"], None, _address(table["address"], where), tls)


def _address(text: str, where: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or not 0 < int(port) <= MAX_PORT:
        message = f"{where}.address is written host:port"
        raise LinksError(message)
    return (host.strip("[]"), int(port))


def _nodes(table: dict[str, Any], chain: str) -> list[NodeUrl]:
    where = f"nodes.{chain}"
    _exactly_of(table, _NODE, where)
    urls, cookies = table.get("urls", []), table.get("cookie_files", [])
    if not isinstance(urls, list) or not isinstance(cookies, list):
        message = f"{where}: urls and cookie_files are lists"
        raise LinksError(message)
    found = [NodeUrl(_url(url, where), None) for url in urls] + [_with_cookie(item, where) for item in cookies]
    if len({node.name for node in found}) != len(found):
        message = f"{where}: one node stands twice; nodes that agree must be different ones"
        raise LinksError(message)
    return found


def _with_cookie(item: object, where: str) -> NodeUrl:
    if not isinstance(item, dict) or set(item) != {"url", "cookie_file"} or not isinstance(item["cookie_file"], str):
        message = f"{where}: a cookie file is written {{ url = …, cookie_file = … }}"
        raise LinksError(message)
    return NodeUrl(_url(item["url"], where), Path(item["cookie_file"]))


def _url(value: object, where: str) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        good = parts is not None and parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        message = f"{where}: a node's address is a URL that starts with http:// or https://"
        raise LinksError(message)
    return str(value)


def _exactly_of(table: dict[str, Any], names: set[str], where: str) -> None:
    if not set(table) <= names:
        message = f"{where} may hold {', '.join(sorted(names))} and nothing else"
        raise LinksError(message)
