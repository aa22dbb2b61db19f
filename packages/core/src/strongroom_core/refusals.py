"""Why a signer says no: one tag a rule, part of the contract, never reused."""

from __future__ import annotations

from enum import StrEnum


class RefusalTag(StrEnum):
    """The stable name of the rule that refused; a name that a reader does not know still means no."""

    REQUEST_MALFORMED = "request-malformed"
    HALTED = "halted"
    CLOCK = "clock"
    JOURNAL_BROKEN = "journal-broken"
    CHAIN_UNKNOWN = "chain-unknown"
    ASSET_UNKNOWN = "asset-unknown"

    INTENT_UNSIGNED = "intent-unsigned"
    INTENT_MALFORMED = "intent-malformed"
    INTENT_DEPLOYMENT = "intent-deployment"
    INTENT_EXPIRED = "intent-expired"
    INTENT_BOUND = "intent-bound"
    INTENT_VOID = "intent-void"
    INTENT_REPEATED = "intent-repeated"
    INTENT_SIGNED = "intent-signed"
    MERCHANT_UNKNOWN = "merchant-unknown"
    DESTINATION_INVALID = "destination-invalid"
    DESTINATION_UNLISTED = "destination-unlisted"

    TX_MALFORMED = "tx-malformed"
    SIGHASH = "sighash"
    INPUT_FOREIGN = "input-foreign"
    INPUT_REPEATED = "input-repeated"
    PREVIOUS_TX_MISSING = "previous-tx-missing"
    PREVIOUS_TX_MISMATCH = "previous-tx-mismatch"
    OUTPUT_UNMATCHED = "output-unmatched"
    INTENT_UNMATCHED = "intent-unmatched"
    CHANGE_BRANCH = "change-branch"
    CHANGE_INDEX = "change-index"
    OUTPUT_DUST = "output-dust"
    SLOT_INPUTS = "slot-inputs"
    SLOT_PAYMENTS = "slot-payments"

    LIMIT_PAYOUT = "limit-payout"
    VELOCITY_MERCHANT = "velocity-merchant"
    VELOCITY_ALL = "velocity-all"
    FEE_CEILING = "fee-ceiling"
    FEE_RATE = "fee-rate"
    FEE_ABSOLUTE = "fee-absolute"
    FEE_DAILY = "fee-daily"
