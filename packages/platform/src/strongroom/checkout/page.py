"""The page of an invoice as plain values: the template shows them at first, and the script puts in what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from strongroom.checkout import networks, qr, words
from strongroom.deposits.model import Deposit, DepositException
from strongroom_core.assets import asset_by_id, chain_by_id

_RBF_NOTE: Final = (
    "This payment says that its sender may still replace it (RBF). It counts from its first confirmation on."
)
_NONCE_NOTE: Final = (
    "This payment is in no block yet: its sender may still replace or cancel it. It counts from its first confirmation."
)
_FATES: Final = {
    DepositException.REPLACED: "Its sender replaced it by another payment.",
    DepositException.DOUBLE_SPENT: "The same coins were spent elsewhere.",
    DepositException.EVICTED: "The network dropped it, mostly because its fee was low.",
    DepositException.ORPHANED: "The block that held it was replaced by others.",
}
# On an account chain a payment has no coins of its own; it has a number among those of its sender.
_EVM_FATES: Final = _FATES | {
    DepositException.DOUBLE_SPENT: "It failed, or another payment of its sender took its place.",
}
_ENDS: Final = 8
_Key = tuple[str, int, str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a page is made of: the invoice's public view, its deposits, what is never credited, and the time.

    ``depegged``: what it is paid in is a stablecoin that is not at its par now.
    """

    view: Mapping[str, Any]
    deposits: Sequence[Deposit]
    minimum: int
    now: datetime
    depegged: bool = False


def state(facts: Facts) -> dict[str, Any]:
    """Give the public state of an invoice, with the page's words under ``page``."""
    known = {(item.txid, item.vout, item.asset, str(item.amount)): item for item in facts.deposits}
    payments = [_with_signal(item, known.get(_key(item))) for item in facts.view["payments"]]
    return {
        **facts.view,
        "payments": payments,
        "server_time": facts.now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "page": _page(facts, payments, known),
    }


def _key(payment: Mapping[str, Any]) -> _Key:
    """Tell payments apart: an account chain may mine one chain tx twice, with other outputs the second time."""
    return payment["txid"], payment["vout"], payment["asset_id"], payment["amount_base_units"]


def _page(facts: Facts, payments: Sequence[Mapping[str, Any]], known: Mapping[_Key, Deposit]) -> dict[str, Any]:
    view, said = facts.view, words.message(facts.view, depegged=facts.depegged)
    advice = networks.advice(words.coin(view))
    partly = said.pay and int(view["amount_remaining_base_units"]) < int(view["amount_due_base_units"])
    code = qr.draw(view["payment_uri"]) if said.pay else None
    return {
        "headline": said.headline,
        "detail": said.detail,
        "mood": said.mood.value,
        "step": None if said.step is None else int(said.step),
        "pay": said.pay,
        "amount": words.short(view["amount_remaining"] if said.pay else view["amount_due"]),
        "amount_label": "Still to pay" if partly else "Amount to pay" if said.pay else "Amount",
        "payment_uri": view["payment_uri"],
        "qr_size": code.size if code else 0,
        "qr_path": code.path if code else "",
        "minimum": words.amount_text(words.coin(view), facts.minimum),
        "over": not said.pay and said.step in {None, words.Step.PAID},
        "stray": said.pay or said.step is None,
        "only": advice.only,
        "elsewhere": advice.elsewhere,
        "wrong_token": advice.wrong_token,
        "wrong_network": advice.wrong_network,
        "contract": advice.contract,
        "contract_short": advice.contract_short,
        "payments": [_payment(item, view["asset_id"], known.get(_key(item))) for item in payments],
    }


def _with_signal(payment: Mapping[str, Any], deposit: Deposit | None) -> dict[str, Any]:
    return {**payment, "rbf": bool(deposit and deposit.rbf)}


def _payment(payment: Mapping[str, Any], wanted: str, deposit: Deposit | None) -> dict[str, str]:
    state_words = words.PAYMENT_STATES[payment["state"]]
    if payment["state"] == "confirming":
        state_words = words.progress(payment)
    txid = payment["txid"]
    return {
        "key": ":".join(map(str, _key(payment))),
        "amount": f"{words.short(payment['amount'])} {payment['asset']}",
        "state": payment["state"],
        "words": state_words,
        "txid": txid,
        "txid_short": f"{txid[:_ENDS]}…{txid[-_ENDS:]}",
        "note": _note(payment, wanted, deposit),
    }


def _note(payment: Mapping[str, Any], wanted: str, deposit: Deposit | None) -> str:
    evm = chain_by_id(asset_by_id(payment["asset_id"]).chain_id).is_evm
    if payment["state"] in {"dropped", "reversed"}:
        return (_EVM_FATES if evm else _FATES)[deposit.exception] if deposit and deposit.exception else ""
    if payment["asset_id"] != wanted:
        return f"Not what this invoice asks for. It goes to the merchant as {payment['asset']}; ask them what to do."
    if payment["below_minimum"]:
        return "Too small to be credited by itself; it is kept for the merchant until more arrives."
    if payment["state"] != "seen" or not payment["rbf"]:
        return ""
    return _NONCE_NOTE if evm else _RBF_NOTE
