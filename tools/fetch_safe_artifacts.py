"""Take the audited Safe contracts out of their publisher's npm package into the artifacts that the platform ships.

The package is pinned by its SHA-512. Of each contract the creation code's CREATE2 address, as Safe's own singleton
factory makes it, is compared with the address at which that contract stands on the public chains, so that what we ship
is, byte for byte, what was audited and deployed. Needed only when the version changes; the artifacts are committed.

    python tools/fetch_safe_artifacts.py
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from build_contracts import ARTIFACTS
from Crypto.Hash import keccak
from fetch_anvil import machine_npm, npm_from_wheel, pack, verify
from private_apt import FetchError

PACKAGE = "@safe-global/safe-smart-account"
VERSION = "1.5.0"
INTEGRITY = "VIMWxoeY/kNuZVsQVvAeOFKcQS3eojCXg0ecGnesBSLn5ypYshmBhVEEU5XiurJJGTs/MrcoLTbTxhs9W9GvdQ=="
LICENSE = "LGPL-3.0-only"
TARGET = ARTIFACTS / "safe"
SINGLETON_FACTORY = "914d7Fec6aaC8cd542e72Bca78B30650d45643d7"  # of Safe, the same on every chain
# The address of each on the public chains, as Safe's own list of deployments (@safe-global/safe-deployments) has it.
# A proxy is never deployed alone: its code is part of the factory's.
CONTRACTS = {
    "Safe.sol/Safe": "Ff51A5898e281Db6DfC7855790607438dF2ca44b",
    "SafeL2.sol/SafeL2": "EdD160fEBBD92E350D4D398fb636302fccd67C7e",
    "proxies/SafeProxyFactory.sol/SafeProxyFactory": "14F2982D601c9458F93bd70B218933A6f8165e7b",
    "proxies/SafeProxy.sol/SafeProxy": None,
    "libraries/MultiSendCallOnly.sol/MultiSendCallOnly": "A83c336B20401Af773B6219BA5027174338D1836",
    "handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler": "3EfCBb83A4A7AfcB4F68D501E2c2203a38be77f4",
}


def main() -> int:
    """Write every artifact; 0 when all are what stands on the public chains."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        try:
            archive = pack(machine_npm() or npm_from_wheel(work / "node"), f"{PACKAGE}@{VERSION}", work / "packed")
            verify(archive, INTEGRITY)
            texts = artifacts(archive)
        except (FetchError, OSError) as error:
            sys.stderr.write(f"fetch-safe-artifacts: {error}\n")
            return 1
    TARGET.mkdir(parents=True, exist_ok=True)
    for contract, text in texts.items():
        (TARGET / f"{contract}.json").write_text(text, encoding="utf-8")
    return 0


def artifacts(archive: Path) -> dict[str, str]:
    """Read and check the contracts of the package; the text of each artifact by its contract's name."""
    texts = {}
    with tarfile.open(archive, "r:gz") as tarball:
        for path, address in CONTRACTS.items():
            place = f"build/artifacts/contracts/{path}.json"
            source = tarball.extractfile(f"package/{place}")
            built = json.loads(source.read()) if source else {}
            check(built, address)
            texts[built["contractName"]] = artifact(built, place)
    return texts


def check(built: dict[str, Any], address: str | None) -> None:
    """Refuse a contract whose code is not what stands at its public address."""
    code = bytes.fromhex(built["bytecode"][2:])
    made = _keccak(b"\xff" + bytes.fromhex(SINGLETON_FACTORY) + bytes(32) + _keccak(code))[12:].hex()
    if address is not None and made != address.lower():
        message = f"{built['contractName']} makes the address {made}, not {address}"
        raise FetchError(message)


def artifact(built: dict[str, Any], place: str) -> str:
    """Give the text of one artifact, of the same shape as those of our own contracts."""
    code = bytes.fromhex(built["bytecode"][2:])
    fields = {
        "name": built["contractName"],
        "source": f"{PACKAGE} {VERSION} {place}",
        "bytecode_sha256": hashlib.sha256(code).hexdigest(),
        "runtime_keccak256": "0x" + _keccak(bytes.fromhex(built["deployedBytecode"][2:])).hex(),
        "compiler": "solc 0.7.6",
        "license": LICENSE,
        "abi": built["abi"],
        "bytecode": built["bytecode"],
    }
    return json.dumps(fields, indent=1) + "\n"


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


if __name__ == "__main__":
    sys.exit(main())
