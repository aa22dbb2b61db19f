from __future__ import annotations

from litestar import Litestar

from strongroom.console import pages


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
