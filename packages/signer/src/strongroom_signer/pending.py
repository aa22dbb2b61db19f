"""What the journal says about changes: the texts in force, what was announced, and the nonces that were issued.

A part of the books: ``Changes`` is rebuilt from the rows at every start, like everything else that a signer remembers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from strongroom_core.statements import Document

CHALLENGE: Final = "challenge"
ANNOUNCED: Final = "announced"
CANCELLED: Final = "cancelled"
#: How many nonces may wait for a statement; a hand that asks for more makes the oldest worth nothing.
MAX_NONCES: Final = 16


@dataclass(frozen=True, slots=True)
class Announcement:
    """A change that loosens and waits: its whole text, and from when on (unix seconds) it is in force.

    ``row`` is its journal row; ``signers`` are the operators' keys (hex) that signed it.
    """

    row: int
    document: Document
    sequence: int
    text: str
    sha256: str
    effective_at: int
    signers: tuple[str, ...]


@dataclass(slots=True)
class Changes:
    """``sequence`` is that of the last statement taken; ``nonces`` (hex) were issued at that time and are unused.

    ``texts`` are the documents in force, ``replaced`` the hashes (hex) of those that once were.
    """

    sequence: int = 0
    challenges: int = 0
    genesis: str = ""
    nonces: dict[str, int] = field(default_factory=dict)
    texts: dict[Document, str] = field(default_factory=dict)
    hashes: dict[Document, str] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    pending: dict[Document, Announcement] = field(default_factory=dict)

    def challenge(self, body: dict[str, Any]) -> None:
        """Remember a nonce."""
        self.challenges += 1
        self.nonces[body["nonce"]] = body["at"]
        for oldest in list(self.nonces)[:-MAX_NONCES]:
            del self.nonces[oldest]

    def announce(self, row: int, body: dict[str, Any]) -> None:
        """Remember what waits; it takes the place of what waited before."""
        document = Document(body["document"])
        self._take(body)
        signers = tuple(item["key"] for item in body["signatures"])
        text, digest, at = body["text"], body["sha256"], body["effective_at"]
        self.pending[document] = Announcement(row, document, body["sequence"], text, digest, at, signers)

    def put_in_force(self, document: Document, text: str, digest: str, body: dict[str, Any]) -> None:
        """Remember what is in force; nothing that was announced before still comes."""
        self.genesis = self.genesis or text
        if document in self.hashes:
            self.replaced.add(self.hashes[document])
        self.texts[document], self.hashes[document] = text, digest
        self.pending.pop(document, None)
        self._take(body)

    def cancel(self, body: dict[str, Any]) -> None:
        """Forget what was announced."""
        self.pending.pop(Document(body["document"]), None)

    def _take(self, body: dict[str, Any]) -> None:
        self.sequence = max(self.sequence, body.get("sequence", 0))
        self.nonces.pop(body.get("nonce", ""), None)
