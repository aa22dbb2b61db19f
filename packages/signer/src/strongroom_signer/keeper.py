"""Who keeps others' journals: the answers to push, head and copy, given by a signer for its peer and by a witness.

None of them takes the decision's lock: two signers that confirm at each other at once would wait for ever.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_core.messages import JournalRows, Refused
from strongroom_core.peer_messages import CopyRequest, HeadIs, HeadRequest, PushRequest
from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import RefusedError
from strongroom_signer.identity import is_head_of
from strongroom_signer.journal import MAX_ROWS
from strongroom_signer.log import log
from strongroom_signer.peer_store import Pushed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from strongroom_core.wire import Message
    from strongroom_signer.peer_store import PeerStore
    from strongroom_signer.server import Answers

NO_HASH: Final = bytes(32)
PeerRequest = PushRequest | HeadRequest | CopyRequest


@dataclass(frozen=True, slots=True)
class About:
    """Who keeps: its deployment, the identities of the owners that it keeps for, and what it says about itself."""

    deployment: str
    owners: Mapping[str, bytes]
    policy_hash: bytes
    enrolment_hash: bytes
    now: int


@dataclass(frozen=True, slots=True)
class Keeper:
    """Answers from one store; ``about`` is asked anew for every message."""

    store: PeerStore
    about: Callable[[], About]

    def answer(self, message: Message) -> Message:
        """Give the one answer to one request."""
        request_id: str = getattr(message, "request_id", "")
        if not isinstance(message, PushRequest | HeadRequest | CopyRequest):
            reason = "this is a keeper of journals; it signs nothing"
            return Refused(request_id, RefusalTag.REQUEST_MALFORMED.value, reason, "")
        try:
            return self._answer(message)
        except RefusedError as error:
            return Refused(request_id, error.tag.value, error.reason, "")
        except sqlite3.Error as error:
            return Refused(request_id, RefusalTag.JOURNAL_BROKEN.value, f"nothing can be kept here ({error})", "")

    def _answer(self, message: PeerRequest) -> Message:
        about = self.about()
        identity = about.owners.get(message.owner)
        if identity is None:
            raise RefusedError(RefusalTag.OWNER_UNKNOWN, f"no journal of {message.owner[:32]} is kept here")
        match message:
            case PushRequest():
                self._push(message, about, identity)
            case CopyRequest():
                limit = min(message.limit, MAX_ROWS)
                return JournalRows(message.request_id, self.store.copy(message.owner, max(message.first, 1), limit))
            case HeadRequest():
                pass
        held = self.store.held(message.owner)
        return HeadIs(
            request_id=message.request_id,
            owner=message.owner,
            rows=held.rows,
            head=held.head,
            signature=held.signature,
            policy_hash=about.policy_hash,
            enrolment_hash=about.enrolment_hash,
            now=about.now,
        )

    def _push(self, message: PushRequest, about: About, identity: bytes) -> None:
        pushed = Pushed(message.owner, message.rows, message.signature)
        pushed.check()
        last = message.rows[-1]
        if not is_head_of(identity, message.signature, about.deployment, message.owner, last.number, last.hash):
            reason = f"the head after row {last.number} is not signed by {message.owner}"
            raise RefusedError(RefusalTag.ROWS_REFUSED, reason)
        try:
            self.store.accept(pushed, about.now)
        except RefusedError as error:
            log("push-refused", owner=message.owner, tag=error.tag.value, reason=error.reason)
            raise


@dataclass(frozen=True, slots=True)
class Desk:
    """Lets the keeper answer what peers ask, and the signer everything else."""

    signer: Answers
    keeper: Answers

    def answer(self, message: Message) -> Message:
        """Give the one answer to one request."""
        about_journals = isinstance(message, PushRequest | HeadRequest | CopyRequest)
        return (self.keeper if about_journals else self.signer).answer(message)


@dataclass(frozen=True, slots=True)
class ClosedKeeper:
    """Keeps nothing, and says why."""

    reason: str

    def answer(self, message: Message) -> Message:
        """Say no."""
        return Refused(getattr(message, "request_id", ""), RefusalTag.JOURNAL_BROKEN.value, self.reason, "")
