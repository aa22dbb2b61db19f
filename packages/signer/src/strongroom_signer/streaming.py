"""The witness gets every row too, as best it can: signing never waits for it, and it catches up by itself."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import JournalBrokenError, NotJudgedError
from strongroom_signer.holders import ANSWER_SECONDS, Holder, row_head, rows_after
from strongroom_signer.log import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_core.peer_messages import HeadIs
    from strongroom_signer.holders import Owner
    from strongroom_signer.journal import Journal
    from strongroom_signer.links import Endpoint

_PAUSE_SECONDS: Final = 0.5


class WitnessStream:
    """Brings the rows of one journal to the witness. ``lag`` counts the rows that it is not known to hold."""

    def __init__(self, owner: Owner, endpoint: Endpoint, journal: Journal) -> None:
        """Bring nothing yet."""
        self._holder = Holder(owner, endpoint)
        self._journal = journal
        self._held: HeadIs | None = None
        self.trouble = ""

    @property
    def name(self) -> str:
        """What the witness is called."""
        return self._holder.name

    @property
    def lag(self) -> int:
        """How many rows of ours the witness is not known to hold."""
        return max(self._journal.count - (self._held.rows if self._held is not None else 0), 0)

    def step(self) -> None:
        """Bring one batch, or find out what the witness holds; the trouble is kept for the status, not raised."""
        try:
            self._step(time.monotonic() + ANSWER_SECONDS)
            trouble = ""
        except (NotJudgedError, JournalBrokenError) as error:
            self._held, trouble = None, error.message
        if trouble != self.trouble:
            log("witness", name=self.name, lag=self.lag, trouble=trouble)
        self.trouble = trouble

    def _step(self, deadline_seconds: float) -> None:
        held = self._held if self._held is not None else self._holder.head(deadline_seconds)
        if held.rows > self._journal.count or held.head != row_head(self._journal, held.rows):
            reason = f"{self.name} holds row {held.rows} of another past of this journal, or of its future"
            raise NotJudgedError(RefusalTag.JOURNAL_FORKED, reason)
        self._held = held
        if held.rows < self._journal.count:
            self._held = self._holder.push(rows_after(self._journal, held.rows), deadline_seconds)

    def close(self) -> None:
        """End the connection."""
        self._holder.close()


class Tender(threading.Thread):
    """Calls what has to be done now and then, in a thread that ends with the process."""

    def __init__(self, *tasks: Callable[[], None], pause_seconds: float = _PAUSE_SECONDS) -> None:
        """Do nothing yet."""
        super().__init__(name="tender", daemon=True)
        self._tasks = tasks
        self._pause = pause_seconds
        self._stopped = threading.Event()

    def run(self) -> None:
        """Call every task, one after the other, until ``stop``."""
        while not self._stopped.wait(self._pause):
            for task in self._tasks:
                with contextlib.suppress(OSError):
                    task()

    def stop(self) -> None:
        """Let the thread end after the task that it is in."""
        self._stopped.set()
