"""Verifies that an address is the merchant's own before anybody pays it: by the signers' word, not by the API's.

Whoever owns the API's host can answer with any address, and show it at the checkout. It cannot sign one with the
identity keys of the signers, which derive each merchant's addresses themselves. What is signed is in
``strongroom_core.attestations``; whose keys count is in the ``Pins``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from strongroom_client.errors import AddressForgedError, AddressUnattestedError
from strongroom_client.pins import Pins
from strongroom_core.attestations import attestation_bytes

_UTXO_SCHEMES: Final = {"bitcoin", "litecoin"}
# BIP 21's own words. Others send the payer elsewhere (`r`, `pj`, `lightning`), or must be understood (`req-…`).
_UTXO_FIELDS: Final = {"amount", "label", "message"}
_EVM: Final = "eip155:"
_ERC20: Final = "erc20:"
_STOP: Final = "show it to nobody, stop taking payments, and call the operator by a way that is not this API"


def verify_address(pins: Pins, chain: str, address: str, attestations: Sequence[Mapping[str, Any]]) -> None:
    """Return only where every pinned signer attested this very address for the pinned merchant on ``chain`` (CAIP-2).

    Raises ``AddressForgedError`` (``address-forged``): a signature is none of the pinned key's for this address.
    ``AddressUnattestedError`` (``address-unattested``): a pinned signer has not signed it yet; ask again in a moment.
    """
    given = [item for item in attestations if isinstance(item, Mapping)] if isinstance(attestations, list) else []
    missing = [name for name, key in pins.identities.items() if not _attested(pins, name, key, (chain, address), given)]
    if missing:
        message = (
            f"{' and '.join(missing)} did not attest {address} yet: do not show it to a payer, and ask again in a "
            "moment; where that lasts, the operator has to see whether the signer is up and this merchant is enrolled"
        )
        raise AddressUnattestedError(message)


def verify_invoice(pins: Pins, invoice: Mapping[str, Any]) -> None:
    """Verify an invoice's address, and that its payment link pays that address. Raises as ``verify_address`` does."""
    chain, address = _named(pins, invoice, "chain_id")
    verify_address(pins, chain, address, invoice.get("attestations", []))
    verify_payment_uri(invoice.get("payment_uri"), str(invoice.get("asset_id")), chain, address)


def verify_deposit_address(pins: Pins, found: Mapping[str, Any]) -> None:
    """Verify a standing address. Raises as ``verify_address`` does."""
    chain, address = _named(pins, found, "chain")
    verify_address(pins, chain, address, found.get("attestations", []))


def verify_payment_uri(uri: object, asset_id: str, chain: str, address: str) -> None:
    """Refuse a payment link (BIP 21, EIP-681) that pays anything but ``asset_id`` to ``address``.

    Raises ``AddressForgedError``.
    """
    pays = isinstance(uri, str) and asset_id.startswith(f"{chain}/") and _pays(uri, asset_id, chain, address)
    if not pays:
        message = f"the payment link {str(uri)[:200]!r} does not pay {asset_id} to {address}: {_STOP}"
        raise AddressForgedError(message)


def _attested(pins: Pins, name: str, key: bytes, where: tuple[str, str], given: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a pinned signer attested it. Raises ``AddressForgedError`` where its name or key stands on another."""
    found = [item for item in given if item.get("identity") == key.hex() or item.get("signer") == name]
    for item in found:
        if item.get("identity") != key.hex():
            message = f"the API names another key for {name} than the pinned one: {_STOP}"
            raise AddressForgedError(message)
        if not _signed(pins, key, where, item):
            message = f"the signature of {name} does not fit {where[1]}, which is not this merchant's: {_STOP}"
            raise AddressForgedError(message)
    return bool(found)


def _signed(pins: Pins, key: bytes, where: tuple[str, str], item: Mapping[str, Any]) -> bool:
    key_set, index, signature = (item.get(name) for name in ("key_set", "index", "signature"))
    if not isinstance(key_set, str) or type(index) is not int or not isinstance(signature, str):
        return False
    chain, address = where
    try:
        data = attestation_bytes(pins.deployment, chain, pins.merchant, key_set, index, address)
        VerifyKey(key).verify(data, bytes.fromhex(signature))
    except (CryptoError, ValueError, TypeError):
        return False
    return True


def _named(pins: Pins, found: Mapping[str, Any], chain_field: str) -> tuple[str, str]:
    """Read chain and address of an answer that says it is about the pinned merchant."""
    said = (found.get("deployment"), found.get("merchant_id"))
    if said != (pins.deployment, pins.merchant):
        message = f"the API answered for merchant {said[1]} of {said[0]}, the pins are for another: {_STOP}"
        raise AddressForgedError(message)
    chain, address = found.get(chain_field), found.get("address")
    if not isinstance(chain, str) or not isinstance(address, str):
        message = f"the API answered without a chain or an address: {_STOP}"
        raise AddressForgedError(message)
    return chain, address


def _pays(uri: str, asset_id: str, chain: str, address: str) -> bool:
    try:
        parts = urlsplit(uri)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        return False
    fields = dict(pairs)
    if parts.netloc or parts.fragment or len(fields) < len(pairs):
        return False
    if not chain.startswith(_EVM):
        return parts.scheme in _UTXO_SCHEMES and parts.path == address and set(fields) <= _UTXO_FIELDS
    number, token = chain.removeprefix(_EVM), asset_id.partition("/")[2]
    if not token.startswith(_ERC20):
        return parts.scheme == "ethereum" and parts.path == f"{address}@{number}" and set(fields) <= {"value"}
    target = f"{token.removeprefix(_ERC20)}@{number}/transfer".lower()
    named = set(fields) <= {"address", "uint256"} and fields.get("address") == address
    return parts.scheme == "ethereum" and parts.path.lower() == target and named
