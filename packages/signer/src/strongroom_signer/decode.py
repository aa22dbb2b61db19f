"""From a PSBT to what it really is: every input ours by its own previous chain tx, every output found or foreign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom_core.refusals import RefusalTag
from strongroom_signer.errors import RefusedError
from strongroom_signer.keyset import HOT, Place
from strongroom_signer.model import DecodedTx, Output, OwnInput
from strongroom_signer.psbt import (
    INPUT_DERIVATION,
    NON_WITNESS_UTXO,
    OUTPUT_DERIVATION,
    SIGHASH_TYPE,
    WITNESS_SCRIPT,
    WITNESS_UTXO,
    ChainTx,
    claims,
    parse_psbt,
    read_output,
)

if TYPE_CHECKING:
    from strongroom_signer.policy import ChainPolicy
    from strongroom_signer.psbt import Map, Psbt, TxInput, TxOutput

SIGHASH_ALL: Final = 1
TX_VERSION: Final = 2
# Below this a sequence can set a relative lock (BIP 68); 0xfffffffd signals replacement (BIP 125).
MIN_SEQUENCE: Final = 0xFFFFFFFD
# The most that nodes relay (MAX_STANDARD_TX_WEIGHT); a heavier tx would bind intents to something that cannot confirm.
MAX_WEIGHT: Final = 400_000
# A 2-of-3 witness: 4 items, the empty one, two signatures of at most 72 bytes, a script of 105; each with its length.
INPUT_WITNESS_WEIGHT: Final = 1 + 1 + 2 * (1 + 72) + (1 + 105)
SEGWIT_MARKER_WEIGHT: Final = 2


def decode(data: bytes, chain: ChainPolicy) -> tuple[Psbt, DecodedTx]:
    """Read a PSBT with our own eyes. Raises ``RefusedError``: tx-malformed, sighash, input-…, previous-tx-…."""
    psbt = parse_psbt(data)
    _check_form(psbt.tx)
    weight = _weight(psbt.tx)
    if weight > MAX_WEIGHT:
        raise RefusedError(RefusalTag.TX_MALFORMED, f"the chain tx weighs {weight}; nodes relay at most {MAX_WEIGHT}")
    inputs = _inputs(psbt, chain)
    outputs = tuple(_output(*pair, chain) for pair in zip(psbt.tx.outputs, psbt.outputs, strict=True))
    fee = sum(item.amount for item in inputs) - sum(item.amount for item in outputs)
    if fee < 0:
        raise RefusedError(RefusalTag.TX_MALFORMED, "the outputs are worth more than the inputs")
    return psbt, DecodedTx(psbt.tx.txid, inputs, outputs, fee, weight)


def _check_form(tx: ChainTx) -> None:
    if not tx.inputs or not tx.outputs:
        raise RefusedError(RefusalTag.TX_MALFORMED, "a chain tx has at least one input and one output")
    if not all(item.bare for item in tx.inputs):
        raise RefusedError(RefusalTag.TX_MALFORMED, "the unsigned transaction holds signatures")
    if tx.version != TX_VERSION:
        raise RefusedError(RefusalTag.TX_MALFORMED, f"a chain tx of ours has version {TX_VERSION}")
    if tx.locktime or any(item.sequence < MIN_SEQUENCE for item in tx.inputs):
        # A locked tx would be a cheque in somebody's drawer: signed and counted now, valid after its intents expired.
        raise RefusedError(
            RefusalTag.TX_MALFORMED, "a chain tx of ours can confirm at once: no locktime, no relative lock"
        )
    if len({item.coin for item in tx.inputs}) != len(tx.inputs):
        raise RefusedError(RefusalTag.INPUT_REPEATED, "one coin is spent twice in one chain tx")


def _inputs(psbt: Psbt, chain: ChainPolicy) -> tuple[OwnInput, ...]:
    seen: dict[bytes, ChainTx] = {}
    return tuple(_input(*pair, chain, seen) for pair in zip(psbt.tx.inputs, psbt.inputs, strict=True))


def _input(spent: TxInput, fields: Map, chain: ChainPolicy, seen: dict[bytes, ChainTx]) -> OwnInput:
    sighash = fields.get(SIGHASH_TYPE)
    if sighash is not None and sighash != SIGHASH_ALL.to_bytes(4, "little"):
        raise RefusedError(RefusalTag.SIGHASH, "only SIGHASH_ALL is signed")
    coin = _previous_output(spent, fields, seen)
    if not 0 <= coin.amount <= chain.parameters.max_money:
        raise RefusedError(RefusalTag.TX_MALFORMED, "an input is worth more than there is")
    place = next(
        (
            (branch, index)
            for branch, index in claims(fields, INPUT_DERIVATION)
            if chain.hot.script(branch, index) == coin.script
        ),
        None,
    )
    if place is None:
        reason = f"{spent.txid}:{spent.index} is no coin of the hot key set at the place that the PSBT claims"
        raise RefusedError(RefusalTag.INPUT_FOREIGN, reason)
    script = chain.hot.witness_script(*place)
    if fields.get(WITNESS_SCRIPT, script) != script:
        raise RefusedError(RefusalTag.INPUT_FOREIGN, "the PSBT names another witness script than ours")
    return OwnInput(spent.coin, coin.amount, Place(HOT, *place), script)


def _previous_output(spent: TxInput, fields: Map, seen: dict[bytes, ChainTx]) -> TxOutput:
    raw = fields.get(NON_WITNESS_UTXO)
    if raw is None:
        raise RefusedError(RefusalTag.PREVIOUS_TX_MISSING, f"the full previous tx {spent.txid} is missing")
    previous = seen.get(raw) or seen.setdefault(raw, ChainTx(raw))
    if previous.txid != spent.txid or spent.index >= len(previous.outputs):
        raise RefusedError(RefusalTag.PREVIOUS_TX_MISMATCH, f"the previous tx in the PSBT is not {spent.txid}")
    coin = previous.outputs[spent.index]
    claimed = fields.get(WITNESS_UTXO)
    if claimed is not None and read_output(claimed) != coin:
        raise RefusedError(
            RefusalTag.PREVIOUS_TX_MISMATCH, "the PSBT names another amount or script than the previous tx"
        )
    return coin


def _output(paid: TxOutput, fields: Map, chain: ChainPolicy) -> Output:
    if paid.amount > chain.parameters.max_money:
        raise RefusedError(RefusalTag.TX_MALFORMED, "an output is worth more than there is")
    return Output(paid.amount, paid.script, chain.find(paid.script, claims(fields, OUTPUT_DERIVATION)))


def _weight(tx: ChainTx) -> int:
    return tx.base_bytes * 4 + SEGWIT_MARKER_WEIGHT + len(tx.inputs) * INPUT_WITNESS_WEIGHT
