"""The file that says what a signer connects to: strict, private, and never quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom_signer.links import Links, LinksError, read_links

NODES = """\
[peer]
name = "B"
socket = "/run/b.sock"
[witness]
name = "W"
address = "[::1]:9001"
tls_cert = "c.pem"
tls_key = "k.pem"
tls_ca = "a.pem"
[nodes."bip122:0f9188f13cb7b2c71f2a335e3a4fc328"]
urls = ["http://user:secret-1@127.0.0.1:18443"]
cookie_files = [{ url = "http://127.0.0.1:18444", cookie_file = "/srv/.cookie" }]
[nodes."eip155:1"]
urls = ["https://node.example/path/secret-2"]
"""


def links_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "links.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_everything_is_read(tmp_path: Path):
    links = read_links(links_file(tmp_path, NODES))
    assert links.peer is not None
    assert (links.peer.name, links.peer.socket, links.peer.address) == ("B", Path("/run/b.sock"), None)
    assert links.witness is not None
    assert (links.witness.address, links.witness.socket) == (("::1", 9001), None)
    assert links.witness.tls is not None
    assert links.witness.tls.authority == Path("a.pem")
    first, second = links.nodes["bip122:0f9188f13cb7b2c71f2a335e3a4fc328"]
    assert (first.name, first.cookie_file) == ("127.0.0.1:18443", None)
    assert (second.name, second.cookie_file) == ("127.0.0.1:18444", Path("/srv/.cookie"))
    assert links.nodes["eip155:1"][0].name == "node.example"
    assert "secret" not in repr(links)


def test_no_file_and_an_empty_one_are_no_links(tmp_path: Path):
    assert read_links(tmp_path / "links.toml") == Links(None, None, {})
    assert read_links(links_file(tmp_path, "")) == Links(None, None, {})


@pytest.mark.parametrize(
    "text",
    [
        'secret-x = "secret"',
        "not toml secret",
        "[peer]\nname = 'B'",
        "[peer]\nname = 'B'\nsocket = 3",
        "[peer]\nname = 'B'\nsocket = ''",
        "[peer]\nname = 'B'\nsocket = '/b'\nextra = 'x'",
        "[peer]\nname = 'B'\naddress = 'host:1'",
        "[peer]\nname = 'B'\naddress = 'host'\ntls_cert = 'c'\ntls_key = 'k'\ntls_ca = 'a'",
        "[peer]\nname = 'B'\naddress = 'host:0'\ntls_cert = 'c'\ntls_key = 'k'\ntls_ca = 'a'",
        "[peer]\nname = 'B'\naddress = 'host:65536'\ntls_cert = 'c'\ntls_key = 'k'\ntls_ca = 'a'",
        "peer = 'B'",
        "nodes = 3",
        "[nodes]\nx = 3",
        "[nodes.x]\nurls = 'http://secret@h'",
        "[nodes.x]\nurls = ['ftp://secret@h']",
        "[nodes.x]\nurls = ['http://']",
        "[nodes.x]\nurls = ['http://u:secret@h:0']",
        "[nodes.x]\nurls = ['http://u:secret@h:99999']",
        "[nodes.x]\nurls = [3]",
        "[nodes.x]\nurl = 'http://u:secret@h:1'",
        "[nodes.x]\nurls = ['http://u:secret@h:1', 'http://v:secret@h:1']",
        "[nodes.x]\ncookie_files = ['http://h:1']",
        "[nodes.x]\ncookie_files = [{ url = 'http://h:1' }]",
    ],
)
def test_what_is_not_a_file_of_links_is_refused_without_quoting_it(text: str, tmp_path: Path):
    with pytest.raises(LinksError) as caught:
        read_links(links_file(tmp_path, text))
    assert caught.value.code == "links-wrong"
    assert "secret@" not in caught.value.message
    assert "secret-" not in caught.value.message.replace("secret-x", "")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(mode: int, tmp_path: Path):
    with pytest.raises(LinksError):
        read_links(links_file(tmp_path, NODES, mode))
