"""A signer's word for deposit addresses: derived here from the policy and the enrolment, signed by its identity.

Nothing is journalled, since nothing is decided: the same address gets the same word whenever it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from embit import bech32

from strongroom_core.abi import address_text
from strongroom_core.attestations import FORWARDER, attestation_bytes
from strongroom_core.ids import HOUSE_MERCHANT
from strongroom_core.proof_messages import Attestation, Attested
from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import RefusedError
from strongroom_signer.forwarder import forwarder_address
from strongroom_signer.keccak import keccak256
from strongroom_signer.keyset import COLD, HOT, HOUSE_BRANCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from nacl.signing import SigningKey

    from strongroom_core.proof_messages import AttestRequest
    from strongroom_signer.enrolment import Enrolment
    from strongroom_signer.policy import ChainPolicy, Policy
    from strongroom_signer.safe_policy import SafePolicy

#: Three derivations and a signature each; more at once would take seconds.
MAX_ADDRESSES: Final = 5_000
_END_OF_INDICES: Final = 2**31


def attest(request: AttestRequest, policy: Policy, enrolment: Enrolment, identity: SigningKey) -> Attested:
    """Derive the addresses and sign for each of them.

    Raises ``RefusedError``: request-malformed (numbers out of range), chain-unknown, merchant-unknown, proof-place (no
    such key set on that chain).
    """
    if request.count > MAX_ADDRESSES or request.first + request.count > _END_OF_INDICES:
        reason = f"a request is for at most {MAX_ADDRESSES} addresses, at indices below 2**31"
        raise RefusedError(RefusalTag.REQUEST_MALFORMED, reason)
    derive = _deriver(request, policy, _branch(request.merchant, enrolment))
    attestations = []
    for index in range(request.first, request.first + request.count):
        address = derive(index)
        data = attestation_bytes(policy.deployment, request.chain, request.merchant, request.key_set, index, address)
        attestations.append(Attestation(index, address, bytes(identity.sign(data).signature)))
    return Attested(request.request_id, bytes(identity.verify_key), tuple(attestations))


def _branch(merchant: str, enrolment: Enrolment) -> int:
    if merchant == HOUSE_MERCHANT:
        return HOUSE_BRANCH
    enrolled = enrolment.get(merchant)
    if enrolled is None:
        raise RefusedError(RefusalTag.MERCHANT_UNKNOWN, f"{merchant[:80]} is not enrolled on this signer's host")
    return enrolled.branch


def _deriver(request: AttestRequest, policy: Policy, branch: int) -> Callable[[int], str]:
    chain, safe = policy.chains.get(request.chain), policy.safes.get(request.chain)
    if chain is not None and request.key_set in {HOT, COLD}:
        return _of_key_set(chain, request.key_set, branch)
    if safe is not None and request.key_set == FORWARDER:
        return _of_forwarders(safe, branch)
    if chain is None and safe is None:
        raise RefusedError(RefusalTag.CHAIN_UNKNOWN, f"{request.chain[:80]} is not in this signer's policy")
    raise RefusedError(RefusalTag.PROOF_PLACE, f"this chain has no key set {request.key_set[:40]}")


def _of_key_set(chain: ChainPolicy, name: str, branch: int) -> Callable[[int], str]:
    key_set, prefix = chain.key_set(name), chain.parameters.hrp
    # BIP 173: version 0 and the program behind its two bytes.
    return lambda index: str(bech32.encode(prefix, 0, key_set.script(branch, index)[2:]))


def _of_forwarders(safe: SafePolicy, branch: int) -> Callable[[int], str]:
    return lambda index: address_text(forwarder_address(safe.factory, safe.cold_safe, branch, index), keccak256)
