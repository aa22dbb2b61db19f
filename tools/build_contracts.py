"""Compile contracts/ into the artifacts that the platform ships, or say whether those are what the sources give.

An artifact is JSON of the ABI, the creation code and what it was made from; the signer ships the forwarder's code
alone. They are committed, so that nothing but the tests needs a compiler; tests/integration/contracts/test_rebuild.py
compiles again and compares byte for byte.

    python tools/build_contracts.py          write them
    python tools/build_contracts.py --check  write nothing; 1 where one differs
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import warnings
from pathlib import Path

import vyper
from vyper.compiler import compile_code

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = CHECKOUT / "contracts"
# Whoever sits beside the keys needs this one contract's code alone, to compute deposit addresses from.
SIGNERS_CODE = CHECKOUT / "packages" / "signer" / "src" / "strongroom_signer" / "forwarder_code.hex"
ARTIFACTS = CHECKOUT / "packages" / "platform" / "src" / "strongroom" / "chains" / "ethereum" / "artifacts"
LICENSE = "Apache-2.0"


def main() -> int:
    """Write or check every artifact; 0 when all are as the sources say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    arguments = parser.parse_args()
    built = build()
    if not arguments.check:
        for path, text in built.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    different = differing(built)
    for path in different:
        sys.stderr.write(f"{path.relative_to(CHECKOUT)} is not what its source gives: run {Path(__file__).name}\n")
    return 1 if different else 0


def build() -> dict[Path, str]:
    """Compile every contract; the artifact's place and its text. The corpus for tests goes into a folder of its own."""
    texts = {}
    for source in sorted(SOURCES.rglob("*.vy")):
        folder = ARTIFACTS / source.relative_to(SOURCES).parent
        texts[folder / f"{source.stem}.json"] = artifact(source)
    forwarder = json.loads(texts[ARTIFACTS / "Forwarder.json"])
    texts[SIGNERS_CODE] = forwarder["bytecode"].removeprefix("0x") + "\n"
    return texts


def differing(built: dict[Path, str]) -> list[Path]:
    """List the artifacts that are missing or differ by any byte."""
    return [path for path, text in built.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def artifact(source: Path) -> str:
    """Compile one contract into the JSON text of its artifact: of the same source the same bytes, on every machine."""
    text = source.read_text(encoding="utf-8")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*selfdestruct.* is deprecated")
        compiled = compile_code(
            text,
            contract_path=source.relative_to(CHECKOUT),
            output_formats=["abi", "bytecode"],
            no_bytecode_metadata=True,
        )
    return (
        json.dumps(
            {
                "name": source.stem,
                "source": str(source.relative_to(CHECKOUT)),
                "source_sha256": hashlib.sha256(text.encode()).hexdigest(),
                "compiler": f"vyper {vyper.__version__}",
                "license": LICENSE,
                "abi": compiled["abi"],
                "bytecode": compiled["bytecode"],
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
