"""Makes ``forwarder_v1.json``: run this file after a change of the vectors.

A test compares the two, another asks a chain. The addresses are built here from the words of the formats alone,
without the product's code, so that the file judges it. A signer needs `forwarder_code` (the creation code of
contracts/Forwarder.vy) and these formulas, nothing else:

    implementation = create2(factory, salt = 32 zero bytes, init = forwarder_code ‖ 12 zero bytes ‖ treasury)
    salt           = keccak256(domain ‖ branch as 32 bytes ‖ index as 32 bytes)
    forwarder      = create2(factory, salt, init = clone_head ‖ implementation ‖ clone_tail)
    create2(deployer, salt, init) = last 20 bytes of keccak256(ff ‖ deployer ‖ salt ‖ keccak256(init))
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from Crypto.Hash import keccak as _keccak

FILE = Path(__file__).with_suffix(".json")
ARTIFACT = (
    Path(__file__).resolve().parents[2] / "packages/platform/src/strongroom/chains/ethereum/artifacts/Forwarder.json"
)
DOMAIN = b"strongroom forwarder v1" + bytes(9)
CLONE_HEAD = "3d603380600a3d3981f336600557005b363d3d373d3d3d363d73"
CLONE_TAIL = "5af43d82803e903d91603157fd5bf3"
FACTORY = "85b580750e11d7cccfcb8c6ad43276593d0f6593"
TREASURY = "c3ca308a068ac508b697d6e9355a98344ad2d4e7"
CASES = (
    ("the house's first address", FACTORY, TREASURY, 1, 0),
    ("the first merchant's first address", FACTORY, TREASURY, 2, 0),
    ("the first merchant's second address", FACTORY, TREASURY, 2, 1),
    ("the second merchant's first address", FACTORY, TREASURY, 3, 0),
    ("branch and index do not trade places", FACTORY, TREASURY, 1, 2),
    ("the largest index of a key set elsewhere", FACTORY, TREASURY, 2, 2**31 - 1),
    ("an index of more than 64 bits", FACTORY, TREASURY, 2, 2**64),
    ("the largest branch and index", FACTORY, TREASURY, 2**256 - 1, 2**256 - 1),
    ("another treasury, another address", FACTORY, "11" * 20, 2, 0),
    ("another factory, another address", "22" * 20, TREASURY, 2, 0),
    ("addresses with leading zero bytes", "00" * 19 + "01", "00" * 18 + "0203", 2, 0),
)


def keccak(data: bytes) -> bytes:
    """Give Keccak-256."""
    return _keccak.new(digest_bits=256, data=data).digest()


def create2(deployer: bytes, salt: bytes, init_code: bytes) -> bytes:
    """Give the address that CREATE2 makes (EIP-1014)."""
    return keccak(b"\xff" + deployer + salt + keccak(init_code))[12:]


def case(name: str, factory: str, treasury: str, branch: int, index: int, code: bytes) -> dict[str, str]:
    """Work one vector out."""
    deployer = bytes.fromhex(factory)
    implementation = create2(deployer, bytes(32), code + bytes(12) + bytes.fromhex(treasury))
    salt = keccak(DOMAIN + branch.to_bytes(32, "big") + index.to_bytes(32, "big"))
    clone = bytes.fromhex(CLONE_HEAD) + implementation + bytes.fromhex(CLONE_TAIL)
    return {
        "name": name,
        "factory": factory,
        "treasury": treasury,
        "branch": str(branch),
        "index": str(index),
        "implementation": implementation.hex(),
        "salt": salt.hex(),
        "forwarder": create2(deployer, salt, clone).hex(),
    }


def document() -> str:
    """Give the whole file."""
    code = bytes.fromhex(json.loads(ARTIFACT.read_text(encoding="utf-8"))["bytecode"][2:])
    content: dict[str, Any] = {
        "format": "strongroom forwarder v1",
        "note": "Bytes are lower-case hex, numbers decimal strings. The formulas are in forwarder_v1.py.",
        "domain": DOMAIN.hex(),
        "clone_head": CLONE_HEAD,
        "clone_tail": CLONE_TAIL,
        "forwarder_code": code.hex(),
        "cases": [case(*fields, code) for fields in CASES],
    }
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
