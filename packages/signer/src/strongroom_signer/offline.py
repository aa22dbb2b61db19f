"""An owner's hand on an offline machine: see what a Safe transaction does, compare its hash, sign it.

For the cold Safe's owners and the recovery key, and for them alone: here no rule and no journal stand between the hand
and the signature, so a folder with a journal, which is an online signer's, is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom_core.abi import InvalidCallError, address_text
from strongroom_core.evm import DELEGATECALL, ZERO_ADDRESS, Call, SafeTx, decode_multi_send
from strongroom_signer.calls import Shown, say
from strongroom_signer.errors import SignerError
from strongroom_signer.evm_chains import EVM_PARAMETERS, MULTI_SEND_CALL_ONLY, EvmParameters
from strongroom_signer.keccak import keccak256
from strongroom_signer.keyfile import open_key

if TYPE_CHECKING:
    from strongroom_signer.host import Folder


class OfflineError(SignerError):
    """A Safe transaction that an owner's hand must not sign, or cannot."""

    code = "offline-refused"


def read_safe_tx(text: str) -> SafeTx:
    """Read the hex text of a Safe transaction's canonical bytes. Raises ``OfflineError``."""
    try:
        return SafeTx.decode(bytes.fromhex(text.strip().removeprefix("0x")))
    except (InvalidCallError, ValueError) as error:
        message = f"not a Safe transaction in hex: {error}"
        raise OfflineError(message) from None


def show(safe_tx: SafeTx, chain: str) -> Shown:
    """Say what a Safe transaction does, for a person to compare; raises ``OfflineError`` where none should sign it.

    A call that this release cannot read is shown as UNKNOWN, with its bytes.
    """
    parameters = EVM_PARAMETERS[chain]
    calls = _calls(safe_tx, parameters)
    _check_gas(safe_tx)
    return {
        "chain": parameters.chain.name,
        "hash": "0x" + safe_tx.hash(parameters.number, keccak256).hex(),
        "safe": address_text(safe_tx.safe, keccak256),
        "nonce": safe_tx.nonce,
        "calls": [say(call, safe_tx.safe) for call in calls],
    }


def sign(folder: Folder, passphrase: bytes, safe_tx: SafeTx, chain: str, wanted: str) -> Shown:
    """Sign as the owner whose key the folder has, where ``wanted`` is the hash. Raises ``OfflineError``."""
    if folder.journal.exists():
        message = f"{folder.root} is an online signer's: it signs by its rules and its journal only"
        raise OfflineError(message)
    shown = show(safe_tx, chain)
    if shown["hash"] != wanted.lower():
        message = f"the hash is {shown['hash']}, not {wanted}: this is another transaction than the one you looked at"
        raise OfflineError(message)
    key = open_key(folder.key, passphrase)
    signature = key.owner(chain).sign_recoverable(bytes.fromhex(wanted[2:]))
    return shown | {"owner": key.public_text(chain), "signature": signature.hex()}


def _calls(safe_tx: SafeTx, parameters: EvmParameters) -> tuple[Call, ...]:
    if safe_tx.to == ZERO_ADDRESS:
        message = "a call of the zero address: it burns what it sends, or it is meant to read as something else"
        raise OfflineError(message)
    if safe_tx.operation != DELEGATECALL:
        return (safe_tx.call,)
    known = parameters.chain.test or safe_tx.to in MULTI_SEND_CALL_ONLY
    try:
        if known and not safe_tx.value:
            return decode_multi_send(safe_tx.data)
        message = f"a delegatecall of {address_text(safe_tx.to, keccak256)}, which is not Safe's MultiSendCallOnly"
    except InvalidCallError as error:
        message = f"a delegatecall that is no batch of plain calls: {error.message}"
    raise OfflineError(message)


def _check_gas(safe_tx: SafeTx) -> None:
    gas = (safe_tx.safe_tx_gas, safe_tx.base_gas, safe_tx.gas_price)
    if any(gas) or (safe_tx.gas_token, safe_tx.refund_receiver) != (ZERO_ADDRESS, ZERO_ADDRESS):
        message = "safeTxGas, baseGas, gasPrice, gasToken and refundReceiver must all be zero"
        raise OfflineError(message)
