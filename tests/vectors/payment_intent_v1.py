"""Makes ``payment_intent_v1.json``: run this file after a change of the vectors; a test compares the two.

The bytes are built here from the words of the format alone, without strongroom_core, so that the file judges the code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

FILE = Path(__file__).with_suffix(".json")
DOMAIN_TAG = b"strongroom payment-intent v1\x00"
ORDER = ("deployment", "merchant", "payout", "asset", "amount", "destination", "tag", "fee_ceiling", "expires_at")
NUMBERS = frozenset({"amount", "fee_ceiling", "expires_at"})
REGTEST_BTC = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328/slip44:1"
BTC = "bip122:000000000019d6689c085ae165831e93/slip44:0"
LTC = "bip122:12a765e31ffd4059bada1e25190f6e98/slip44:2"
USDC = "eip155:1/erc20:0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"
MERCHANT = "mer_01jd0000000000000000000000"
PAYOUT = "pay_01jd0000000000000000000001"
WITNESS_SCRIPT_ADDRESS = "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"
UINT256_MAX = 2**256 - 1


@dataclasses.dataclass(frozen=True)
class Case:
    """One valid vector; amounts are decimal strings in the file, since JSON's numbers lose digits in many languages."""

    name: str
    deployment: str = "demo"
    merchant: str = MERCHANT
    payout: str = PAYOUT
    asset: str = REGTEST_BTC
    amount: int = 1_000_000
    destination: str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    tag: str = ""
    fee_ceiling: int = 5_000
    expires_at: int = 1_893_456_000


VALID = (
    Case("a plain payment of 0.01 BTC on regtest"),
    Case("the smallest amount", amount=1),
    Case("one byte, all bits set", amount=255),
    Case("two bytes, the lower zero", amount=256),
    Case("top bit set: numbers are unsigned", amount=128),
    Case("all 21 million BTC", asset=BTC, amount=21_000_000 * 10**8, destination=WITNESS_SCRIPT_ADDRESS),
    Case("the largest amount, 2**256 - 1", amount=UINT256_MAX),
    Case("the largest fee ceiling", fee_ceiling=UINT256_MAX),
    Case("no fee allowed: zero is the empty string", fee_ceiling=0),
    Case("the earliest expiry", expires_at=1),
    Case("the latest expiry", expires_at=2**32 - 1),
    Case("a legacy address of Litecoin", asset=LTC, destination="LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9"),
    Case("a token with 6 decimals", asset=USDC, destination="0x52908400098527886E0F7030069857D2E4169EE7"),
    Case("a destination tag", tag="104398523"),
    Case("the longest tag", tag="t" * 64),
    Case("the longest deployment", deployment="d" * 64),
    Case("the longest destination", destination="a" * 128),
    Case("punctuation at both ends of printable ASCII", deployment="!~", tag="!~"),
    Case("every printable ASCII character", destination="".join(map(chr, range(0x21, 0x7F)))),
    Case("a byte moved from destination to tag: other bytes, other hash", destination="ab", tag="c"),
    Case("the same bytes, cut elsewhere", destination="a", tag="bc"),
    Case("the lowest ids", merchant="mer_" + "0" * 26, payout="pay_" + "0" * 26),
    Case("the highest ids", merchant="mer_7" + "z" * 25, payout="pay_7" + "z" * 25),
    Case("another payout, all else equal", payout="pay_01jd0000000000000000000002"),
)


def number(value: int) -> bytes:
    """Unsigned, big-endian, no leading zero byte, zero is empty."""
    digits = f"{value:x}" if value else ""
    return bytes.fromhex(digits.rjust(len(digits) + len(digits) % 2, "0"))


def pieces(case: Case) -> list[bytes]:
    """The nine fields as bytes, without their lengths."""
    return [number(getattr(case, name)) if name in NUMBERS else getattr(case, name).encode("ascii") for name in ORDER]


def join(fields: list[bytes], tag: bytes = DOMAIN_TAG) -> bytes:
    """The domain tag, and each field behind its length."""
    return tag + b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def replaced(**fields: bytes) -> bytes:
    """The first vector with some fields' bytes exchanged."""
    return join([fields.get(name, piece) for name, piece in zip(ORDER, pieces(VALID[0]), strict=True)])


def invalid() -> list[tuple[str, bytes]]:
    """Bytes that a reader must refuse, and why."""
    good = join(pieces(VALID[0]))
    fields = pieces(VALID[0])
    return [
        ("empty", b""),
        ("the domain tag alone", DOMAIN_TAG),
        ("the domain tag of another version", join(fields, b"strongroom payment-intent v2\x00")),
        ("the domain tag without its zero byte", join(fields, DOMAIN_TAG[:-1])),
        ("no domain tag", join(fields, b"")),
        ("capitals in the domain tag", join(fields, b"Strongroom payment-intent v1\x00")),
        ("the last byte missing", good[:-1]),
        ("the last field missing", join(fields[:-1])),
        ("a tenth field, empty", join([*fields, b""])),
        ("a byte behind the end", good + b"\x00"),
        ("cut within a length", good[: len(DOMAIN_TAG) + 2]),
        ("a length beyond the end", DOMAIN_TAG + b"\xff\xff\xff\xff" + good[len(DOMAIN_TAG) + 4 :]),
        ("amount with a leading zero byte", replaced(amount=b"\x00" + number(1_000_000))),
        ("amount zero", replaced(amount=b"")),
        ("amount zero as a byte", replaced(amount=b"\x00")),
        ("amount 2**256", replaced(amount=number(2**256))),
        ("fee ceiling zero as a byte", replaced(fee_ceiling=b"\x00")),
        ("fee ceiling 2**256", replaced(fee_ceiling=number(2**256))),
        ("expiry zero", replaced(expires_at=b"")),
        ("expiry 2**32", replaced(expires_at=number(2**32))),
        ("expiry with a leading zero byte", replaced(expires_at=b"\x00\x01")),
        ("deployment empty", replaced(deployment=b"")),
        ("deployment of 65 bytes", replaced(deployment=b"d" * 65)),
        ("deployment with a blank", replaced(deployment=b"my shop")),
        ("asset empty", replaced(asset=b"")),
        ("asset of 201 bytes", replaced(asset=b"a" * 201)),
        ("destination empty", replaced(destination=b"")),
        ("destination of 129 bytes", replaced(destination=b"a" * 129)),
        ("destination with a line end", replaced(destination=b"bcrt1q\n")),
        ("destination with a zero byte", replaced(destination=b"bcrt1q\x00")),
        ("destination with DEL", replaced(destination=b"bcrt1q\x7f")),
        ("destination in UTF-8, not ASCII", replaced(destination="bcrt1qé".encode())),
        ("destination in Latin-1, not ASCII", replaced(destination=b"bcrt1q\xe9")),
        ("tag of 65 bytes", replaced(tag=b"t" * 65)),
        ("tag with a tabulator", replaced(tag=b"1\t2")),
        ("merchant of another kind", replaced(merchant=PAYOUT.encode())),
        ("merchant without its prefix", replaced(merchant=MERCHANT[4:].encode())),
        ("merchant in capitals", replaced(merchant=MERCHANT.upper().encode())),
        ("merchant of 25 digits", replaced(merchant=MERCHANT[:-1].encode())),
        ("merchant beyond 128 bits", replaced(merchant=b"mer_8" + b"0" * 25)),
        ("payout of another kind", replaced(payout=MERCHANT.encode())),
        ("payout with a letter that ids do not have", replaced(payout=PAYOUT.encode()[:-1] + b"u")),
        ("payout empty", replaced(payout=b"")),
        ("merchant and payout exchanged", replaced(merchant=PAYOUT.encode(), payout=MERCHANT.encode())),
        ("more than 2048 bytes", join([b"d" * 2048, *fields[1:]])),
    ]


def valid_entry(case: Case) -> dict[str, Any]:
    """One case as it stands in the file."""
    encoded = join(pieces(case))
    key = SigningKey(hashlib.sha256(f"strongroom test vector: {case.name}".encode()).digest())
    return {
        "name": case.name,
        "fields": {name: str(value) if name in NUMBERS else value for name, value in fields_of(case).items()},
        "encoded": encoded.hex(),
        "hash": hashlib.sha256(encoded).hexdigest(),
        "ed25519_seed": bytes(key).hex(),
        "ed25519_public_key": bytes(key.verify_key).hex(),
        "ed25519_signature": key.sign(encoded).signature.hex(),
    }


def fields_of(case: Case) -> dict[str, Any]:
    """The nine fields of a case."""
    return {name: getattr(case, name) for name in ORDER}


def document() -> str:
    """The whole file."""
    body = {
        "format": "strongroom payment-intent v1",
        "note": "The seeds are for tests only. Numbers are decimal strings, bytes lower-case hex.",
        "valid": [valid_entry(case) for case in VALID],
        "invalid": [{"name": name, "encoded": data.hex()} for name, data in invalid()],
    }
    return json.dumps(body, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
