"""The main job as a list of named steps, each seen for real: through API, chain, books and files, never assumed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from strongroom.demo import ethereum_in, ethereum_out, money_in, money_out
from strongroom.demo.scene import Scene


@dataclass(frozen=True, slots=True)
class Step:
    """One step: ``done`` is what the environment remembers once it has happened."""

    name: str
    title: str
    tell: Callable[[Scene], Awaitable[str]]


STEPS: Final = (
    Step("house-capital", "The operator deposits house capital", money_in.deposit_capital),
    Step("house-capital-evm", "The operator deposits USDT, USDC and ETH too", ethereum_in.deposit_capital),
    Step("allowance", "Two offline keys let the hot Safe draw a little", ethereum_in.allow),
    Step("merchant", "A merchant is made, with a branch and a token", money_in.make_merchant),
    Step("merchant-key", "The merchant makes its key on its own side", money_in.make_merchant_key),
    Step("enrolment", "The key is enrolled by hand on both signers", money_in.enrol),
    Step("webhook-endpoint", "The merchant names its server for webhooks", money_in.add_endpoint),
    Step("invoice", "The merchant issues an invoice", money_in.issue_invoice),
    Step("payment", "The shopper pays it on the chain", money_in.pay_invoice),
    Step("seen", "The payment is seen", money_in.see_payment),
    Step("confirmations", "Blocks confirm it, one by one", money_in.confirm_payment),
    Step("credited", "The merchant's balance is credited", money_in.check_balance),
    Step("webhook", "The signed webhook reaches the merchant", money_in.check_webhook),
    Step("intent", "The merchant signs a payout", money_out.sign_intent),
    Step("payout", "The signed payout is handed in", money_out.send_payout),
    Step("signatures", "Two signers judge and co-sign it", money_out.see_signatures),
    Step("broadcast", "It is broadcast", money_out.see_broadcast),
    Step("payout-confirmed", "A block confirms it", money_out.see_confirmation),
    Step("payout-final", "It is final", money_out.see_final),
    Step("usdt-invoice", "An invoice to be paid in USDT", ethereum_in.issue_invoice),
    Step("usdt-payment", "The shopper pays it by a token transfer", ethereum_in.pay_invoice),
    Step("usdt-credited", "The merchant's balance is credited in USDT", ethereum_in.credit),
    Step("usdt-webhook", "The signed webhook reaches the merchant", ethereum_in.check_webhook),
    Step("usdc-credited", "Another invoice is paid, in USDC", ethereum_in.earn_usdc),
    Step("usdc-intent", "The merchant signs a payout of USDC", ethereum_out.sign_intent),
    Step("usdc-payout", "The signed payout is handed in", ethereum_out.send_payout),
    Step("usdc-signatures", "Two signers decode, judge and co-sign it", ethereum_out.see_signatures),
    Step("usdc-confirmed", "A relayer brings it to the Safe; blocks confirm it", ethereum_out.see_confirmation),
    Step("usdc-final", "It is final", ethereum_out.see_final),
    Step("gathered", "Forwarders are gathered into the cold Safe", ethereum_out.see_gathered),
    Step("reconciled", "Books, both chains and signers' journals agree", money_out.reconcile),
)


def is_told(done: list[str]) -> bool:
    """Whether the whole main job has happened in an environment."""
    return all(step.name in done for step in STEPS)


async def tell(scene: Scene) -> None:
    """Do every step that has not happened yet. Raises what a step raises: then it did not happen."""
    for step in STEPS:
        if step.name not in scene.environment.done:
            with scene.progress.step(step.name, step.title) as outcome:
                outcome.detail = await step.tell(scene)
