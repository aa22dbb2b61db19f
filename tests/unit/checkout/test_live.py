from __future__ import annotations

import pytest

from strongroom.checkout import live
from strongroom.checkout.live import LivePages


async def test_a_change_wakes_the_pages_of_that_invoice_alone():
    pages = LivePages()
    async with pages.page("inv_1") as one, pages.page("inv_1") as again, pages.page("inv_2") as other:
        pages.changed("inv_1")
        assert one.is_set()
        assert again.is_set()
        assert not other.is_set()


async def test_a_closed_page_is_forgotten():
    pages = LivePages()
    async with pages.page("inv_1"):
        pass
    assert not pages._pages
    pages.changed("inv_1")
    assert not pages._pages


async def test_more_pages_than_can_be_kept_live_are_told_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "PAGES_MAX", 1)
    pages = LivePages()
    before = pages.full
    async with pages.page("inv_1"):
        during = pages.full
    assert (before, during, pages.full) == (False, True, False)


async def test_closing_wakes_every_page():
    pages = LivePages()
    async with pages.page("inv_1") as one, pages.page("inv_2") as two:
        pages.close()
        assert one.is_set()
        assert two.is_set()
        assert pages.closed
