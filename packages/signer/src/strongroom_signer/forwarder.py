"""Whose a deposit address of an EVM chain is, by hashes alone; and what the logs of our contracts say.

    implementation = create2(factory, 32 zero bytes, the Forwarder's creation code ‖ 12 zero bytes ‖ treasury)
    salt           = keccak256(domain ‖ branch as 32 bytes ‖ index as 32 bytes)
    forwarder      = create2(factory, salt, clone head ‖ implementation ‖ clone tail)

The creation code is ours (contracts/Forwarder.vy; ``forwarder_code.hex`` is what it compiles to): no other code can
stand at such an address, whoever deployed the factory, so what it logs is true. Sources: EIP-1014, EIP-1167.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from strongroom_core.abi import ADDRESS_BYTES, WORD, padded
from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import RefusedError
from strongroom_signer.keccak import keccak256

if TYPE_CHECKING:
    from strongroom_core.proof_messages import ReceiptProof
    from strongroom_signer.receipts import ProvenLog
    from strongroom_signer.safe_policy import SafePolicy

DOMAIN: Final = b"strongroom forwarder v1".ljust(WORD, b"\0")
CLONE_HEAD: Final = bytes.fromhex("3d603380600a3d3981f336600557005b363d3d373d3d3d363d73")
CLONE_TAIL: Final = bytes.fromhex("5af43d82803e903d91603157fd5bf3")
NO_SALT: Final = bytes(WORD)
#: The events by which money is proven; of Safe, at versions before 1.4.1 the hash was not indexed.
SWEPT: Final = keccak256(b"Swept(address,uint256)")
EXECUTION_SUCCESS: Final = keccak256(b"ExecutionSuccess(bytes32,uint256)")
_PLACE_MAX: Final = 2**256
# Topics of Swept: the event itself and the token. Words of ExecutionSuccess: the hash and the payment.
_SWEPT_TOPICS: Final = 2
_EXECUTION_WORDS: Final = 2


@cache
def creation_code() -> bytes:
    """Give the Forwarder's creation code, without the constructor's argument."""
    return bytes.fromhex((files("strongroom_signer") / "forwarder_code.hex").read_text("ascii"))


def forwarder_address(factory: bytes, treasury: bytes, branch: int, index: int) -> bytes:
    """Give the deposit address of an index of a branch (1 the house, 2 + n merchant n); 20 bytes, deployed or not.

    Raises ``ValueError`` for numbers that no salt has.
    """
    if not (0 <= branch < _PLACE_MAX and 0 <= index < _PLACE_MAX):
        message = "branch and index are numbers of 256 bits"
        raise ValueError(message)
    salt = keccak256(DOMAIN + branch.to_bytes(WORD, "big") + index.to_bytes(WORD, "big"))
    return keccak256(b"\xff" + factory + salt + _clone_hash(factory, treasury))[-ADDRESS_BYTES:]


def check_place(proof: ReceiptProof, log: ProvenLog, policy: SafePolicy) -> None:
    """Refuse (``RefusedError``, proof-place) a log that the claimed forwarder of ours did not write.

    The treasury of every forwarder is the policy's cold Safe.
    """
    address = forwarder_address(policy.factory, policy.cold_safe, proof.branch, proof.index)
    if log.emitter != address:
        reason = f"0x{log.emitter.hex()} is not the forwarder of branch {proof.branch}, index {proof.index}"
        raise RefusedError(RefusalTag.PROOF_PLACE, reason)


def read_swept(log: ProvenLog) -> tuple[bytes, int]:
    """Read ``Swept(token indexed, amount)``: the token (20 bytes, zero for the coin) and base units that arrived.

    The treasury's balance grew by that much. Raises ``RefusedError`` (proof-place) for another log.
    """
    if log.topics[:1] != (SWEPT,) or len(log.topics) != _SWEPT_TOPICS or len(log.data) != WORD:
        raise RefusedError(RefusalTag.PROOF_PLACE, "the log is not a forwarder's Swept(address indexed,uint256)")
    token = log.topics[1][-ADDRESS_BYTES:]
    if padded(token) != log.topics[1]:
        raise RefusedError(RefusalTag.PROOF_PLACE, "the token of the log is no address")
    return token, int.from_bytes(log.data, "big")


def read_execution(log: ProvenLog, safe: bytes) -> bytes:
    """Read ``ExecutionSuccess(txHash, payment)`` of a Safe: the safeTxHash that used a nonce up.

    Raises ``RefusedError`` (proof-place) for a log of another contract or kind.
    """
    if log.emitter != safe:
        raise RefusedError(RefusalTag.PROOF_PLACE, f"0x{log.emitter.hex()} is not the Safe 0x{safe.hex()}")
    # Of Safe 1.4.1 and 1.5.0 the hash is indexed; before, both words were data.
    words = b"".join(log.topics[1:]) + log.data
    if log.topics[:1] != (EXECUTION_SUCCESS,) or len(words) != _EXECUTION_WORDS * WORD:
        raise RefusedError(RefusalTag.PROOF_PLACE, "the log is not ExecutionSuccess(bytes32,uint256)")
    return words[:WORD]


@lru_cache(maxsize=64)
def _clone_hash(factory: bytes, treasury: bytes) -> bytes:
    implementation = _create2(factory, NO_SALT, creation_code() + padded(treasury))
    return keccak256(CLONE_HEAD + implementation + CLONE_TAIL)


def _create2(deployer: bytes, salt: bytes, init_code: bytes) -> bytes:
    return keccak256(b"\xff" + deployer + salt + keccak256(init_code))[-ADDRESS_BYTES:]
