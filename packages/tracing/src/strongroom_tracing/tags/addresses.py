"""Addresses in one canonical form per chain, so that equal means the same party's key.

EVM: lower case, and mixed case must be right by EIP-55. Bech32: lower case. Base58: as written, its check verified;
Litecoin's script addresses start with M, Bitcoin Cash's CashAddr becomes the base58 form of the same hash. A script
without an address is ``script:`` and hex, a long one ``script-sha256:`` and its SHA-256, as the index has it. What has
no known form (``currency:…`` and chains that we do not know) is kept as it is written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import partial
from typing import Final

from strongroom_tracing.tags import currencies, encodings
from strongroom_tracing.tags.errors import BadAddressError

_HASH_BYTES: Final = 20
_SOLANA_BYTES: Final = 32
_MONERO_NETWORK: Final = (18, 19, 42)  # mainnet: primary, with payment id, subaddress
_EVM_NAMESPACE: Final = "eip155:"
_SHOWN: Final = 128
_SCRIPT: Final = re.compile(r"script:(?:[0-9a-f]{2})+|script-sha256:[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
_LONGEST_SCRIPT: Final = 200  # bytes that are written out


def place(currency: str, text: str) -> tuple[str, str]:
    """Give the chain (CAIP-2) and the canonical address of what a list names under a currency.

    The form of the address decides where a currency lives on several chains (USDT on Ethereum, Tron, Omni). An address
    listed as ETH is said of Ethereum; that the same key acts on every EVM chain is the look-up's business (``key``).
    Raises ``BadAddressError``.
    """
    chains = currencies.chains_of(currency)
    reasons = []
    for chain in chains:
        try:
            return chain, canonical(chain, text)
        except BadAddressError as error:
            reasons.append(error)
    raise reasons[0]


def recognise(text: str) -> tuple[str, str]:
    """Give the chain that an address without a currency has the form of, and the canonical address.

    Raises ``BadAddressError`` where no form and check fits.
    """
    for chain in currencies.RECOGNISED:
        try:
            return chain, canonical(chain, text)
        except BadAddressError:
            continue
    message = f"{text[:_SHOWN]!r} has the form of no chain's address: name its currency"
    raise BadAddressError(message)


def canonical(chain: str, text: str) -> str:
    """Give the canonical form of an address on a chain (CAIP-2). Raises ``BadAddressError``."""
    address = text.strip()
    if not address or any(letter.isspace() for letter in address):
        message = f"{text[:_SHOWN]!r} is no address: it is empty or holds blanks"
        raise BadAddressError(message)
    found = _form(chain)(address)
    if found is None:
        message = f"{address[:_SHOWN]!r} is no address of {chain}: its form or its checksum is wrong"
        raise BadAddressError(message)
    return found


def key(chain: str, address: str) -> str:
    """Give what equal claims are found by: an EVM address counts on every EVM chain, any other on its own.

    Whoever holds the key of an account on one EVM chain holds it on all of them, and a sanction names the person, not
    the ledger: an investigator who asks on Arbitrum wants to see what was said on Ethereum. A contract may be somebody
    else's on another chain; that is why each tag still says of which chain it was said.
    """
    return (_EVM_NAMESPACE if encodings.looks_evm(address) else f"{chain}|") + address


def prefix(chain: str) -> str:
    """Give what the keys of all addresses that count on a chain begin with."""
    return _EVM_NAMESPACE if chain.startswith(_EVM_NAMESPACE) else f"{chain}|"


def asked(chain: str, text: str) -> str:
    """Give the key of what somebody asks for; a text that is no address is asked for as it is (and not found)."""
    try:
        return key(chain, canonical(chain, text))
    except BadAddressError:
        return key(chain, text.strip())


def _form(chain: str) -> Callable[[str], str | None]:
    if chain.startswith(_EVM_NAMESPACE):
        return encodings.evm
    if chain in currencies.COINS:
        return partial(_coin, chain)
    return _OTHERS.get(chain, _unknown)


def _coin(chain: str, text: str) -> str | None:
    versions, human = currencies.COINS[chain]
    if _SCRIPT.fullmatch(text):
        return _script(text.lower())
    if human and text.lower().startswith(f"{human}1"):
        return encodings.segwit(human, text)
    payload = encodings.base58_check(text)
    if payload is None and chain == currencies.BITCOIN_CASH:
        payload = encodings.cashaddr(text)
    if payload is None or len(payload) <= _HASH_BYTES or payload[:-_HASH_BYTES] not in versions:
        return None
    return encodings.to_base58_check(versions[payload[:-_HASH_BYTES]] + payload[-_HASH_BYTES:])


def _script(text: str) -> str:
    form, _, digits = text.partition(":")
    script = bytes.fromhex(digits)
    if form == "script" and len(script) > _LONGEST_SCRIPT:
        return f"script-sha256:{hashlib.sha256(script).hexdigest()}"
    return text


def _solana(text: str) -> str | None:
    raw = encodings.base58(text)
    return text if raw is not None and len(raw) == _SOLANA_BYTES else None


def _xrp(text: str) -> str | None:
    payload = encodings.xrp(text)
    return text if payload is not None and len(payload) == _HASH_BYTES + 1 and payload[0] == 0 else None


def _monero(text: str) -> str | None:
    payload = encodings.monero(text)
    return text if payload is not None and payload[0] in _MONERO_NETWORK else None


def _unknown(text: str) -> str:
    return text.lower() if encodings.looks_evm(text) else text


_OTHERS: Final[dict[str, Callable[[str], str | None]]] = {
    currencies.SOLANA: _solana,
    currencies.XRP_LEDGER: _xrp,
    currencies.MONERO: _monero,
    currencies.BNB_BEACON: partial(encodings.plain_bech32, "bnb"),
}
