"""Writes safe_tx_v1.json: run `python -m tests.vectors.safe_tx_v1` in the checkout; the file must come out as it is.

The bytes are written by the tests' own writer, the hashes by eth-account; the signatures are the signer's, and
tests/unit/core/test_evm.py compares them with those of eth-keys.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.signer.kit import KEYS
from tests.unit.signer.safe_kit import CHAIN, COIN, ETHER, HOUSE, UNITS, cancel, draw, intent, payout
from tests.unit.signer.typed_data import typed_hash

ABOUT = (
    "Safe transactions: canonical bytes (strongroom_core.evm), the EIP-712 hash as eth-account computes it, and the "
    "signature (RFC 6979, low S) of the owner whose private key is given."
)
BATCH = (intent(), intent(asset=COIN, amount=2 * ETHER))
DRAFTS = {
    "a batch: a draw, a token transfer, coin": (payout(*BATCH, nonce=7, more=(draw(HOUSE.usdt, 500 * UNITS),)), 31337),
    "a single transfer": (payout(intent()), 1),
    "a cancellation": (cancel(2**40), 56),
}


def build() -> dict[str, object]:
    """Give the vectors."""
    key = KEYS["A"].owner(CHAIN)
    vectors = []
    for name, (draft, number) in DRAFTS.items():
        digest = typed_hash(draft.values, number)
        fields = {name: value.hex() if isinstance(value, bytes) else str(value) for name, value in draft.values.items()}
        vectors.append(
            {
                "name": name,
                "chain_number": number,
                "fields": fields,
                "encoded": draft.encode().hex(),
                "safe_tx_hash": digest.hex(),
                "owner": KEYS["A"].public_text(CHAIN),
                "signature": key.sign_recoverable(digest).hex(),
            }
        )
    return {"about": ABOUT, "private_key": key._node.key.secret.hex(), "vectors": vectors}


if __name__ == "__main__":
    text = json.dumps(build(), indent=1) + "\n"
    Path(__file__).with_suffix(".json").write_text(text, encoding="ascii")
