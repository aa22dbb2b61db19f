"""From a draft to a PSBT (BIP 174, version 0) and from two signed PSBTs to a chain tx, by libwally.

Deterministic: outputs and inputs stand in the order of BIP 69, so that one plan always makes
the same bytes.
Everything that a signer needs to believe nobody is inside: full previous txs, witness scripts, and for every input and
every output of our own the key paths with their origins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import wallycore as wally

from strongroom.infra.settings import ChainSettings
from strongroom.outbound.errors import DraftInvalidError, SignerAnswerError
from strongroom.outbound.model import Draft, OwnOutput, SpentCoin
from strongroom.wallets import service as wallets
from strongroom.wallets.model import KeyOrigin, KeySetKind

TX_VERSION: Final = 2
# Signals that it may be replaced (BIP 125), and sets no relative lock (BIP 68).
SEQUENCE: Final = 0xFFFFFFFD
_TXID_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Built:
    """A PSBT, the txid that its chain tx has, signed or not (BIP 141), and the output number of each payment."""

    psbt: bytes
    txid: str
    payment_vouts: tuple[int, ...]


def build(settings: ChainSettings, draft: Draft, previous: Mapping[str, bytes]) -> Built:
    """Build the PSBT of a draft; ``previous`` holds the raw bytes of every previous chain tx by txid.

    Raises ``DraftInvalidError`` where a coin is not what the draft says, or the sums do not add up.
    """
    if draft.fee < 0 or not draft.coins:
        message = "the planned chain tx pays out more than it spends"
        raise DraftInvalidError(message)
    coins = sorted(draft.coins, key=lambda coin: (coin.txid, coin.vout))
    outputs = _ordered_outputs(draft)
    tx = _unsigned(coins, [(output.script, output.amount) for output in outputs])
    psbt = wally.psbt_from_tx(tx, 0, 0)
    for position, coin in enumerate(coins):
        _fill_input(psbt, position, settings, coin, previous)
    for position, output in enumerate(outputs):
        if output.own is not None:
            _fill_output(psbt, position, settings, output.own)
    vouts = {output.payment: vout for vout, output in enumerate(outputs)}
    payment_vouts = tuple(vouts[number] for number in range(len(draft.payments)))
    return Built(bytes(wally.psbt_to_bytes(psbt, 0)), _txid_text(wally.tx_get_txid(tx)), payment_vouts)


def combine(psbt: bytes, signed: Sequence[bytes]) -> bytes:
    """Join the signers' signatures and give the raw chain tx. Raises ``SignerAnswerError``."""
    try:
        whole = wally.psbt_from_bytes(psbt, 0)
        unsigned = wally.tx_get_txid(wally.psbt_get_global_tx(whole))
        for part in signed:
            wally.psbt_combine(whole, wally.psbt_from_bytes(part, 0))
        wally.psbt_finalize(whole, 0)
        tx = wally.psbt_extract(whole, 0)
    except ValueError:
        message = "the signers' answers do not complete the chain tx that they were asked to sign"
        raise SignerAnswerError(message) from None
    if bytes(wally.tx_get_txid(tx)) != bytes(unsigned):
        message = "the signers' answers are about another chain tx"
        raise SignerAnswerError(message)
    return bytes(wally.tx_to_bytes(tx, wally.WALLY_TX_FLAG_USE_WITNESS))


def check_signed(psbt: bytes, signed: bytes) -> None:
    """Refuse an answer that is not the same chain tx with a signature on every input. Raises ``SignerAnswerError``."""
    try:
        asked, answered = wally.psbt_from_bytes(psbt, 0), wally.psbt_from_bytes(signed, 0)
        same = bytes(wally.psbt_get_id(asked, 0)) == bytes(wally.psbt_get_id(answered, 0))
        signatures = [wally.psbt_get_input_signatures_size(answered, at) for at in range(_inputs(answered))]
    except ValueError:
        same, signatures = False, [0]
    if not same or not all(signatures):
        message = "the answer is not the chain tx that was asked about, with a signature on every input"
        raise SignerAnswerError(message)


def outputs_of(raw: bytes) -> list[tuple[bytes, int]]:
    """Read script and amount of every output of a raw chain tx. Raises ``DraftInvalidError``."""
    tx = _parse(raw)
    return [
        (bytes(wally.tx_get_output_script(tx, vout)), int(wally.tx_get_output_satoshi(tx, vout)))
        for vout in range(wally.tx_get_num_outputs(tx))
    ]


def spent_by(raw: bytes) -> list[tuple[str, int]]:
    """Read the outpoints (txid, vout) that a raw chain tx spends. Raises ``DraftInvalidError``."""
    tx = _parse(raw)
    return [
        (_txid_text(wally.tx_get_input_txhash(tx, position)), int(wally.tx_get_input_index(tx, position)))
        for position in range(wally.tx_get_num_inputs(tx))
    ]


def pay_to_witness_script(script: bytes) -> bytes:
    """Give the P2WSH output script (BIP 141, version 0)."""
    return bytes(wally.witness_program_from_bytes(script, wally.WALLY_SCRIPT_SHA256))


@dataclass(frozen=True, slots=True)
class _Output:
    """One output: a payment by its number in the draft, or one of our own."""

    script: bytes
    amount: int
    payment: int | None = None
    own: OwnOutput | None = None


def _ordered_outputs(draft: Draft) -> list[_Output]:
    paid = [_Output(item.script, item.amount, payment=number) for number, item in enumerate(draft.payments)]
    own = [_Output(item.script, item.amount, own=item) for item in draft.own_outputs]
    # The sort is stable and payments come in the order of the draft: equal outputs do not change places between builds.
    return sorted(paid + own, key=lambda output: (output.amount, output.script))


def _unsigned(coins: Sequence[SpentCoin], outputs: Sequence[tuple[bytes, int]]) -> Any:
    tx = wally.tx_init(TX_VERSION, 0, len(coins), len(outputs))
    for coin in coins:
        wally.tx_add_raw_input(tx, _txid_bytes(coin.txid), coin.vout, SEQUENCE, None, None, 0)
    for script, amount in outputs:
        wally.tx_add_raw_output(tx, amount, script, 0)
    return tx


def _fill_input(
    psbt: Any, position: int, settings: ChainSettings, coin: SpentCoin, previous: Mapping[str, bytes]
) -> None:
    script = wallets.witness_script(settings, KeySetKind.HOT, coin.branch, coin.index)
    source = _previous(coin, previous, pay_to_witness_script(script))
    wally.psbt_set_input_utxo(psbt, position, source)
    output = wally.tx_output_init(coin.amount, pay_to_witness_script(script))
    wally.psbt_set_input_witness_utxo(psbt, position, output)
    wally.psbt_set_input_witness_script(psbt, position, script)
    wally.psbt_set_input_sighash(psbt, position, wally.WALLY_SIGHASH_ALL)
    wally.psbt_set_input_keypaths(
        psbt, position, _keypaths(wallets.key_origins(settings, KeySetKind.HOT, coin.branch, coin.index))
    )


def _fill_output(psbt: Any, position: int, settings: ChainSettings, own: OwnOutput) -> None:
    kind = KeySetKind(own.key_set)
    script = wallets.witness_script(settings, kind, own.branch, own.index)
    if pay_to_witness_script(script) != own.script:
        message = f"the {own.key_set} output at {own.branch}/{own.index} is not the script of its place"
        raise DraftInvalidError(message)
    wally.psbt_set_output_witness_script(psbt, position, script)
    wally.psbt_set_output_keypaths(
        psbt, position, _keypaths(wallets.key_origins(settings, kind, own.branch, own.index))
    )


def _keypaths(places: Sequence[KeyOrigin]) -> Any:
    paths = wally.map_keypath_public_key_init(len(places))
    for place in places:
        wally.map_keypath_add(paths, place.public_key, place.fingerprint, list(place.path))
    return paths


def _previous(coin: SpentCoin, previous: Mapping[str, bytes], script: bytes) -> Any:
    raw = previous.get(coin.txid)
    if raw is None:
        message = f"the previous chain tx {coin.txid} is not at hand"
        raise DraftInvalidError(message)
    source = _parse(raw)
    known = _txid_text(wally.tx_get_txid(source)) == coin.txid and coin.vout < wally.tx_get_num_outputs(source)
    if not known or (script, coin.amount) != outputs_of(raw)[coin.vout]:
        message = f"{coin.txid}:{coin.vout} is not the coin that the plan takes it for"
        raise DraftInvalidError(message)
    return source


def _parse(raw: bytes) -> Any:
    try:
        return wally.tx_from_bytes(raw, wally.WALLY_TX_FLAG_USE_WITNESS)
    except ValueError:
        message = "these bytes are no chain tx"
        raise DraftInvalidError(message) from None


def _inputs(psbt: Any) -> int:
    return int(wally.psbt_get_num_inputs(psbt))


def _txid_text(data: bytes) -> str:
    return bytes(data)[::-1].hex()


def _txid_bytes(txid: str) -> bytes:
    data = bytes.fromhex(txid)[::-1]
    if len(data) != _TXID_BYTES:
        message = f"{txid!r} is no txid"
        raise DraftInvalidError(message)
    return data
