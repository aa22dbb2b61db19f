"""What must hold before anything is judged, and again before an answer leaves: the peer, both policies, the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import NotJudgedError
from strongroom_signer.keeper import NO_HASH
from strongroom_signer.peers import JournalBehindError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom_core.messages import JournalRow
    from strongroom_signer.books import Books
    from strongroom_signer.journal import Journal
    from strongroom_signer.peers import Acknowledged, PeerLink
    from strongroom_signer.policy import ChainPolicy, Policy
    from strongroom_signer.safe_policy import SafePolicy
    from strongroom_signer.views import View

#: Bitcoin Core's own bound on a block's time, which two hosts that keep time never come near.
MAX_AHEAD_SECONDS: Final = 7_200


class Clock(Protocol):
    """Gives unix seconds."""

    def __call__(self) -> int:
        """Give the time."""


class Guarded(Protocol):
    """What of a signer is looked at here; ``restore`` applies rows that came back, under the decision's lock."""

    policy: Policy
    books: Books
    journal: Journal
    peer: PeerLink | None
    views: dict[str, View]

    @property
    def clock(self) -> Clock:
        """This host's clock, in unix seconds."""

    def restore(self, rows: Sequence[JournalRow]) -> None:
        """Apply rows of our own journal that another host kept."""


def may_judge(signer: Guarded, *, agree: bool) -> None:
    """Refuse to judge anything with a journal, a clock or (where ``agree``) a policy that may be wrong.

    Raises ``NotJudgedError``: ``peer-silent``, ``journal-behind``, ``journal-forked``, ``clock``, ``peer-policy``.
    """
    _ask(signer, agree=agree, confirm=False)
    now = signer.clock()
    latest = _latest(signer)
    if now < latest and RefusalTag.CLOCK not in signer.policy.trust.switched_off:
        reason = f"this host's clock says {now}, before the best header's median time of {latest}"
        raise NotJudgedError(RefusalTag.CLOCK, reason)


def _latest(signer: Guarded) -> int:
    """Give the newest time that is certainly over by a chain, in unix seconds; 0 where no view says any.

    Where there are main networks only they count: of a test network anybody may make blocks of tomorrow, and stop the
    signing of all others with them.
    """
    chains: dict[str, ChainPolicy | SafePolicy] = {**signer.policy.chains, **signer.policy.safes}
    main = {name for name, chain in chains.items() if not chain.parameters.chain.test}
    return max((view.median_time for name, view in signer.views.items() if name in main or not main), default=0)


def may_answer(signer: Guarded, *, agree: bool) -> None:
    """Let an answer go that promises something: the peer holds every row of ours. Raises as ``may_judge`` does."""
    _ask(signer, agree=agree, confirm=True)


def may_write(signer: Guarded) -> bool:
    """Whether a row may be appended that nobody asked the peer about: a refusal, a halt, what a time-lock held back.

    Not before the journal is known to be whole, since a row in the place of one that was forgotten cannot be undone;
    and not with a clock far ahead, since after such a row nothing may be signed until its time has come.
    """
    if signer.peer is None or not _wanted(signer, RefusalTag.JOURNAL_BEHIND):
        return True
    last = signer.peer.last
    ahead = last is not None and last.ahead(signer.clock()) > MAX_AHEAD_SECONDS
    return signer.peer.settled and not (ahead and _wanted(signer, RefusalTag.CLOCK))


def _ask(signer: Guarded, *, agree: bool, confirm: bool) -> None:
    if signer.peer is None:
        return
    try:
        known = signer.peer.last
        last = signer.peer.confirm(signer.journal) if confirm else signer.peer.fresh(signer.journal)
        if last is known and not _agrees(signer, last, agree=agree):
            # It said so a while ago: what it says now counts.
            last = signer.peer.confirm(signer.journal, ask=True)
        _check(signer, last, agree=agree)
    except NotJudgedError as error:
        if not _wanted(signer, error.tag):
            return
        if isinstance(error, JournalBehindError):
            signer.restore(error.rows)
        raise


def _wanted(signer: Guarded, tag: RefusalTag) -> bool:
    return tag not in signer.policy.trust.switched_off


def _agrees(signer: Guarded, last: Acknowledged, *, agree: bool) -> bool:
    try:
        _check(signer, last, agree=agree)
    except NotJudgedError:
        return False
    return True


def _check(signer: Guarded, last: Acknowledged, *, agree: bool) -> None:
    _check_clock(signer, last)
    if agree:
        _check_agreement(signer, last)


def _check_clock(signer: Guarded, last: Acknowledged) -> None:
    ahead = int(last.ahead(signer.clock()))
    if ahead > MAX_AHEAD_SECONDS and _wanted(signer, RefusalTag.CLOCK):
        reason = f"this host's clock is {ahead} seconds ahead of the peer's; {MAX_AHEAD_SECONDS} are allowed"
        raise NotJudgedError(RefusalTag.CLOCK, reason)


def _check_agreement(signer: Guarded, last: Acknowledged) -> None:
    theirs = (last.answer.policy_hash, last.answer.enrolment_hash)
    ours = (signer.policy.hash, bytes.fromhex(signer.books.enrolment_hash) or NO_HASH)
    for what, their, our in zip(("policy", "merchants' file"), theirs, ours, strict=True):
        if their != our:
            reason = f"the peer has the {what} {their.hex()[:16]}… in force, and this signer {our.hex()[:16]}…"
            raise NotJudgedError(RefusalTag.PEER_POLICY, reason)
