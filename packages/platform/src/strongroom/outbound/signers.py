"""How the treasury talks to a signer: one frame out, one frame back, on a unix socket or mutually authenticated TLS.

Whatever goes wrong on the way is ``SignerUnreachableError``: it says nothing about what the signer did. Its journal
knows; asking the same again is always safe, since the same bytes get the same answer.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final, Protocol

from strongroom.infra.settings import SignerSettings
from strongroom.infra.telemetry import current_request_id
from strongroom.outbound.errors import SignerAnswerError, SignerUnreachableError
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import RequestId
from strongroom_core.intents import SignedIntent
from strongroom_core.messages import (
    Refused,
    SafeSigned,
    Signed,
    SignRequest,
    SignSafeRequest,
    Status,
    StatusRequest,
    Voided,
    VoidRequest,
)
from strongroom_core.proof_messages import (
    Attested,
    AttestRequest,
    BooksAre,
    BooksRequest,
    ProveConflictsRequest,
    ProveExecutionsRequest,
    Proven,
    ProveReceiptsRequest,
    ProveTxsRequest,
)
from strongroom_core.protocol import decode_message
from strongroom_core.wire import LENGTH_BYTES, Message, frame, frame_length

ProofRequest = ProveTxsRequest | ProveConflictsRequest | ProveReceiptsRequest | ProveExecutionsRequest
TLS_SCHEME: Final = "tls://"
UNIX_SCHEME: Final = "unix://"
# A signer syncs its journal before each answer; a batch of a hundred payouts takes it a second or two.
ANSWER_TIMEOUT_SECONDS: Final = 30.0
CONNECT_TIMEOUT_SECONDS: Final = 3.0


class Signer(Protocol):
    """What outbound asks of a signer."""

    @property
    def name(self) -> str:
        """The name in our settings."""
        ...

    async def sign(self, chain: str, psbt: bytes, evidence: tuple[SignedIntent, ...]) -> Signed | Refused:
        """Ask for its signatures."""
        ...

    async def sign_safe(self, chain: str, safe_tx: bytes, evidence: tuple[SignedIntent, ...]) -> SafeSigned | Refused:
        """Ask for its signature on a Safe transaction."""
        ...

    async def void(self, evidence: SignedIntent) -> Voided | Refused:
        """Ask for its promise never to sign this intent."""
        ...

    async def prove(self, request: ProofRequest) -> Proven | Refused:
        """Show it what the chain says."""
        ...

    async def books(self, after: tuple[str, str], limit: int) -> BooksAre | Refused:
        """Ask for a page of its own books, after a (holder, asset)."""
        ...

    async def status(self) -> Status:
        """Ask how it is."""
        ...


@dataclass(frozen=True, slots=True)
class SignerClient:
    """Asks the signer of ``settings``; every request has a connection of its own."""

    settings: SignerSettings

    @property
    def name(self) -> str:
        """The name in our settings."""
        return self.settings.name

    async def sign(self, chain: str, psbt: bytes, evidence: tuple[SignedIntent, ...]) -> Signed | Refused:
        """Ask for its signatures. Raises ``SignerUnreachableError``, ``SignerAnswerError``."""
        answer = await self.ask(SignRequest(current_request_id() or RequestId.new(), chain, psbt, evidence))
        if not isinstance(answer, Signed | Refused):
            raise _wrong(self.name, "a signing request")
        return answer

    async def sign_safe(self, chain: str, safe_tx: bytes, evidence: tuple[SignedIntent, ...]) -> SafeSigned | Refused:
        """Ask for its signature on a Safe transaction. Raises ``SignerUnreachableError``, ``SignerAnswerError``."""
        answer = await self.ask(SignSafeRequest(current_request_id() or RequestId.new(), chain, safe_tx, evidence))
        if not isinstance(answer, SafeSigned | Refused):
            raise _wrong(self.name, "a signing request")
        return answer

    async def void(self, evidence: SignedIntent) -> Voided | Refused:
        """Ask for its promise never to sign. Raises ``SignerUnreachableError``, ``SignerAnswerError``."""
        answer = await self.ask(VoidRequest(RequestId.new(), evidence))
        if not isinstance(answer, Voided | Refused):
            raise _wrong(self.name, "a void request")
        return answer

    async def prove(self, request: ProofRequest) -> Proven | Refused:
        """Show it what the chain says. Raises ``SignerUnreachableError``, ``SignerAnswerError``."""
        answer = await self.ask(request)
        if not isinstance(answer, Proven | Refused):
            raise _wrong(self.name, "a proof")
        if isinstance(answer, Proven) and len(answer.results) != len(request.proofs):
            raise _wrong(self.name, "another number of proofs than it was shown")
        return answer

    async def books(self, after: tuple[str, str], limit: int) -> BooksAre | Refused:
        """Ask for a page of its own books, after a (holder, asset).

        Raises ``SignerUnreachableError``, ``SignerAnswerError``.
        """
        answer = await self.ask(BooksRequest(RequestId.new(), *after, limit))
        if not isinstance(answer, BooksAre | Refused):
            raise _wrong(self.name, "a request for its books")
        return answer

    async def attest(self, request: AttestRequest) -> Attested | Refused:
        """Ask for its word on addresses. Raises ``SignerUnreachableError``, ``SignerAnswerError``."""
        answer = await self.ask(request)
        if not isinstance(answer, Attested | Refused):
            raise _wrong(self.name, "a request for attestations")
        if isinstance(answer, Attested):
            indices = [item.index for item in answer.attestations]
            if indices != list(range(request.first, request.first + request.count)):
                raise _wrong(self.name, "other addresses than it was asked for")
        return answer

    async def status(self) -> Status:
        """Ask how it is. Raises ``SignerUnreachableError``, ``SignerAnswerError``."""
        answer = await self.ask(StatusRequest(RequestId.new()))
        if not isinstance(answer, Status):
            raise _wrong(self.name, "a status request")
        return answer

    async def ask(self, request: Message) -> Message:
        """Send one message and read one. Raises ``SignerUnreachableError``, ``SignerAnswerError``."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                reader, writer = await self._connect()
        except (OSError, TimeoutError) as error:
            raise self._unreachable(error) from None
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                writer.write(frame(request))
                await writer.drain()
                length = frame_length(await reader.readexactly(LENGTH_BYTES))
                answer = decode_message(await reader.readexactly(length))
        except (OSError, TimeoutError, EOFError) as error:
            raise self._unreachable(error) from None
        except StrongroomError as error:
            message = f"{self.name}: {error.message}"
            raise SignerAnswerError(message) from None
        finally:
            writer.close()
        if getattr(answer, "request_id", None) != getattr(request, "request_id", None):
            raise _wrong(self.name, "another request")
        return answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self.settings.address
        if not address.startswith(TLS_SCHEME):
            return await asyncio.open_unix_connection(address.removeprefix(UNIX_SCHEME))
        host, _, port = address.removeprefix(TLS_SCHEME).rpartition(":")
        return await asyncio.open_connection(
            host.strip("[]"), int(port), ssl=_tls(self.settings), server_hostname=self.settings.name
        )

    def _unreachable(self, error: BaseException) -> SignerUnreachableError:
        return SignerUnreachableError(f"{self.name} does not answer ({type(error).__name__}); waiting for it")


def _tls(settings: SignerSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=settings.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if settings.cert_file is not None:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


def _wrong(name: str, question: str) -> SignerAnswerError:
    return SignerAnswerError(f"{name} answered {question} with a message of another kind")
