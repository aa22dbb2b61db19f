"""Makes ``conversion_order_v1.json``: run this file after a change of the vectors; a test compares the two.

The bytes are built here from the words of the formats alone, without strongroom_core, so that the file judges the code.
It holds the conversion order (``strongroom_core.orders``) and a signer's word for an address (``attestations``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

FILE = Path(__file__).with_suffix(".json")
ORDER_TAG = b"strongroom conversion-order v1\x00"
ADDRESS_TAG = b"strongroom address v1\x00"
BTC = "bip122:000000000019d6689c085ae165831e93/slip44:0"
USDC = "eip155:1/erc20:0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"
MERCHANT = "mer_01jd0000000000000000000000"
ORDER = "ord_01jd0000000000000000000001"
UINT256_MAX = 2**256 - 1


@dataclasses.dataclass(frozen=True)
class Case:
    """One valid order; numbers are decimal strings in the file, since JSON's lose digits in many languages."""

    name: str
    deployment: str = "demo"
    merchant: str = MERCHANT
    order: str = ORDER
    sell_asset: str = BTC
    sell_amount: int = 50_000_000
    buy_asset: str = USDC
    buy_amount: int = 50_000_000_000
    expires_at: int = 1_893_456_000


VALID = (
    Case("half a BTC for 50,000 USDC"),
    Case("the other way round", sell_asset=USDC, sell_amount=50_000_000_000, buy_asset=BTC, buy_amount=50_000_000),
    Case("the smallest amounts", sell_amount=1, buy_amount=1),
    Case("top bit set: numbers are unsigned", sell_amount=128, buy_amount=2**63),
    Case("two bytes, the lower zero", sell_amount=256),
    Case("the largest amounts, 2**256 - 1", sell_amount=UINT256_MAX, buy_amount=UINT256_MAX),
    Case("the earliest expiry", expires_at=1),
    Case("the latest expiry", expires_at=2**32 - 1),
    Case("the longest deployment", deployment="d" * 64),
    Case("the longest assets", sell_asset="a" * 200, buy_asset="b" * 200),
    Case("a byte moved between the assets: other bytes, other hash", sell_asset="ab", buy_asset="c"),
    Case("the same bytes, cut elsewhere", sell_asset="a", buy_asset="bc"),
    Case("the highest ids", merchant="mer_7" + "z" * 25, order="ord_7" + "z" * 25),
)
ADDRESSES = (
    (
        "demo",
        "bip122:0f9188f13cb7b2c71f2a335e3a4fc328",
        MERCHANT,
        "cold",
        0,
        "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    ),
    (
        "demo",
        "bip122:0f9188f13cb7b2c71f2a335e3a4fc328",
        MERCHANT,
        "hot",
        256,
        "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
    ),
    ("demo", "eip155:1", MERCHANT, "forwarder", 2**31 - 1, "0x52908400098527886E0F7030069857D2E4169EE7"),
)


def field(value: str | int) -> bytes:
    """Text as ASCII; a number unsigned, big-endian, no leading zero byte, zero is empty."""
    if isinstance(value, str):
        return value.encode("ascii")
    digits = f"{value:x}" if value else ""
    return bytes.fromhex(digits.rjust(len(digits) + len(digits) % 2, "0"))


def join(fields: list[bytes], tag: bytes = ORDER_TAG) -> bytes:
    """The domain tag, and each field behind its length."""
    return tag + b"".join(len(item).to_bytes(4, "big") + item for item in fields)


def pieces(case: Case) -> list[bytes]:
    """The eight fields as bytes, without their lengths."""
    return [field(value) for value in list(dataclasses.asdict(case).values())[1:]]


def replaced(**fields: bytes) -> bytes:
    """The first vector with some fields' bytes exchanged."""
    names = [item.name for item in dataclasses.fields(Case)][1:]
    return join([fields.get(name, piece) for name, piece in zip(names, pieces(VALID[0]), strict=True)])


def invalid() -> list[tuple[str, bytes]]:
    """Bytes that a reader must refuse, and why."""
    good, fields = join(pieces(VALID[0])), pieces(VALID[0])
    return [
        ("empty", b""),
        ("the domain tag alone", ORDER_TAG),
        ("the domain tag of a payment intent", join(fields, b"strongroom payment-intent v1\x00")),
        ("the domain tag of another version", join(fields, b"strongroom conversion-order v2\x00")),
        ("the last byte missing", good[:-1]),
        ("the last field missing", join(fields[:-1])),
        ("a ninth field, empty", join([*fields, b""])),
        ("a byte behind the end", good + b"\x00"),
        ("cut within a length", good[: len(ORDER_TAG) + 2]),
        ("a length beyond the end", ORDER_TAG + b"\xff\xff\xff\xff" + good[len(ORDER_TAG) + 4 :]),
        ("sell amount zero", replaced(sell_amount=b"")),
        ("sell amount with a leading zero byte", replaced(sell_amount=b"\x00\x01")),
        ("buy amount zero as a byte", replaced(buy_amount=b"\x00")),
        ("buy amount 2**256", replaced(buy_amount=field(2**256))),
        ("expiry zero", replaced(expires_at=b"")),
        ("expiry 2**32", replaced(expires_at=field(2**32))),
        ("deployment empty", replaced(deployment=b"")),
        ("deployment with a blank", replaced(deployment=b"my shop")),
        ("asset of 201 bytes", replaced(buy_asset=b"a" * 201)),
        ("an asset into itself", replaced(buy_asset=BTC.encode())),
        ("asset in UTF-8, not ASCII", replaced(sell_asset="é".encode())),
        ("merchant of another kind", replaced(merchant=ORDER.encode())),
        ("order of another kind", replaced(order=MERCHANT.encode())),
        ("order in capitals", replaced(order=ORDER.upper().encode())),
        ("more than 2048 bytes", join([b"d" * 2048, *fields[1:]])),
    ]


def valid_entry(case: Case) -> dict[str, Any]:
    """One case as it stands in the file."""
    encoded = join(pieces(case))
    key = SigningKey(hashlib.sha256(f"strongroom test vector: {case.name}".encode()).digest())
    fields = {name: str(value) for name, value in dataclasses.asdict(case).items() if name != "name"}
    return {
        "name": case.name,
        "fields": fields,
        "encoded": encoded.hex(),
        "hash": hashlib.sha256(encoded).hexdigest(),
        "ed25519_seed": bytes(key).hex(),
        "ed25519_public_key": bytes(key.verify_key).hex(),
        "ed25519_signature": key.sign(encoded).signature.hex(),
    }


def address_entry(values: tuple[str | int, ...]) -> dict[str, Any]:
    """One word for an address as it stands in the file."""
    names = ("deployment", "chain", "merchant", "key_set", "index", "address")
    encoded = join([field(value) for value in values], ADDRESS_TAG)
    return {"fields": dict(zip(names, map(str, values), strict=True)), "encoded": encoded.hex()}


def document() -> str:
    """The whole file."""
    body = {
        "format": "strongroom conversion-order v1, strongroom address v1",
        "note": "The seeds are for tests only. Numbers are decimal strings, bytes lower-case hex.",
        "valid": [valid_entry(case) for case in VALID],
        "invalid": [{"name": name, "encoded": data.hex()} for name, data in invalid()],
        "addresses": [address_entry(values) for values in ADDRESSES],
    }
    return json.dumps(body, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
