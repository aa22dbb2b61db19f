"""What the commands of ``strongroom-merchant`` do; each takes its parsed arguments and prints its result on stdout."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from strongroom_client import keys, secrets_input
from strongroom_client.api import Api
from strongroom_client.canary import ALARM, OK, TROUBLE, Canary, Finding, Order
from strongroom_client.errors import SettingsError
from strongroom_client.pins import Pins, read_pins
from strongroom_client.signing import make_intent, sign_intent, signed_from_json, signed_to_json, verify_intent
from strongroom_client.transport import Transport
from strongroom_core.amounts import Amount
from strongroom_core.assets import (
    ARBITRUM,
    BASE,
    BITCOIN,
    BNB_CHAIN,
    ETHEREUM,
    LITECOIN,
    OPTIMISM,
    POLYGON,
    Asset,
    Chain,
    UnknownAssetError,
    asset_by_code,
    asset_by_id,
    chain_by_id,
    register_asset,
)
from strongroom_core.errors import InvalidValueError
from strongroom_core.ids import MerchantId, PayoutId
from strongroom_core.intents import PaymentIntent, SignedIntent

REAL_CHAINS = (BITCOIN, LITECOIN, ETHEREUM, OPTIMISM, BNB_CHAIN, POLYGON, BASE, ARBITRUM)
MAX_INTENT_FILE_BYTES = 64 * 1024
EXIT_CODES = {OK: 0, TROUBLE: 1, ALARM: 3}


def keys_new(args: argparse.Namespace) -> None:
    """Make a key file; print the public half, and nothing else of it."""
    passphrase = None if args.no_passphrase else _new_passphrase(args.passphrase_fd)
    _line(keys.create_key_file(args.file, passphrase).hex())
    _note(f"The key is in {args.file}. Copy that file to a safe place; enrol the line above on each signer's host.")


def keys_show(args: argparse.Namespace) -> None:
    """Print the public half of a key file."""
    _line(keys.read_public_key(args.file).hex())


def payout_sign(args: argparse.Namespace) -> None:
    """Sign one payment, without a network; print what ``payout send`` sends."""
    asset = find_asset(args.asset, args.chain, args.decimals)
    intent = make_intent(
        deployment=args.deployment,
        merchant=MerchantId.parse(args.merchant),
        amount=Amount.parse(args.amount, asset),
        destination=args.to,
        fee_ceiling=Amount.parse(args.fee_ceiling, asset),
        tag=args.tag,
        payout=None if args.payout_id is None else PayoutId.parse(args.payout_id),
        expires_at=int(time.time()) + args.expires_in,
    )
    key = keys.load_key(args.key, _passphrase(args.key, args.passphrase_fd))
    signed = sign_intent(intent, key)
    _note(describe(intent))
    _print({"payout": intent.payout} | signed_to_json(signed))


def payout_send(args: argparse.Namespace) -> None:
    """Hand a signed payment in; sending the same one again is safe."""
    signed = _read_signed(args.file)
    # Only to catch a damaged file before it travels; the signers verify with the key that they enrolled.
    _note(describe(verify_intent(signed, signed.public_key)))
    with _transport(args) as transport:
        _print(Api(transport).send_payout(signed, args.kind))


def payout_get(args: argparse.Namespace) -> None:
    """Print one payout with its timeline."""
    with _transport(args) as transport:
        _print(Api(transport).payout(PayoutId.parse(args.id)))


def balance(args: argparse.Namespace) -> None:
    """Print the balance of every asset."""
    with _transport(args) as transport:
        _print(Api(transport).balances())


def invoice_create(args: argparse.Namespace) -> None:
    """Ask to be paid; print the invoice with its address and checkout page."""
    with _transport(args) as transport:
        invoice = Api(transport, _pins(args)).create_invoice(
            amount=args.amount,
            currency=args.currency,
            asset=args.asset,
            reference=args.reference,
            description=args.description,
            expires_in_seconds=args.expires_in,
            idempotency_key=args.idempotency_key,
        )
        _print(invoice)


def invoice_get(args: argparse.Namespace) -> None:
    """Print one invoice."""
    with _transport(args) as transport:
        _print(Api(transport, _pins(args)).invoice(args.id))


def address_get(args: argparse.Namespace) -> None:
    """Print the standing address of a customer, made at the first call."""
    with _transport(args) as transport:
        _print(Api(transport, _pins(args)).deposit_address(asset=args.asset, reference=args.reference))


def canary(args: argparse.Namespace) -> int:
    """Order like a shopper and compare, now and then; print a line of JSON for each look. 3 is an alarm."""
    pins = _pins(args)
    if pins is None:
        message = "a canary needs the signers' keys: --pins FILE or the environment's STRONGROOM_PINS"
        raise SettingsError(message)
    order = None if args.existing else Order(args.amount, args.currency, args.asset)
    with _transport(args) as transport:
        looking = Canary(Api(transport), pins, order, grace_seconds=args.grace)
        if args.once:
            _tell(found := looking.look())
        else:
            found = looking.watch(_tell, args.every, go_on=args.go_on)
    return EXIT_CODES[found.result]


def find_asset(name: str, chain_id: str | None, decimals: int | None = None) -> Asset:
    """Find an asset by its CAIP-19 id, or by its code on ``chain_id`` (CAIP-2), else on the real chains.

    A token that this release does not know needs its ``decimals``, from its issuer: nobody's API is asked what an
    amount means. Raises ``UnknownAssetError``, ``AmbiguousAssetError``, ``AssetConflictError``, ``UnknownChainError``;
    and ``SettingsError`` for a fiat currency, which no chain pays.
    """
    chains: tuple[Chain, ...] = REAL_CHAINS if chain_id is None else (chain_by_id(chain_id),)
    asset = _by_id(name, decimals) if "/" in name else asset_by_code(name, chains)
    if asset.is_fiat:
        message = f"{name} is a currency for prices; a payout is of an asset on a chain, such as BTC"
        raise SettingsError(message)
    if decimals not in (None, asset.decimals):
        message = f"{asset.id} has {asset.decimals} decimals, not {decimals}"
        raise SettingsError(message)
    return asset


def _by_id(asset_id: str, decimals: int | None) -> Asset:
    try:
        return asset_by_id(asset_id)
    except UnknownAssetError:
        if decimals is None:
            message = f"{asset_id} is not known here: give its number of decimals, as its issuer says, with --decimals"
            raise UnknownAssetError(message) from None
        return register_asset(Asset(asset_id, f"T{asset_id[-6:]}", decimals))


def describe(intent: PaymentIntent) -> str:
    """Say in words what an intent pays, from the very fields that are signed."""
    until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(intent.expires_at))
    tag = f" with tag {intent.tag}" if intent.tag else ""
    return (
        f"{intent.payout}: {_amount(intent.asset, intent.amount)} on {_network(intent.asset)} to {intent.destination}"
        f"{tag}, fee at most {_amount(intent.asset, intent.fee_ceiling)}, until {until}, at {intent.deployment}"
    )


def _amount(asset_id: str, base_units: int) -> str:
    try:
        return str(Amount(asset_by_id(asset_id), base_units))
    except UnknownAssetError:
        return f"{base_units} base units of {asset_id}"


def _network(asset_id: str) -> str:
    return chain_by_id(asset_id.partition("/")[0]).name


def _new_passphrase(descriptor: int | None) -> bytes:
    if descriptor is None:
        return secrets_input.from_prompt("passphrase of the new key", twice=True)
    return secrets_input.from_descriptor(descriptor, "passphrase")


def _passphrase(key: Path, descriptor: int | None) -> bytes | None:
    if not keys.is_encrypted(key):
        return None
    if descriptor is None:
        return secrets_input.from_prompt(f"passphrase of {key}")
    return secrets_input.from_descriptor(descriptor, "passphrase")


def _pins(args: argparse.Namespace) -> Pins | None:
    return None if args.pins is None else read_pins(Path(args.pins))


def _tell(finding: Finding) -> None:
    _line(json.dumps(asdict(finding)))
    sys.stdout.flush()


def _transport(args: argparse.Namespace) -> Transport:
    if args.api is None:
        message = "say where the API is: --api https://… or the environment's STRONGROOM_API"
        raise SettingsError(message)
    return Transport(args.api, _token(args).decode("latin-1"))


def _token(args: argparse.Namespace) -> bytes:
    if args.token_file is not None:
        return secrets_input.from_file(args.token_file, "API token")
    if args.token_fd is not None:
        return secrets_input.from_descriptor(args.token_fd, "API token")
    return secrets_input.from_prompt("API token")


def _read_signed(name: str) -> SignedIntent:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_INTENT_FILE_BYTES)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_INTENT_FILE_BYTES)
        body = json.loads(data.decode())
    except OSError as error:
        message = f"cannot read {name}: {error.strerror}"
        raise InvalidValueError(message) from None
    except (ValueError, RecursionError):
        message = f"{name} is not what `payout sign` printed"
        raise InvalidValueError(message) from None
    return signed_from_json(body)


def _print(value: object) -> None:
    _line(json.dumps(value, indent=2))


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _note(text: str) -> None:
    # What people read goes to stderr, so that stdout stays what programs read.
    sys.stderr.write(f"{text}\n")
