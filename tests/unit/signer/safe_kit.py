"""What the signer's tests of Safes build with: a policy, payments, and Safe transactions that can be bent at any byte.

Calldata is written by eth-abi and the bytes of a Safe transaction by hand here, so that a mistake of the product's
reader does not hide behind its own writer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_keys.datatypes import Signature
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from strongroom_core.assets import DEVNET, DEVNET_ETH
from strongroom_core.ids import PayoutId
from strongroom_core.intents import PaymentIntent, SignedIntent
from strongroom_core.messages import SafeSigned, SignSafeRequest
from strongroom_signer.enrolment import Caps, EnrolledMerchant, check_distinct
from strongroom_signer.policy import parse_policy
from tests.unit.signer.kit import (
    ALONE,
    DEPLOYMENT,
    EXPIRES,
    KEYS,
    MERCHANT,
    MERCHANT_KEY,
    OTHER_KEY,
    OTHER_MERCHANT,
    Bench,
    sign,
)
from tests.unit.signer.typed_data import typed_hash

CHAIN = DEVNET.id
NUMBER = 31337
COIN = DEVNET_ETH.id
ETHER = 10**18
UNITS = 10**6
DAY = 86_400
NEW_NONCES_PER_DAY = 100


def place(name: str) -> bytes:
    """An address that belongs to a name and that nobody has a key of."""
    return bytes(keccak(text=f"place {name}"))[-20:]


def text_of(address: bytes) -> str:
    return str(to_checksum_address(address))


def owner(name: str) -> bytes:
    return KEYS[name].owner_address(CHAIN)


@dataclass(frozen=True)
class House:
    """The contracts of a policy; an integration test puts those of a real chain here."""

    hot_safe: bytes = place("hot safe")
    cold_safe: bytes = place("cold safe")
    multisend: bytes = place("multisend")
    allowance: bytes = place("allowance")
    factory: bytes = place("factory")
    usdt: bytes = place("usdt")
    usdc: bytes = place("usdc")

    def asset(self, token: bytes) -> str:
        return f"{CHAIN}/erc20:0x{token.hex()}"

    @property
    def assets(self) -> dict[str, int]:
        """Every asset of the policy and its unit."""
        return {COIN: ETHER, self.asset(self.usdt): UNITS, self.asset(self.usdc): UNITS}


HOUSE = House()
USDT = HOUSE.asset(HOUSE.usdt)
USDC = HOUSE.asset(HOUSE.usdc)
SHOP = place("shop")
LISTED = place("listed")


_PLACES = ("hot_safe", "cold_safe", "multisend", "allowance", "factory")


def chain_table(house: House = HOUSE, **changes: Any) -> str:
    values: dict[str, Any] = {
        **{name: text_of(getattr(house, name)) for name in _PLACES},
        "hot_owners": [text_of(owner(name)) for name in ("A", "B", "R")],
        "cold_owners": [text_of(owner(name)) for name in ("C1", "C2", "C3")],
        "first_nonce": 0,
        "new_nonces_per_day": NEW_NONCES_PER_DAY,
        "nodes_min": 2,
        "view_seconds": 3_600,
    } | changes
    # TOML's strings, lists and integers, as they are needed here, are Python's with double quotes.
    lines = "".join(f"{name} = {value!r}\n".replace("'", '"') for name, value in values.items())
    return f'[chains."{CHAIN}"]\n{lines}'


def policy_text(house: House = HOUSE, assets: dict[str, int] | None = None, **changes: Any) -> bytes:
    """A policy in TOML with this one chain; every asset may be paid up to 5,000 whole units at once."""
    head = f'version = 1\ndeployment = "{DEPLOYMENT}"\n{ALONE}{chain_table(house, **changes)}'
    for asset, unit in (house.assets if assets is None else assets).items():
        head += f'[assets."{asset}"]\nper_payout = {5_000 * unit}\nper_window = {20_000 * unit}\n'
        head += f"window_seconds = {DAY}\npayout_fee = {unit // 1000}\ndraw_per_day = {6_000 * unit}\n"
    return head.encode()


def merchants(house: House = HOUSE) -> dict[str, EnrolledMerchant]:
    caps = {
        asset: Caps(asset, 4_000 * unit, 10_000 * unit, 8_000 * unit, (text_of(LISTED),))
        for asset, unit in house.assets.items()
    }
    return check_distinct(
        [
            EnrolledMerchant(MERCHANT, 2, bytes(MERCHANT_KEY.verify_key), caps),
            EnrolledMerchant(OTHER_MERCHANT, 3, bytes(OTHER_KEY.verify_key), caps),
        ]
    )


def safe_bench(folder: Path, name: str = "A", **changes: Any) -> Bench:
    text = policy_text(**changes)
    return Bench(folder, parse_policy(text), name, enrolment=merchants(), text=text)


def intent(**changes: Any) -> PaymentIntent:
    """A payment of 250 USDT to a shop."""
    values: dict[str, Any] = {
        "deployment": DEPLOYMENT,
        "merchant": MERCHANT,
        "payout": PayoutId.new(),
        "asset": USDT,
        "amount": 250 * UNITS,
        "destination": text_of(SHOP),
        "tag": "",
        "fee_ceiling": ETHER,
        "expires_at": EXPIRES,
    }
    return PaymentIntent(**(values | changes))


def call(signature: str, *values: object) -> bytes:
    """Calldata as eth-abi writes it: `call("transfer(address,uint256)", to, amount)`."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    return bytes(keccak(text=signature)[:4]) + encode([item for item in types if item], values)


@dataclass(frozen=True)
class Part:
    """A call inside a Safe transaction; ``operation`` is 0 unless a thief packs it."""

    to: bytes
    data: bytes = b""
    value: int = 0
    operation: int = 0

    def pack(self) -> bytes:
        head = bytes([self.operation]) + self.to + self.value.to_bytes(32, "big")
        return head + len(self.data).to_bytes(32, "big") + self.data


def transfer(token: bytes, to: bytes, amount: int) -> Part:
    return Part(token, call("transfer(address,uint256)", text_of(to), amount))


def draw(token: bytes, amount: int, house: House = HOUSE) -> Part:
    return Part(house.allowance, call("draw(address,uint256)", text_of(token), amount))


def send(to: bytes, amount: int) -> Part:
    return Part(to, b"", amount)


def pay(payment: PaymentIntent) -> Part:
    """The honest call of an intent."""
    to = bytes.fromhex(payment.destination[2:])
    if payment.asset == COIN:
        return send(to, payment.amount)
    return transfer(bytes.fromhex(payment.asset[-40:]), to, payment.amount)


@dataclass(frozen=True)
class SafeDraft:
    """A Safe transaction before it is bytes; ``fields`` bends any of them."""

    parts: tuple[Part, ...] = ()
    evidence: tuple[SignedIntent, ...] = ()
    nonce: int = 0
    house: House = HOUSE
    fields: dict[str, Any] = field(default_factory=dict)

    def but(self, **changes: Any) -> SafeDraft:
        return replace(self, **changes)

    def bent(self, **fields: Any) -> SafeDraft:
        return replace(self, fields={**self.fields, **fields})

    @property
    def values(self) -> dict[str, Any]:
        """The eleven fields in the order of the encoding."""
        if len(self.parts) == 1:
            outer = {"to": self.parts[0].to, "value": self.parts[0].value, "data": self.parts[0].data, "operation": 0}
        else:
            packed = b"".join(part.pack() for part in self.parts)
            data = call("multiSend(bytes)", packed)
            outer = {"to": self.house.multisend, "value": 0, "data": data, "operation": 1}
        gas = {"safe_tx_gas": 0, "base_gas": 0, "gas_price": 0, "gas_token": bytes(20), "refund_receiver": bytes(20)}
        return {"safe": self.house.hot_safe, "nonce": self.nonce} | outer | gas | self.fields

    def encode(self) -> bytes:
        return b"strongroom safe-tx v1\x00" + b"".join(_prefixed(value) for value in self.values.values())

    @property
    def hash(self) -> bytes:
        """The safeTxHash by eth-account."""
        return typed_hash(self.values, NUMBER)

    def request(self, request_id: str = "req", chain: str = CHAIN) -> SignSafeRequest:
        return SignSafeRequest(request_id, chain, self.encode(), self.evidence)


def _prefixed(value: bytes | int) -> bytes:
    raw = value if isinstance(value, bytes) else value.to_bytes((value.bit_length() + 7) // 8, "big")
    return len(raw).to_bytes(4, "big") + raw


def signed_by(answer: SafeSigned, digest: bytes) -> bytes:
    """The owner whose signature it is, by eth-keys."""
    assert answer.signature[64] in {27, 28}
    signature = Signature(answer.signature[:64] + bytes([answer.signature[64] - 27]))
    return bytes(signature.recover_public_key_from_msg_hash(digest).to_canonical_address())


def payout(*intents: PaymentIntent, nonce: int = 0, house: House = HOUSE, more: tuple[Part, ...] = ()) -> SafeDraft:
    """The honest draft: every intent paid to the base unit; ``more`` calls in front of them."""
    parts = (*more, *(pay(item) for item in intents))
    return SafeDraft(parts, tuple(sign(item) for item in intents), nonce, house)


def cancel(nonce: int = 0, house: House = HOUSE) -> SafeDraft:
    return SafeDraft((Part(house.hot_safe),), (), nonce, house)
