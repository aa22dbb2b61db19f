"""From proofs to what the journal will say of them: deposits, and payments that can never be paid any more.

``read_…`` verifies against the signer's own view of the chain and needs no journal, so a crowd of proofs keeps no
decision waiting. ``book_…`` asks the books, under the decision's lock: whose it is, and whether it was told before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar, cast

from strongroom_core.attestations import FORWARDER
from strongroom_core.proof_messages import ProofResult, Proven
from strongroom_core.refusals import RefusalTag
from strongroom_signer import forwarder
from strongroom_signer.balances import HOUSE
from strongroom_signer.destination import script_of
from strongroom_signer.errors import RefusedError
from strongroom_signer.keyset import COLD, FIRST_MERCHANT_BRANCH, HOT
from strongroom_signer.merkle import prove_tx
from strongroom_signer.model import Refusal
from strongroom_signer.receipts import prove_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from strongroom_core.proof_messages import ReceiptProof, TxProof
    from strongroom_signer.bitcoin_view import BitcoinView
    from strongroom_signer.books import Books
    from strongroom_signer.enrolment import Enrolment
    from strongroom_signer.merkle import ProvenTx
    from strongroom_signer.policy import ChainPolicy, Policy
    from strongroom_signer.psbt import ChainTx
    from strongroom_signer.receipts import AgreedBlocks
    from strongroom_signer.records import Body
    from strongroom_signer.safe_policy import SafePolicy
    from strongroom_signer.views import View

#: A row of so many deposits has some 200 KiB; a request beyond it is a bug or an attack on our time.
MAX_PROOFS: Final = 500
MAX_INDEX: Final = 2**31 - 1
MILLION: Final = 1_000_000
#: The row that is about to be written.
NEW: Final = -1

F = TypeVar("F")
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Arrived:
    """Money that the chain brought to an address of ours: ``amount`` in base units, as the journal will have it.

    ``tx`` is the chain tx of a bitcoin-like, ``output`` the number of the output or log.
    """

    key: str
    asset: str
    amount: int
    output: int
    height: int
    block: str
    key_set: str
    branch: int
    index: int
    txid: str = ""
    tx: ChainTx | None = None


@dataclass(frozen=True, slots=True)
class Executed:
    """A safeTxHash (``0x`` and 64 digits) that used a nonce of the hot Safe up, and the block that says so."""

    effect: str
    height: int
    block: str


@dataclass(slots=True)
class Booking:
    """What is to be journalled, and one result for each proof: a row (``NEW``: the last of these) or a refusal."""

    items: list[Body] = field(default_factory=list)
    results: list[int | Refusal] = field(default_factory=list)

    def answer(self, request_id: str, row: int) -> Proven:
        """Give the answer, once the items stand in the journal, the last of them in ``row``."""
        return Proven(request_id, tuple(_result(item, row) for item in self.results))


def _result(item: int | Refusal, row: int) -> ProofResult:
    if isinstance(item, Refusal):
        return ProofResult(0, item.tag.value, item.reason)
    return ProofResult(row if item == NEW else item, "", "")


def check_count(proofs: Sequence[object]) -> None:
    """Refuse (``RefusedError``) a request of more proofs than one row holds."""
    if len(proofs) > MAX_PROOFS:
        raise RefusedError(RefusalTag.REQUEST_MALFORMED, f"a request holds at most {MAX_PROOFS} proofs")


def each(proofs: Iterable[P], read: Callable[[P], F]) -> list[F | Refusal]:
    """Read every proof; one that is refused is answered so, and stops no other."""
    found: list[F | Refusal] = []
    for proof in proofs:
        try:
            found.append(read(proof))
        except RefusedError as error:
            found.append(Refusal(error.tag, error.reason))
    return found


def read_output(proof: TxProof, chain: ChainPolicy, view: View, off: frozenset[RefusalTag]) -> Arrived:
    """Verify that an output of ours is in the chain, deep enough. Raises ``RefusedError`` (proof-…)."""
    depth = 1 if RefusalTag.PROOF_DEPTH in off else chain.confirmations
    found = _prove(proof, view, depth)
    if proof.output >= len(found.tx.outputs):
        raise RefusedError(RefusalTag.PROOF_PLACE, f"the chain tx has no output {proof.output}")
    output = found.tx.outputs[proof.output]
    if not 0 < output.amount <= chain.parameters.max_money:
        raise RefusedError(RefusalTag.PROOF_MALFORMED, "an output that is worth nothing, or more than there is")
    if max(proof.branch, proof.index) > MAX_INDEX or proof.key_set not in {HOT, COLD}:
        raise RefusedError(RefusalTag.PROOF_PLACE, "a place is hot or cold, and two numbers below 2**31")
    if chain.key_set(proof.key_set).script(proof.branch, proof.index) != output.script:
        reason = f"the output is not ours at {proof.key_set}/{proof.branch}/{proof.index}"
        raise RefusedError(RefusalTag.PROOF_PLACE, reason)
    return Arrived(
        f"{found.txid}:{proof.output}",
        chain.parameters.asset.id,
        output.amount,
        proof.output,
        found.height,
        found.block,
        proof.key_set,
        proof.branch,
        proof.index,
        found.txid,
        found.tx,
    )


def read_conflict(proof: TxProof, chain: ChainPolicy, view: View) -> ProvenTx:
    """Verify that a chain tx is beyond the horizon, where no reorg takes it back. Raises ``RefusedError`` (proof-…)."""
    return _prove(proof, view, chain.horizon)


def _prove(proof: TxProof, view: View, depth: int) -> ProvenTx:
    return prove_tx(proof, cast("BitcoinView", view), depth)


def read_sweep(proof: ReceiptProof, chain: SafePolicy, view: AgreedBlocks) -> Arrived:
    """Verify a forwarder's own sweep event in a finalized block. Raises ``RefusedError`` (proof-…, asset-unknown)."""
    log = prove_log(proof, view)
    forwarder.check_place(proof, log, chain)
    token, amount = forwarder.read_swept(log)
    asset = chain.tokens.get(token)
    if asset is None:
        raise RefusedError(RefusalTag.ASSET_UNKNOWN, f"0x{token.hex()} is no asset of the policy")
    if not amount or max(proof.branch, proof.index) > MAX_INDEX:
        raise RefusedError(RefusalTag.PROOF_MALFORMED, "a sweep of nothing, or from a place beyond 2**31")
    key = f"{log.block}:{log.position}:{log.log}"
    return Arrived(key, asset, amount, log.log, log.number, log.block, FORWARDER, proof.branch, proof.index)


def read_execution(proof: ReceiptProof, chain: SafePolicy, view: AgreedBlocks) -> Executed:
    """Verify the hot Safe's own ``ExecutionSuccess`` in a finalized block. Raises ``RefusedError`` (proof-…)."""
    log = prove_log(proof, view)
    effect = forwarder.read_execution(log, chain.hot_safe)
    return Executed("0x" + effect.hex(), log.number, log.block)


@dataclass(slots=True)
class Credits:
    """Books deposits of one chain: whose they are, what the house gets of them, and which were told before."""

    chain: str
    policy: Policy
    books: Books
    enrolment: Enrolment
    booking: Booking = field(default_factory=Booking)
    _seen: set[str] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)

    def book(self, found: Sequence[Arrived | Refusal]) -> Booking:
        """Give what is to be journalled, and a result for each."""
        holders = {merchant.branch: str(merchant.merchant) for merchant in self.enrolment.values()}
        taken = [item if isinstance(item, Refusal) else self._take(item, holders) for item in found]
        # Once all are taken: what one of them spends may be brought by another.
        self.booking.results += map(self._own_or, found, taken)
        return self.booking

    def _own_or(self, item: Arrived | Refusal, result: int | Refusal) -> int | Refusal:
        """Say that an offline ceremony's chain tx brings a merchant nothing: the books have it as the house's.

        It is journalled all the same, so that the coin is known, and what spends it brings nothing new either.
        """
        if isinstance(item, Refusal) or isinstance(result, Refusal) or item.branch < FIRST_MERCHANT_BRANCH:
            return result
        if self._is_foreign(item) and any(map(self._is_ours, _inputs(item))):
            reason = "this chain tx spends a coin of ours, and this signer did not sign it: the house's, no new money"
            return Refusal(RefusalTag.PROOF_OWN, reason)
        return result

    def _is_foreign(self, item: Arrived) -> bool:
        return item.tx is not None and (self.chain, item.txid) not in self.books.versions

    def _is_ours(self, coin: str) -> bool:
        return coin in self._seen or self.books.money.coin(self.chain, coin) > 0

    def _take(self, item: Arrived, holders: dict[int, str]) -> int | Refusal:
        known = self.books.money.deposits.get((self.chain, item.key))
        if known is not None and known.live:
            return known.row
        if item.key in self._seen:
            return NEW
        holder = holders.get(item.branch) if item.branch >= FIRST_MERCHANT_BRANCH else HOUSE
        if holder is None:
            return Refusal(RefusalTag.PROOF_PLACE, f"no merchant is enrolled for branch {item.branch} on this host")
        if not self._is_new_money(item):
            reason = "an output of a chain tx that this signer signed counts only where an intent asked for it"
            return Refusal(RefusalTag.PROOF_OWN, reason)
        self._seen.add(item.key)
        self.booking.items.append(self._item(item, holder))
        return NEW

    def _item(self, item: Arrived, holder: str) -> Body:
        rate = self.policy.limits[item.asset].deposit_fee_ppm if holder != HOUSE else 0
        return {
            "key": item.key,
            "txid": item.txid,
            "output": item.output,
            "asset": item.asset,
            "holder": holder,
            "amount": item.amount,
            "fee": item.amount * rate // MILLION,
            "inputs": self._told_once(item),
            "height": item.height,
            "block": item.block,
            "key_set": item.key_set,
            "branch": item.branch,
            "index": item.index,
        }

    def _is_new_money(self, item: Arrived) -> bool:
        version = self.books.versions.get((self.chain, item.txid))
        if version is None or item.tx is None or RefusalTag.PROOF_OWN in self.policy.trust.switched_off:
            return True
        script = item.tx.outputs[item.output].script
        asked = sum(self._asks(intent, script, item.amount) for intent in version.intents)
        # Of outputs that look the same the first ones are the intents' own; what is left is change.
        same = [
            n for n, output in enumerate(item.tx.outputs) if (output.script, output.amount) == (script, item.amount)
        ]
        return same.index(item.output) < asked

    def _asks(self, intent: str, script: bytes, amount: int) -> bool:
        paid = self.books.money.paid[intent]
        return (
            paid.amount == amount and script_of(paid.destination, self.policy.chains[self.chain].parameters) == script
        )

    def _told_once(self, item: Arrived) -> list[str]:
        """What a chain tx that we did not sign spends, in the row of its first deposit: coins of ours may be in it."""
        place = (self.chain, item.txid)
        if not self._is_foreign(item) or item.txid in self._told or place in self.books.money.inputs:
            return []
        self._told.add(item.txid)
        return _inputs(item)


def _inputs(item: Arrived) -> list[str]:
    return [f"{spent.txid}:{spent.index}" for spent in item.tx.inputs] if item.tx is not None else []
