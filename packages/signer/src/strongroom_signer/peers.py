"""No signature leaves before the peer holds the row that decided on it, and none at all where the peer holds more.

``PeerLink`` has its own lock and asks over its own connection; it reads the journal's last row, which never changes,
and older rows through a reader of its own. The peer answers without its decision's lock (``keeper.py``), so two signers
may confirm at each other at once.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import NotJudgedError
from strongroom_signer.holders import ANSWER_SECONDS, Holder, row_head, rows_after

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from strongroom_core.messages import JournalRow
    from strongroom_core.peer_messages import HeadIs
    from strongroom_signer.holders import Owner
    from strongroom_signer.journal import Journal
    from strongroom_signer.links import Links

#: What the peer last said about itself (clock, policy) is believed for as long, before another question is judged.
FRESH_SECONDS: Final = 10.0
#: How long a start waits for the witness before it asks anew; the witness is asked only until the journal is settled.
WITNESS_SECONDS: Final = 1.0
#: After a peer did not answer it is left alone for so long, so that a crowd of requests cannot keep a halt waiting.
SILENCE_SECONDS: Final = 0.5


class JournalBehindError(NotJudgedError):
    """Another host holds rows that are missing here: fetched and verified, to be applied by who has the lock."""

    def __init__(self, rows: Sequence[JournalRow], holder: str) -> None:
        """Keep the rows, from the first one that is missing."""
        reason = f"{len(rows)} rows of the journal were missing and came back from {holder}: ask again"
        super().__init__(RefusalTag.JOURNAL_BEHIND, reason)
        self.rows = rows


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The peer's last answer, and when it came, by the monotonic clock in seconds."""

    answer: HeadIs
    at_seconds: float

    @property
    def age(self) -> float:
        """How many seconds ago it came."""
        return time.monotonic() - self.at_seconds

    def ahead(self, now: int) -> float:
        """How many seconds ``now`` is ahead of the peer's clock, which went on since it answered."""
        return now - self.answer.now - self.age


class PeerLink:
    """The way to the peer, and to the witness where one is linked: at the start it may know of rows that both lost.

    So where a witness is linked, the journal is whole only once both have said so: a thief who owns the peer's host can
    give an older genuine head there, and who cuts the witness off must not win by it. ``without_witness`` is the word
    of a hand on the host that the witness is gone.
    """

    def __init__(self, owner: Owner, links: Links, *, without_witness: bool = False) -> None:
        """Ask nothing yet."""
        self._peer = Holder(owner, links.peer) if links.peer is not None else None
        self._witness = Holder(owner, links.witness) if links.witness is not None and not without_witness else None
        self._lock = threading.Lock()
        self._in_step = False
        self._silent_until = 0.0
        self.trouble = ""
        self.last: Acknowledged | None = None
        #: Whether the peer's and the witness's head of ours were found in our journal since the start: until then
        #: nothing is appended.
        self.settled = False

    @property
    def name(self) -> str:
        """What the peer is called, or nothing where none is linked."""
        return self._peer.name if self._peer is not None else ""

    def lag(self, journal: Journal) -> int:
        """How many rows of ours the peer is not known to hold."""
        held = self.last.answer.rows if self.last is not None else 0
        return max(journal.count - held, 0)

    def fresh(self, journal: Journal) -> Acknowledged:
        """Give what the peer says now, or said a moment ago. Raises ``NotJudgedError`` as ``confirm`` does."""
        last = self.last
        if last is None or not self.settled or not self._in_step or last.age > FRESH_SECONDS:
            return self.confirm(journal, ask=True)
        return last

    def confirm(self, journal: Journal, *, ask: bool = False) -> Acknowledged:
        """Push what the peer misses, until its head of ours is our last row; ``ask`` asks also where it is already.

        Raises ``NotJudgedError``: ``peer-silent``, ``journal-forked``, or ``journal-behind``
        (``JournalBehindError`` once every row that is missing here is fetched).
        """
        with self._lock, self._noting():
            peer = self._reachable()
            if not self.settled:
                self._ask_witness(journal)
            deadline_seconds = time.monotonic() + ANSWER_SECONDS
            last = self.last
            if ask or last is None or not self._in_step:
                last = self._note(peer.head(deadline_seconds))
            _check_past(peer, last.answer, journal, deadline_seconds)
            while last.answer.rows < journal.count:
                last = self._note(peer.push(rows_after(journal, last.answer.rows), deadline_seconds))
                _check_past(peer, last.answer, journal, deadline_seconds)
            self.settled = True
            return last

    def _ask_witness(self, journal: Journal) -> None:
        """Find the witness's head in our journal too; where it cannot be asked, nobody knows that this one is whole."""
        if self._witness is None:
            return
        deadline_seconds = time.monotonic() + WITNESS_SECONDS
        try:
            _check_past(self._witness, self._witness.head(deadline_seconds), journal, deadline_seconds)
        except NotJudgedError as error:
            if error.tag is not RefusalTag.PEER_SILENT:
                raise
            reason = f"the witness has to say once that this journal is whole: {error.reason}"
            raise NotJudgedError(RefusalTag.PEER_SILENT, reason) from None

    def _reachable(self) -> Holder:
        if self._peer is None:
            raise NotJudgedError(RefusalTag.PEER_SILENT, "links.toml names no peer, and nothing is signed without one")
        if time.monotonic() < self._silent_until:
            raise NotJudgedError(RefusalTag.PEER_SILENT, self.trouble)
        return self._peer

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except NotJudgedError as error:
            self._in_step = False
            if error.tag is RefusalTag.PEER_SILENT and time.monotonic() >= self._silent_until:
                self._silent_until = time.monotonic() + SILENCE_SECONDS
            self.trouble = error.reason
            raise
        self.trouble, self._in_step = "", True

    def _note(self, answer: HeadIs) -> Acknowledged:
        self.last = Acknowledged(answer, time.monotonic())
        return self.last

    def close(self) -> None:
        """End the connections."""
        for holder in (self._peer, self._witness):
            if holder is not None:
                holder.close()


def _check_past(holder: Holder, answer: HeadIs, journal: Journal, deadline_seconds: float) -> None:
    """Find the holder's head of ours in our journal, or fetch the rows that are missing here."""
    count = journal.count
    missing = holder.fetch(answer, count, deadline_seconds) if answer.rows > count else []
    number, head = (count, missing[0].previous) if missing else (answer.rows, answer.head)
    if head != row_head(journal, number):
        reason = f"{holder.name} holds another row {number} of this journal, with this signer's own signature"
        raise NotJudgedError(RefusalTag.JOURNAL_FORKED, reason)
    if missing:
        raise JournalBehindError(missing, holder.name)
