"""A signer's links to its peer and its witness: what it asks them, and what it keeps for others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from strongroom_core.refusals import RefusalTag
from strongroom_signer.changing import load_merchants, take_requests
from strongroom_signer.errors import EnrolmentError, JournalBrokenError, NotJudgedError, RefusedError
from strongroom_signer.files import write_private
from strongroom_signer.guard import may_judge
from strongroom_signer.halting import take_halt
from strongroom_signer.holders import Owner
from strongroom_signer.keeper import NO_HASH, About, ClosedKeeper, Desk, Keeper
from strongroom_signer.links import LINKS_FILE, read_links
from strongroom_signer.log import log
from strongroom_signer.peer_store import PeerStore
from strongroom_signer.peers import PeerLink
from strongroom_signer.streaming import Tender, WitnessStream

if TYPE_CHECKING:
    from strongroom_signer.decide import Signer
    from strongroom_signer.host import Folder
    from strongroom_signer.keyfile import OpenKey
    from strongroom_signer.policy import Policy
    from strongroom_signer.server import Answers

_KEPT_REASON_BYTES: Final = 800


def link(signer: Signer, folder: Folder, *, without_witness: bool = False) -> None:
    """Give the signer its way to the peer, unless the policy does without, and to the witness where there is one.

    ``without_witness`` lets it sign though the witness has not said that the journal is whole. Raises ``LinksError``.
    """
    links = read_links(folder.root / LINKS_FILE)
    owner = owner_of(signer.key, signer.policy)
    if RefusalTag.PEER_SILENT not in signer.policy.trust.switched_off:
        signer.peer = PeerLink(owner, links, without_witness=without_witness)
        signer.keep_halt = lambda reason: write_private(
            folder.halting, reason.encode()[:_KEPT_REASON_BYTES], replace=True
        )
    if links.witness is not None:
        signer.witness = WitnessStream(owner, links.witness, signer.journal)


def owner_of(key: OpenKey, policy: Policy) -> Owner:
    """Say whose journal it is."""
    return Owner(policy.deployment, key.name, key.identity)


def settle(signer: Signer) -> None:
    """Ask the peer whether this journal is whole, and have back what is missing, while rows come; else later."""
    while signer.peer is not None and signer.broken is None:
        try:
            return may_judge(signer, agree=False)
        except NotJudgedError as error:
            log("not-settled", tag=error.tag.value, reason=error.reason)
            if error.tag is not RefusalTag.JOURNAL_BEHIND:
                return None
    return None


def desk(signer: Signer, folder: Folder) -> Answers:
    """Give who answers at the door: the signer, and for its peer the keeper of what the policy's others push."""
    if not _others(signer):
        return signer
    try:
        store = PeerStore(folder.peers)
    except JournalBrokenError as error:
        log("peers-broken", reason=error.message)
        return Desk(signer, ClosedKeeper(f"{folder.peers.name}: {error.message}; see docs/signer.md"))
    return Desk(signer, Keeper(store, lambda: _about(signer)))


def _others(signer: Signer) -> dict[str, bytes]:
    identities = signer.policy.trust.identities
    return {name: identity for name, identity in identities.items() if name != signer.key.name}


def _about(signer: Signer) -> About:
    # No lock: these are read one by one from a signer that may be deciding, and waiting for our own answer.
    enrolment = bytes.fromhex(signer.books.enrolment_hash) or NO_HASH
    return About(signer.policy.deployment, _others(signer), signer.policy.hash, enrolment, signer.clock())


@dataclass(slots=True)
class Tending:
    """What a running signer does for its links now and then."""

    signer: Signer
    folder: Folder
    tenders: list[Tender] = field(default_factory=list)
    _taken: bool = False

    def start(self) -> None:
        """Do it in threads: a silent peer delays neither a hand on the host nor the witness."""
        self._taken = self.signer.peer is None or self.signer.peer.settled
        if self.signer.peer is not None:
            self.tenders.append(Tender(self.tend))
        if self.signer.witness is not None:
            self.tenders.append(Tender(self.signer.witness.step))
        for tender in self.tenders:
            tender.start()

    def tend(self) -> None:
        """Settle with the peer and bring it what it misses; once it is settled, take what had to wait for that."""
        self.signer.tend()
        if not self._taken and self.signer.peer is not None and self.signer.peer.settled:
            try:
                load_merchants(self.signer, self.folder)
            except (RefusedError, EnrolmentError) as error:
                log("merchants-kept", reason=error.message)
            take_requests(self.signer, self.folder)
            self._taken = True
        if self.folder.halting.exists() and self.signer.books.halt_row:
            take_halt(self.signer, self.folder)

    def stop(self) -> None:
        """Let the threads end."""
        for tender in self.tenders:
            tender.stop()
