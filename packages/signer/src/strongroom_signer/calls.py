"""What a call of a Safe says, for a person who signs by hand: named where we know the function, UNKNOWN where not.

A name is given only where the calldata is exactly what a strict encoder writes, and only where it is sent to the
contract that has such a function: the functions of a Safe to the Safe itself.
"""

from __future__ import annotations

from typing import Final

from strongroom_core.abi import InvalidCallError, address_text, read_words
from strongroom_core.evm import Call
from strongroom_signer.keccak import keccak256

Shown = dict[str, object]
Fields = dict[str, str]

UNKNOWN: Final = "UNKNOWN"
ITSELF: Final = "THE SAFE ITSELF"
_SELECTOR_BYTES: Final = 4
_ADDRESS: Final = "address"
_UINT: Final = "uint256"

# Of the Safe (Safe 1.3 to 1.5: OwnerManager, ModuleManager, GuardManager, FallbackManager).
_OF_THE_SAFE: Final[dict[str, Fields]] = {
    "enableModule": {"module": _ADDRESS},
    "disableModule": {"previous module": _ADDRESS, "module": _ADDRESS},
    "setGuard": {"guard": _ADDRESS},
    "setModuleGuard": {"guard": _ADDRESS},
    "setFallbackHandler": {"handler": _ADDRESS},
    "addOwnerWithThreshold": {"owner": _ADDRESS, "threshold": _UINT},
    "swapOwner": {"previous owner": _ADDRESS, "old owner": _ADDRESS, "new owner": _ADDRESS},
    "removeOwner": {"previous owner": _ADDRESS, "owner": _ADDRESS, "threshold": _UINT},
    "changeThreshold": {"threshold": _UINT},
}
# Of others: tokens (ERC-20) and our allowance contract.
_OF_OTHERS: Final[dict[str, Fields]] = {
    "transfer": {"to": _ADDRESS, "amount": _UINT},
    "draw": {"token": _ADDRESS, "amount": _UINT},
    "set_limit": {"token": _ADDRESS, "per day": _UINT},
}


def selector(name: str, fields: Fields) -> bytes:
    """Give the first four bytes of a function's calldata."""
    return keccak256(f"{name}({','.join(fields.values())})".encode("ascii"))[:_SELECTOR_BYTES]


def _by_selector(functions: dict[str, Fields]) -> dict[bytes, str]:
    return {selector(name, fields): name for name, fields in functions.items()}


_SAFE_SELECTORS: Final = _by_selector(_OF_THE_SAFE)
_OTHER_SELECTORS: Final = _by_selector(_OF_OTHERS)


def say(call: Call, safe: bytes) -> Shown:
    """Say what a call of ``safe`` does: whom it calls, coin in wei, the bytes, and how they read."""
    itself = {"calls": ITSELF} if call.to == safe else {}
    said: Shown = {"to": address_text(call.to, keccak256), **itself, "value": call.value, "data": call.data.hex()}
    return said | {"reads as": _reading(call, own=call.to == safe)}


def _reading(call: Call, *, own: bool) -> Shown:
    if not call.data:
        return _coin(call, own=own)
    found, functions = (_SAFE_SELECTORS, _OF_THE_SAFE) if own else (_OTHER_SELECTORS, _OF_OTHERS)
    head = call.data[:_SELECTOR_BYTES]
    name = found.get(head, UNKNOWN)
    if name == UNKNOWN or call.value:
        return {"function": UNKNOWN}
    fields = functions[name]
    try:
        words = read_words(head, tuple(fields.values()), call.data)
    except InvalidCallError:
        return {"function": UNKNOWN}
    texts = (address_text(item, keccak256) if isinstance(item, bytes) else item for item in words)
    return {"function": name, **dict(zip(fields, texts, strict=True))}


def _coin(call: Call, *, own: bool) -> Shown:
    if own:
        return {"function": "nothing: it uses the nonce up"}
    return {"function": "coin", "to": address_text(call.to, keccak256), "amount": call.value}
