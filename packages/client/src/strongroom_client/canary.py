"""The canary: orders like a shopper, now and then, and looks whether the address shown is one that the signers attest.

It runs outside the platform's hosts, at the merchant's or the operator's. Whoever swaps addresses on the API's host, in
the database or in the page alone is seen at its next look, so its interval is the time to detection. It sees what it is
shown: a thief who tells it from shoppers shows it the truth, so run it from more than one place.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from strongroom_client.api import Api
from strongroom_client.checkout_page import Shown, open_checkout
from strongroom_client.errors import AddressForgedError, AddressUnattestedError, CheckoutError
from strongroom_client.pins import Pins
from strongroom_client.verification import verify_invoice, verify_payment_uri
from strongroom_core.errors import StrongroomError

GRACE_SECONDS: Final = 30.0
AGAIN_SECONDS: Final = 1.0
OK: Final = "ok"
ALARM: Final = "alarm"
#: Nothing could be looked at. No alarm by itself: the API may be restarting; many in a row are.
TROUBLE: Final = "trouble"
DIFFERS: Final = "checkout-differs"
NOTHING_OPEN: Final = "no-open-invoice"


@dataclass(frozen=True, slots=True)
class Order:
    """What the canary orders: a small amount, as decimal text, and what it would pay with (a code or CAIP-19 id)."""

    amount: str
    currency: str
    asset: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: ``result`` is ok, alarm or trouble; ``code`` is stable, ``detail`` is for people."""

    at: str
    result: str
    code: str
    detail: str
    invoice: str
    asset: str
    address: str


class Canary:
    """Looks through one merchant's API and checkout; ``order`` None: at the merchant's newest open invoice instead."""

    def __init__(
        self,
        api: Api,
        pins: Pins,
        order: Order | None,
        *,
        grace_seconds: float = GRACE_SECONDS,
        open_page: Callable[[str], Shown] = open_checkout,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``api`` has no pins of its own: the canary looks at what a careless merchant would show."""
        self._api, self._pins, self._order = api, pins, order
        self._grace_seconds, self._open_page, self._sleep = grace_seconds, open_page, sleep

    def look(self) -> Finding:
        """Look once; whatever is wrong is in the answer."""
        try:
            invoice = self._invoice()
        except StrongroomError as error:
            return _finding(TROUBLE, error.code, error.message, {})
        if invoice is None:
            return _finding(TROUBLE, NOTHING_OPEN, "the merchant has no open invoice to look at", {})
        try:
            return self._judged(invoice)
        finally:
            self._end(invoice)

    def _judged(self, invoice: dict[str, Any]) -> Finding:
        try:
            self._compare(self._attested(invoice))
        except (AddressForgedError, AddressUnattestedError) as error:
            return _finding(ALARM, error.code, error.message, invoice)
        except _DiffersError as error:
            return _finding(ALARM, DIFFERS, str(error), invoice)
        except CheckoutError as error:
            return _finding(TROUBLE if self._ended(invoice) else ALARM, error.code, error.message, invoice)
        except StrongroomError as error:
            return _finding(TROUBLE, error.code, error.message, invoice)
        return _finding(OK, OK, "the checkout shows what the signers attest", invoice)

    def _invoice(self) -> dict[str, Any] | None:
        if self._order is not None:
            order = self._order
            return dict(self._api.create_invoice(amount=order.amount, currency=order.currency, asset=order.asset))
        open_ones = [item for item in self._api.page("invoices")["data"] if item.get("status") == "new"]
        return open_ones[0] if open_ones else None

    def _attested(self, invoice: dict[str, Any]) -> dict[str, Any]:
        """Verify it, giving the signers a moment. Raises ``AddressForgedError``, ``AddressUnattestedError``."""
        end = time.monotonic() + self._grace_seconds
        while True:
            try:
                verify_invoice(self._pins, invoice)
            except AddressUnattestedError:
                if time.monotonic() > end:
                    raise
                self._sleep(AGAIN_SECONDS)
                invoice = dict(self._api.invoice(str(invoice.get("id"))))
            else:
                return invoice

    def _compare(self, invoice: dict[str, Any]) -> None:
        """Open the page as a shopper does; every address and link on it has to be the attested one."""
        shown, address = self._open_page(str(invoice.get("checkout_url"))), str(invoice["address"])
        others = shown.addresses - {address}
        if others or not shown.addresses:
            message = f"the checkout shows {', '.join(sorted(others)) or 'no address'}, the signers attest {address}"
            raise _DiffersError(message)
        for link in sorted(shown.links):
            try:
                verify_payment_uri(link, str(invoice["asset_id"]), str(invoice["chain_id"]), address)
            except AddressForgedError as error:
                raise _DiffersError(error.message) from None

    def _ended(self, invoice: dict[str, Any]) -> bool:
        """Whether somebody else's invoice was paid or ran out meanwhile, so that its page asks for nothing."""
        try:
            return self._order is None and self._api.invoice(str(invoice.get("id")))["status"] != "new"
        except StrongroomError:
            return True

    def _end(self, invoice: dict[str, Any]) -> None:
        """Take the canary's own order back; where that fails it expires by itself."""
        if self._order is not None:
            with contextlib.suppress(StrongroomError):
                self._api.cancel_invoice(str(invoice.get("id")))

    def watch(self, tell: Callable[[Finding], None], every_seconds: float, *, go_on: bool) -> Finding:
        """Look again and again, and ``tell`` each finding; ends with the first alarm unless it is to ``go_on``."""
        while True:
            finding = self.look()
            tell(finding)
            if finding.result == ALARM and not go_on:
                return finding
            # Not by the clock, so that nobody can show the truth just then; never later than the interval.
            self._sleep(every_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - no secret


class _DiffersError(Exception):
    """The checkout shows something else than what was verified."""


def _finding(result: str, code: str, detail: str, invoice: dict[str, Any]) -> Finding:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    named = (str(invoice.get(name, "")) for name in ("id", "asset_id", "address"))
    return Finding(at, result, code, detail, *named)
