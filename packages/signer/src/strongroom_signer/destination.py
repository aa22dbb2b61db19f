"""Address text to what is paid: a script, or on an EVM chain the 20 bytes of an address. The signer makes it itself.

Base58Check for P2PKH and P2SH; BIP 173 for witness version 0 and BIP 350 for versions 1 to 16. embit's own
``address_to_scriptpubkey`` is not used: it takes an address of any network and knows no version above 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from embit import base58, bech32

from strongroom_core.abi import InvalidCallError, parse_address
from strongroom_signer.errors import DestinationError
from strongroom_signer.evm_chains import EvmParameters
from strongroom_signer.keccak import keccak256

if TYPE_CHECKING:
    from strongroom_signer.chains import ChainParameters

MAX_ADDRESS_CHARACTERS: Final = 90
_HASH_BYTES: Final = 20
_OP_1_MINUS_1: Final = 0x50
# Below it stand the zero address and the precompiled contracts: what is sent there is burnt.
_FIRST_ACCOUNT: Final = 0x10000


def payee(address: str, chain: ChainParameters | EvmParameters) -> bytes:
    """Give what ``address`` names on ``chain``: an output script, or the 20 bytes. Raises ``DestinationError``."""
    return _account(address) if isinstance(chain, EvmParameters) else script_of(address, chain)


def _account(address: str) -> bytes:
    try:
        account = parse_address(address, keccak256)
    except InvalidCallError as error:
        raise DestinationError(error.message) from None
    if int.from_bytes(account, "big") < _FIRST_ACCOUNT:
        message = "nobody has this address; what is sent there is burnt"
        raise DestinationError(message)
    return account


def script_of(address: str, chain: ChainParameters) -> bytes:
    """Give the output script that pays ``address`` on ``chain``. Raises ``DestinationError``."""
    if not 0 < len(address) <= MAX_ADDRESS_CHARACTERS or not address.isascii():
        message = f"an address has 1 to {MAX_ADDRESS_CHARACTERS} ASCII characters"
        raise DestinationError(message)
    if address.lower().startswith(chain.hrp + "1"):
        return _segwit(address, chain)
    return _base58(address, chain)


def _segwit(address: str, chain: ChainParameters) -> bytes:
    # An empty data part makes embit's decoder raise IndexError; it reads beyond what it checked.
    try:
        version, program = bech32.decode(chain.hrp, address)
    except IndexError:
        version, program = None, None
    if version is None:
        message = f"not a valid {chain.hrp}1… address: a character is wrong (BIP 173, BIP 350)"
        raise DestinationError(message)
    opcode = version + _OP_1_MINUS_1 if version else 0
    return bytes([opcode, len(program)]) + bytes(program)


def _base58(address: str, chain: ChainParameters) -> bytes:
    try:
        data = bytes(base58.decode_check(address))
    except (ValueError, IndexError):
        message = f"not an address of {chain.chain.name}"
        raise DestinationError(message) from None
    if len(data) != 1 + _HASH_BYTES or base58.encode_check(data) != address:
        message = f"not an address of {chain.chain.name}"
        raise DestinationError(message)
    if data[0] in chain.p2pkh:
        return b"\x76\xa9\x14" + data[1:] + b"\x88\xac"
    if data[0] in chain.p2sh:
        return b"\xa9\x14" + data[1:] + b"\x87"
    message = f"an address of another chain than {chain.chain.name}"
    raise DestinationError(message)
