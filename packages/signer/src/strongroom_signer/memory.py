"""What a signer remembers, and when it may add to it: one lock, the journal, the books that it adds up to, the peer.

``decide.py`` judges and signs on top of this. A row is written only once the peer has said that this journal is whole
(``guard.may_write``): before that a halt waits here, and is in force all the same.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strongroom_core.errors import StrongroomError
from strongroom_core.messages import Holding, JournalRequest, JournalRows
from strongroom_core.refusals import RefusalTag
from strongroom_signer import records
from strongroom_signer.books import ENROLMENT, POLICY
from strongroom_signer.errors import JournalBrokenError, RefusedError
from strongroom_signer.guard import may_answer, may_judge, may_write
from strongroom_signer.journal import MAX_ROWS, within_message
from strongroom_signer.log import log
from strongroom_signer.statements import judge_due

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strongroom_core.messages import JournalRow
    from strongroom_signer.books import Books
    from strongroom_signer.enrolment import Enrolment
    from strongroom_signer.journal import Journal
    from strongroom_signer.keyfile import OpenKey
    from strongroom_signer.peers import PeerLink
    from strongroom_signer.policy import Policy
    from strongroom_signer.streaming import WitnessStream
    from strongroom_signer.views import View


def _keep_nothing(reason: str) -> None:
    del reason


@dataclass(slots=True)
class Memory(ABC):
    """Everything that a running signer holds. ``clock`` gives unix seconds; ``views`` are by CAIP-2 id.

    ``peer`` is nothing only where the policy switches ``peer-silent`` off. ``keep_halt`` keeps the reason of a halt
    that cannot be journalled yet where the next start finds it.
    """

    key: OpenKey
    policy: Policy
    enrolment: Enrolment
    journal: Journal
    books: Books
    clock: Callable[[], int]
    broken: JournalBrokenError | None = None
    views: dict[str, View] = field(default_factory=dict)
    peer: PeerLink | None = None
    witness: WitnessStream | None = None
    keep_halt: Callable[[str], None] = field(default=_keep_nothing)
    _halting: threading.Event = field(default_factory=threading.Event)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @abstractmethod
    def _use(self, body: records.Body) -> None:
        """Decide by the documents that the journal says are in force."""

    def _may_act(self, *, halted: bool, agree: bool = False, ask: bool = True) -> int:
        """Give the time, where something may be judged; ``agree`` where both signers must go by the same documents.

        Without ``ask`` it is enough that the journal is known to be whole: a peer that is silent at this moment keeps
        no hand from cancelling or tightening.
        """
        now = self.clock()
        if self.broken is not None:
            raise RefusedError(RefusalTag.JOURNAL_BROKEN, self.broken.message)
        if halted:
            raise RefusedError(RefusalTag.HALTED, f"signing is halted: {self.books.halt_reason}")
        if ask or not may_write(self):
            may_judge(self, agree=False)
        self.write_held()
        if agree:
            may_judge(self, agree=True)
        if now < self.books.last_at and RefusalTag.CLOCK not in self.policy.trust.switched_off:
            reason = f"this host's clock says {now}, before the journal's last row at {self.books.last_at}"
            raise RefusedError(RefusalTag.CLOCK, reason)
        return now

    def _confirm(self, *, signing: bool) -> None:
        """Let an answer that promises something go: the peer holds its row, and no halt came while it was asked."""
        may_answer(self, agree=signing)
        if signing and self._halting.is_set():
            raise RefusedError(RefusalTag.HALTED, "signing was halted while this was decided")

    def restore(self, rows: Sequence[JournalRow]) -> None:
        """Apply rows of our own journal that another host kept; their chain and our signature on it are verified."""
        with self._lock:
            if self.broken is not None or rows[0].number != self.journal.count + 1:
                return
            held = self.books.halt_reason if self._halt_waits else ""
            try:
                for row, body in self.journal.restore(rows):
                    self.books.apply(row, body)
                    self._use(body)
            except (sqlite3.Error, KeyError, TypeError, AttributeError, StrongroomError) as error:
                self.broken = JournalBrokenError(rows[0].number, f"what came back cannot be used ({error})")
            if held and not self.books.halted:
                self.books.halted, self.books.halt_reason = True, held
        log("journal-restored", first=rows[0].number, last=rows[-1].number, broken=self.broken is not None)

    @property
    def _halt_waits(self) -> bool:
        return self.books.halted and not self.books.halt_row

    def write_held(self) -> None:
        """Write down a halt that came before the peer had said that this journal is whole."""
        if self._halt_waits:
            with self._lock:
                if self._halt_waits:
                    self._halt(self.books.halt_reason, "held")

    def tend(self) -> None:
        """Settle with the peer, and bring it rows that no request waited for; called now and then, raises nothing."""
        with contextlib.suppress(RefusedError, sqlite3.Error):
            if self.peer is not None and self.broken is None:
                may_judge(self, agree=False)
                self.write_held()
                may_answer(self, agree=False)

    def halt(self, reason: str, request_id: str) -> None:
        """Stop signing, now and after every restart; a halt that stands is not written twice."""
        # Who decides at this moment looks at this before a signature leaves.
        self._halting.set()
        try:
            with self._lock:
                self._halt(reason or "no reason given", request_id)
        finally:
            self._halting.clear()

    def _halt(self, reason: str, request_id: str) -> None:
        if self.broken is not None or self.books.halt_row:
            return
        if may_write(self):
            row = self._append(records.halted(self.clock(), reason, request_id))
            log("halted", request=request_id, row=row)
        elif not self.books.halted:
            self.keep_halt(reason)
            self.books.halted, self.books.halt_reason = True, reason
            log("halted", request=request_id, row=0)

    def resume(self) -> int:
        """Let signing go on and give the row that says so; who calls has seen the passphrase or its ticket.

        Raises ``RefusedError`` where the peer has not said yet that this journal is whole.
        """
        with self._lock:
            may_judge(self, agree=False)
            self.write_held()
            return self._append(records.resumed(self.clock(), self.books.halt_row))

    def change(self, judge: Callable[[Books, int], records.Body]) -> int:
        """Write the row that ``judge`` gives, under the one lock, use what it puts in force, and give its number.

        Raises what ``judge`` raises, and ``RefusedError`` where the clock or the journal forbids; nothing changed then.
        """
        with self._lock:
            row = self._append(body := judge(self.books, self._may_act(halted=False, ask=False)))
            self._use(body)
            return row

    def advance(self) -> None:
        """Put in force what has waited out its time-lock; a broken journal changes nothing."""
        # Most of the time nothing waits, and then nobody waits for the lock.
        while self.books.changes.pending and self.broken is None and may_write(self):
            with self._lock:
                body = judge_due(self.books, self.clock())
                if body is None:
                    return
                row = self._append(body)
                self._use(body)
                log("change-due", changed=body["kind"], row=row)

    def use_documents(self) -> None:
        """Decide by the policy and the merchants that the journal says are in force."""
        for kind in (POLICY, ENROLMENT):
            self._use({"kind": kind})

    def _holdings(self) -> tuple[Holding, ...]:
        found = []
        if self.peer is not None:
            found.append(Holding("peer", self.peer.name, self.peer.lag(self.journal), self.peer.trouble))
        if self.witness is not None:
            found.append(Holding("witness", self.witness.name, self.witness.lag, self.witness.trouble))
        return tuple(found)

    def _rows(self, request: JournalRequest) -> JournalRows:
        with self._lock:
            rows = self.journal.rows(max(request.first, 1), min(max(request.limit, 0), MAX_ROWS))
            return JournalRows(request.request_id, within_message(rows))

    def _append(self, body: records.Body) -> int:
        with self._lock:
            try:
                row = self.journal.append(body)
            except sqlite3.Error as error:
                # What the disk holds is unknown now; only a start that reads it from row 1 may sign again.
                self.broken = JournalBrokenError(self.journal.count + 1, f"it could not be written ({error})")
                raise
            self.books.apply(row, body)
            return row
