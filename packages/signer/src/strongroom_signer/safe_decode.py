"""From a Safe transaction to what it really does: payments, draws from the allowance, sweeps to the cold Safe, nothing.

What is not one of these is refused here. Only bytes that we would have written ourselves are read (the strict decoders
of ``strongroom_core``), so a call does what its reading says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from strongroom_core.abi import InvalidCallError
from strongroom_core.evm import (
    DELEGATECALL,
    DRAW,
    MULTI_SEND,
    TRANSFER,
    ZERO_ADDRESS,
    InnerDelegatecallError,
    InnerSelfCallError,
    SafeTx,
    decode_draw,
    decode_multi_send,
    decode_transfer,
)
from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import RefusedError
from strongroom_signer.keccak import keccak256
from strongroom_signer.model import DecodedSafeTx, Movement, MovementKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_core.evm import Call
    from strongroom_signer.safe_policy import SafePolicy

_SELECTOR_BYTES: Final = 4
_Read = TypeVar("_Read")


def decode_safe_tx(data: bytes, policy: SafePolicy) -> DecodedSafeTx:
    """Read a Safe transaction with our own eyes.

    Raises ``RefusedError``: safe-malformed, safe-unknown, gas-refund, delegatecall, safe-call, call-unknown,
    call-malformed, call-empty, allowance-draw.
    """
    try:
        safe_tx = SafeTx.decode(data)
    except InvalidCallError as error:
        raise RefusedError(RefusalTag.SAFE_MALFORMED, error.message) from None
    _check_form(safe_tx, policy)
    effect = "0x" + safe_tx.hash(policy.parameters.number, keccak256).hex()
    if safe_tx.is_cancel:
        return DecodedSafeTx(effect, safe_tx.nonce, (), cancel=True)
    calls = _inner_calls(safe_tx, policy) if safe_tx.operation == DELEGATECALL else (safe_tx.call,)
    return DecodedSafeTx(effect, safe_tx.nonce, tuple(_read(call, policy) for call in calls), cancel=False)


def _check_form(safe_tx: SafeTx, policy: SafePolicy) -> None:
    if safe_tx.safe != policy.hot_safe:
        raise RefusedError(RefusalTag.SAFE_UNKNOWN, f"0x{safe_tx.safe.hex()} is not the policy's hot Safe")
    gas = (safe_tx.safe_tx_gas, safe_tx.base_gas, safe_tx.gas_price)
    if any(gas) or safe_tx.gas_token != ZERO_ADDRESS or safe_tx.refund_receiver != ZERO_ADDRESS:
        # With gas of its own a failed payment would use its nonce up and look as if it had succeeded; a refund is
        # money to whoever sends the transaction.
        reason = "safeTxGas, baseGas, gasPrice, gasToken and refundReceiver are all zero, or it is not signed"
        raise RefusedError(RefusalTag.GAS_REFUND, reason)


def _inner_calls(safe_tx: SafeTx, policy: SafePolicy) -> tuple[Call, ...]:
    if safe_tx.to != policy.multisend or safe_tx.data[:_SELECTOR_BYTES] != MULTI_SEND:
        reason = "the one delegatecall that is signed is multiSend of the policy's MultiSendCallOnly"
        raise RefusedError(RefusalTag.DELEGATECALL, reason)
    if safe_tx.value:
        raise RefusedError(RefusalTag.CALL_MALFORMED, "a delegatecall sends no coin of its own")
    return _strictly(decode_multi_send, safe_tx.data)


def _read(call: Call, policy: SafePolicy) -> Movement:
    if call.to == policy.hot_safe:
        reason = "a call of the Safe to itself can change its owners, modules or guard; only the empty one is signed"
        raise RefusedError(RefusalTag.SAFE_CALL, reason)
    if not call.data:
        return _coin(call, policy)
    if call.to == policy.allowance:
        return _draw(call, policy)
    if call.to in policy.tokens and call.to != ZERO_ADDRESS:
        return _transfer(call, policy)
    raise RefusedError(RefusalTag.CALL_UNKNOWN, f"0x{call.to.hex()} is no contract that this policy calls")


def _coin(call: Call, policy: SafePolicy) -> Movement:
    asset = policy.tokens.get(ZERO_ADDRESS)
    if asset is None:
        raise RefusedError(RefusalTag.CALL_UNKNOWN, f"the coin of {policy.parameters.chain.name} is not in the policy")
    return _outgoing(asset, call.to, call.value, policy)


def _transfer(call: Call, policy: SafePolicy) -> Movement:
    _check_selector(call, TRANSFER)
    to, amount = _strictly(decode_transfer, call.data)
    return _outgoing(policy.tokens[call.to], to, amount, policy)


def _draw(call: Call, policy: SafePolicy) -> Movement:
    _check_selector(call, DRAW)
    token, amount = _strictly(decode_draw, call.data)
    asset = policy.tokens.get(token)
    if asset is None:
        raise RefusedError(RefusalTag.ALLOWANCE_DRAW, f"a draw of 0x{token.hex()}, which is not in the policy")
    return _movement(MovementKind.DRAW, asset, policy.hot_safe, amount)


def _check_selector(call: Call, selector: bytes) -> None:
    if call.data[:_SELECTOR_BYTES] != selector:
        reason = f"function {call.data[:_SELECTOR_BYTES].hex()} of 0x{call.to.hex()} is none that is signed"
        raise RefusedError(RefusalTag.CALL_UNKNOWN, reason)
    if call.value:
        raise RefusedError(RefusalTag.CALL_MALFORMED, "a call of a contract sends no coin along")


def _outgoing(asset: str, to: bytes, amount: int, policy: SafePolicy) -> Movement:
    kind = MovementKind.SWEEP if to == policy.cold_safe else MovementKind.PAYMENT
    return _movement(kind, asset, to, amount)


def _movement(kind: MovementKind, asset: str, to: bytes, amount: int) -> Movement:
    if not amount:
        raise RefusedError(RefusalTag.CALL_EMPTY, f"a call that moves nothing of {asset}")
    return Movement(kind, asset, to, amount)


def _strictly(decode: Callable[[bytes], _Read], data: bytes) -> _Read:
    try:
        return decode(data)
    except InnerDelegatecallError as error:
        raise RefusedError(RefusalTag.DELEGATECALL, error.message) from None
    except InnerSelfCallError as error:
        raise RefusedError(RefusalTag.SAFE_CALL, error.message) from None
    except InvalidCallError as error:
        raise RefusedError(RefusalTag.CALL_MALFORMED, error.message) from None
