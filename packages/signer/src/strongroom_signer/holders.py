"""One holder of our journal, the peer or the witness: what it holds, and what brings it the rest.

A holder is believed where it shows our own signature, or names a row that is ours. It can withhold rows; it can invent
none, and whatever else it says counts as no answer.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from strongroom_core.messages import JournalRows, Refused
from strongroom_core.peer_messages import CopyRequest, HeadIs, HeadRequest, PushRequest
from strongroom_core.refusals import RefusalTag
from strongroom_core.wire import InvalidMessageError
from strongroom_signer.dial import Line
from strongroom_signer.errors import JournalBrokenError, NotJudgedError
from strongroom_signer.identity import is_head_of, sign_head
from strongroom_signer.journal import GENESIS_PREVIOUS, MAX_ROWS, check_row, read_body, read_rows

if TYPE_CHECKING:
    from nacl.signing import SigningKey

    from strongroom_core.messages import JournalRow
    from strongroom_core.wire import Message
    from strongroom_signer.journal import Journal
    from strongroom_signer.links import Endpoint

# A halt waits for no longer than this; what takes several such times goes on where it was.
ANSWER_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose journal it is: the deployment, the name that the policy pins, and the identity key that signs heads."""

    deployment: str
    name: str
    key: SigningKey

    def sign(self, rows: int, head: bytes) -> bytes:
        """Sign a head (64 bytes)."""
        return sign_head(self.key, self.deployment, self.name, rows, head)

    def signed(self, answer: HeadIs) -> bool:
        """Whether this owner signed the head in the answer."""
        identity = bytes(self.key.verify_key)
        return is_head_of(identity, answer.signature, self.deployment, self.name, answer.rows, answer.head)


class Holder:
    """Asks one holder over one line. Raises ``NotJudgedError`` (``peer-silent``) where no answer can be believed.

    Not for two threads at once: its owner has the lock.
    """

    def __init__(self, owner: Owner, endpoint: Endpoint) -> None:
        """Ask nothing yet."""
        self._owner = owner
        self._line = Line(endpoint)
        self._fetched: list[JournalRow] = []

    @property
    def name(self) -> str:
        """What the holder is called."""
        return self._line.name

    def head(self, deadline_seconds: float) -> HeadIs:
        """Ask what it holds."""
        answer = self._ask(HeadRequest(_request_id(), self._owner.name), deadline_seconds)
        return self._believed(answer)

    def push(self, rows: tuple[JournalRow, ...], deadline_seconds: float) -> HeadIs:
        """Bring it rows, and give what it holds then: these at least, or it is no answer."""
        last = rows[-1]
        signature = self._owner.sign(last.number, last.hash)
        answer = self._ask(PushRequest(_request_id(), self._owner.name, rows, signature), deadline_seconds)
        if isinstance(answer, HeadIs) and (answer.rows, answer.head) == (last.number, last.hash):
            return answer
        held = self._believed(answer)
        if held.rows < last.number:
            self._silent(f"holds {held.rows} rows after it was brought row {last.number}")
        return held

    def _believed(self, answer: Message) -> HeadIs:
        if not isinstance(answer, HeadIs) or answer.owner != self._owner.name:
            self._silent(f"answered a question about our journal with {answer.kind}")
        if answer.rows == 0:
            if answer.head != GENESIS_PREVIOUS:
                self._silent("names a head after no rows")
        elif not self._owner.signed(answer):
            self._silent(f"holds a head after row {answer.rows} that this signer never signed")
        return answer

    def fetch(self, held: HeadIs, after: int, deadline_seconds: float) -> list[JournalRow]:
        """Fetch every row after number ``after`` of the head that it holds, verified up to our own signature.

        A copy that takes longer than until ``deadline_seconds`` goes on at the next call: ``journal-behind`` until
        then.
        """
        rows = self._fetched
        if rows and (rows[0].number != after + 1 or rows[-1].number > held.rows):
            rows.clear()
        try:
            while len(rows) < held.rows - after:
                self._fetch_more(held, after, deadline_seconds)
        except NotJudgedError:
            if not rows:
                raise
            reason = f"{len(rows)} of {held.rows - after} missing journal rows are fetched from {self.name}"
            raise NotJudgedError(RefusalTag.JOURNAL_BEHIND, reason) from None
        fetched, self._fetched = rows, []
        if fetched[-1].hash != held.head:
            self._silent("sent rows that do not lead to the head that this signer signed")
        return fetched

    def _fetch_more(self, held: HeadIs, after: int, deadline_seconds: float) -> None:
        number = after + len(self._fetched) + 1
        limit = min(held.rows - number + 1, MAX_ROWS)
        answer = self._ask(CopyRequest(_request_id(), self._owner.name, number, limit), deadline_seconds)
        if not isinstance(answer, JournalRows) or not 0 < len(answer.rows) <= limit:
            self._silent("withholds rows of our journal")
        try:
            for row in answer.rows:
                previous = self._fetched[-1].hash if self._fetched else row.previous
                check_row(row, after + len(self._fetched) + 1, previous)
                read_body(row)
                self._fetched.append(row)
        except JournalBrokenError as error:
            self._fetched.clear()
            self._silent(f"sent what is no copy of our journal ({error.message})")

    def _ask(self, message: Message, deadline_seconds: float) -> Message:
        try:
            answer = self._line.ask(message, min(deadline_seconds, time.monotonic() + ANSWER_SECONDS))
        except (OSError, InvalidMessageError) as error:
            self._silent(f"does not answer ({type(error).__name__})")
        if isinstance(answer, Refused):
            if answer.tag == RefusalTag.JOURNAL_FORKED:
                raise NotJudgedError(RefusalTag.JOURNAL_FORKED, f"{self.name}: {answer.reason}")
            self._silent(f"refuses our journal: {answer.reason}")
        return answer

    def _silent(self, reason: str) -> NoReturn:
        self._line.close()
        raise NotJudgedError(RefusalTag.PEER_SILENT, f"{self.name} {reason}") from None

    def close(self) -> None:
        """End the connection."""
        self._line.close()


def rows_after(journal: Journal, number: int) -> tuple[JournalRow, ...]:
    """Give the rows after ``number``, as many as one message has room for."""
    last = journal.last
    if last is not None and last.number == number + 1:
        return (last,)
    return read_rows(journal.path, number + 1, MAX_ROWS)


def row_head(journal: Journal, number: int) -> bytes:
    """Give the hash of a row of ours, or zero bytes before the first."""
    last = journal.last
    if number == 0 or last is None:
        return GENESIS_PREVIOUS
    return last.hash if last.number == number else read_rows(journal.path, number, 1)[0].hash


def _request_id() -> str:
    return f"peer-{secrets.token_hex(4)}"
