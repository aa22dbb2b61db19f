"""Whom a signer trusts, by its policy: the identities of the signers, the operators, the time-lock, and what is off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import PolicyError
from strongroom_signer.tables import numbers

MIN_TIME_LOCK_SECONDS: Final = 86_400
MAX_TIME_LOCK_SECONDS: Final = 30 * 86_400
# Where money is real no single person loosens anything: one key, one laptop or one hurried evening is never enough.
MIN_QUORUM: Final = 2
NUMBERS: Final = {"time_lock_seconds": (0, MAX_TIME_LOCK_SECONDS), "operator_quorum": (0, 15)}
SIGNERS: Final = 2
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[\x21-\x7e]{1,32}")


@dataclass(frozen=True, slots=True)
class Trust:
    """``identities`` are the Ed25519 keys (32 bytes) of the online signers by name, ``operators`` those of people.

    ``operator_quorum`` of them sign what loosens, which waits ``time_lock_seconds``. ``switched_off`` names rules that
    a test network does without, so that a drill can show what each of them is worth.
    """

    identities: dict[str, bytes]
    operators: tuple[bytes, ...]
    operator_quorum: int
    time_lock_seconds: int
    switched_off: frozenset[RefusalTag]


def read_trust(body: dict[str, Any], *, test: bool) -> Trust:
    """Read the policy's part about trust; ``test`` where every chain is a test network. Raises ``PolicyError``."""
    settings = numbers(body, NUMBERS, "the policy")
    off = _switched_off(body.get("switched_off", []))
    trust = Trust(_identities(body["signers"]), _operators(body["operators"]), switched_off=off, **settings)
    if not test:
        _check_main(trust)
    if len(trust.identities) != SIGNERS and RefusalTag.PEER_SILENT not in off:
        message = f"signers names the identity keys of {SIGNERS} signers, each by the signer's name"
        raise PolicyError(message)
    if trust.operator_quorum > len(trust.operators):
        message = "operator_quorum is more than there are operators"
        raise PolicyError(message)
    return trust


def _check_main(trust: Trust) -> None:
    if trust.switched_off:
        message = "switched_off is for drills on test networks; where money is real every rule stands"
        raise PolicyError(message)
    if trust.time_lock_seconds < MIN_TIME_LOCK_SECONDS:
        message = f"time_lock_seconds is at least {MIN_TIME_LOCK_SECONDS}; only a test network may have less"
        raise PolicyError(message)
    if trust.operator_quorum < MIN_QUORUM:
        message = (
            f"operator_quorum is at least {MIN_QUORUM}: name as many operators or more, each with a key of their own;"
            " only a policy with nothing but test networks may let fewer loosen what a signer allows"
        )
        raise PolicyError(message)


def _switched_off(value: object) -> frozenset[RefusalTag]:
    try:
        return frozenset(RefusalTag(tag) for tag in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        message = "switched_off is a list of refusal tags"
        raise PolicyError(message) from None


def _identities(value: object) -> dict[str, bytes]:
    if not isinstance(value, dict) or not all(_NAME.fullmatch(name) for name in value):
        message = "signers must be a table of names and identity keys"
        raise PolicyError(message)
    found = {name: _key(key, f"signers.{name}") for name, key in value.items()}
    if len(set(found.values())) != len(found):
        message = "two signers have one identity key; each has its own"
        raise PolicyError(message)
    return found


def _operators(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list):
        message = "operators must be a list of Ed25519 public keys"
        raise PolicyError(message)
    found = tuple(_key(key, "operators") for key in value)
    if len(set(found)) != len(found):
        message = "an operator's key stands twice"
        raise PolicyError(message)
    return found


def _key(value: object, where: str) -> bytes:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        message = f"{where}: an Ed25519 public key has 64 lower-case hex digits"
        raise PolicyError(message)
    return bytes.fromhex(value)
