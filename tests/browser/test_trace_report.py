"""The HTML report of a trace in a real browser: offline, light and dark, desktop and phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from strongroom_tracing.report.page import page
from tests.browser.accessibility import check_page
from tests.browser.watched import DESKTOP, PHONE
from tests.unit.tracing.report.account_flows import laundered
from tests.unit.tracing.report.flows import HOSTILE, flow, report

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("label", ["bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", HOSTILE])
@pytest.mark.parametrize("accounts", [False, True])
def test_a_report_works_offline_and_loads_nothing(
    chromium: Browser, tmp_path: Path, size: tuple[int, int], dark: bool, label: str, accounts: bool
):
    path = tmp_path / "report.html"
    coins = report(flow(label=label, steps=6, wide=14), title=f"A case {label}")
    path.write_bytes(page(laundered(service=label)[1] if accounts else coins))
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", offline=True
    )
    shown = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(path.as_uri())

    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    wide = """[...document.querySelectorAll('svg.flow g.node')].filter(node =>
        node.getBBox().width > node.querySelector('rect').getBBox().width + 1).map(node => node.textContent)"""
    assert shown.evaluate(wide) == []
    check_page(shown)
    context.close()
