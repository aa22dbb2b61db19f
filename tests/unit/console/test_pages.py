from __future__ import annotations

from litestar import Litestar

from strongroom.console import face, pages
from strongroom.console.model import Visitor
from strongroom.deposits.model import DepositState
from strongroom.merchants.model import ApiToken, Merchant, Scope
from strongroom_core.ids import MerchantId, TokenId
from tests.unit.checkout.test_page import deposit
from tests.unit.checkout.views import AT


def test_every_route_but_the_login_asks_who_looks_and_every_form_asks_whose_it_is():
    """Routes are read from the application, so that one added later cannot be forgotten."""
    app = Litestar([pages.router, pages.assets], openapi_config=None)
    seen = set()
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            name = handler.handler_name
            for method in handler.http_methods - {"OPTIONS"}:
                seen.add(name)
                guards = [guard.__name__ for guard in handler.guards or ()]
                assert (method == "GET") or "own_forms_only" in guards, name
                open_to_all = name in {"show_login", "log_in", "log_out", "nothing_here", "serve_asset"}
                asked = "visitor" in handler.parsed_fn_signature.parameters
                assert asked != open_to_all, name
    assert {"overview", "show_payout", "redeliver", "serve_asset"} <= seen


def test_a_deposit_that_waits_for_the_final_block_is_shown_with_no_count_to_reach() -> None:
    merchant = Merchant(MerchantId.new(), "Shop", 2, AT)
    visitor = Visitor(merchant, ApiToken(TokenId.new(), merchant.id, frozenset({Scope.READ}), "", AT, None), AT)
    for needed, words in ((None, "30, until final"), (12, "30 of 12")):
        found = deposit(state=DepositState.CONFIRMING, confirmations=30, confirmations_needed=needed)
        page = str(face.show(visitor, "deposit.html", "deposits", deposit=found, arrows=()).content)
        assert f'<dt>Confirmations</dt><dd class="figures">{words}</dd>' in page
        listed = face.show(visitor, "deposits.html", "deposits", deposits=(found,), following=None, first=True).content
        assert f'<td class="number">{words}</td>' in str(listed)
