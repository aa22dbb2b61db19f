"""The door: frames that are none, many callers at once, and TLS that lets in only whom it knows."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.infra.settings import SignerSettings
from strongroom.outbound.errors import SignerUnreachableError
from strongroom.outbound.signers import SignerClient
from strongroom_core.messages import Refused, Status, StatusRequest
from strongroom_core.protocol import decode_message
from strongroom_core.wire import MAX_FRAME_BYTES
from tests.fixtures.ports import reserved_port
from tests.integration.signer.processes import START_SECONDS, SignerProcess, make_folder, running, talk
from tests.unit.signer.kit import coin, intent, payout


@pytest.fixture
def signer(root: Path):
    with running(make_folder(root, "A")) as process:
        yield process


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x00\x00\x02{}",
        b"\x00\x00\x00\x00",
        (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        b'\x00\x00\x00\x11{"kind":"unknown"',
    ],
)
def test_what_is_no_message_is_refused_and_the_connection_ended(signer: SignerProcess, sent: bytes):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(START_SECONDS)
        connection.connect(str(signer.socket))
        connection.sendall(sent)
        with connection.makefile("rb") as answers:
            data = answers.read()
    answer = decode_message(data[4:])
    assert isinstance(answer, Refused)
    assert answer.tag == "request-malformed"
    assert isinstance(signer.ask(StatusRequest("req")), Status)


def test_a_caller_that_hangs_up_or_says_nothing_stops_nobody(signer: SignerProcess):
    idle = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(5)]
    for connection in idle:
        connection.connect(str(signer.socket))
        connection.sendall(b"\x00\x00")
    idle.pop().close()
    assert isinstance(signer.ask(StatusRequest("req")), Status)
    for connection in idle:
        connection.close()


def test_many_questions_on_one_connection_and_from_many_threads(signer: SignerProcess):
    expires = int(time.time()) + 3_600
    requests = [
        payout(intent(expires_at=expires, amount=600), coins=(coin(salt=at),)).request(f"r{at}") for at in range(12)
    ]
    answers: dict[str, str] = {}

    def work(part: slice) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(START_SECONDS)
            connection.connect(str(signer.socket))
            for request in requests[part]:
                answer = talk(connection, request)
                answers[answer.request_id] = answer.kind  # type: ignore[attr-defined]

    threads = [threading.Thread(target=work, args=(slice(at, None, 3),)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert answers == {f"r{at}": "signed" for at in range(12)}
    status = signer.ask(StatusRequest("req"))
    assert isinstance(status, Status)
    assert status.rows == 14


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)


def make_certificates(folder: Path) -> None:
    """An authority, a certificate of the signer and one of the platform, and a stranger's authority with its own."""
    for authority in ("ca", "stranger"):
        openssl(
            folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", f"{authority}.key", "-out", f"{authority}.pem", "-subj", f"/CN={authority}",
        )  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:signer-a\n")
    for name, authority in (("signer", "ca"), ("platform", "ca"), ("thief", "stranger")):
        openssl(
            folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.csr", "-subj", f"/CN={name}",
        )  # fmt: skip
        openssl(
            folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
            "-CAcreateserial", "-days", "2", "-out", f"{name}.pem", "-extfile", "names",
        )  # fmt: skip


def client_context(folder: Path, name: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if name is not None:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


@pytest.fixture
def port() -> Iterator[int]:
    with reserved_port() as found:
        yield found


def test_over_tcp_both_sides_show_a_certificate(root: Path, port: int):
    make_certificates(root)
    files = (
        "--tls-cert",
        str(root / "signer.pem"),
        "--tls-key",
        str(root / "signer.key"),
        "--tls-ca",
        str(root / "ca.pem"),
    )

    def question(context: ssl.SSLContext) -> object:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            return talk(secured, StatusRequest("over tls"))

    with running(make_folder(root, "A"), "--listen", f"127.0.0.1:{port}", *files):
        answer = question(client_context(root, "platform"))
        assert isinstance(answer, Status)
        assert answer.request_id == "over tls"
        for name in (None, "thief"):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                question(client_context(root, name))
        old = client_context(root, "platform")
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            question(old)


async def test_the_platform_asks_over_tcp_and_believes_only_the_signer_that_its_settings_name(root: Path, port: int):
    make_certificates(root)
    names = {"--tls-cert": "signer.pem", "--tls-key": "signer.key", "--tls-ca": "ca.pem"}
    files = [word for option, name in names.items() for word in (option, str(root / name))]

    def client(name: str, authority: str = "ca") -> SignerClient:
        own = {"cert_file": root / "platform.pem", "key_file": root / "platform.key"}
        return SignerClient(
            SignerSettings(name=name, address=f"tls://127.0.0.1:{port}", ca_file=root / f"{authority}.pem", **own)
        )

    with running(make_folder(root, "A"), "--listen", f"127.0.0.1:{port}", *files):
        assert (await client("signer-a").status()).signer == "A"
        for stranger in (client("signer-b"), client("signer-a", "stranger")):
            with pytest.raises(SignerUnreachableError):
                await stranger.status()
