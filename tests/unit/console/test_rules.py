from __future__ import annotations

import pytest

from strongroom.console.rules import ADDRESSES_MAX, Throttle, same_origin

URL = "https://pay.example"


@pytest.mark.parametrize(
    ("origin", "fetch_site", "host", "ours"),
    [
        ("https://pay.example", "same-origin", "pay.example", True),
        ("https://pay.example", None, "inside:8420", True),
        ("http://127.0.0.1:8420", None, "127.0.0.1:8420", True),
        ("null", "same-origin", "pay.example", True),
        (None, "same-origin", "pay.example", True),
        ("https://evil.example", "cross-site", "pay.example", False),
        ("https://evil.example", "same-origin", "pay.example", False),
        ("https://pay.example.evil.example", None, "pay.example", False),
        ("http://pay.example", None, "inside:8420", False),
        ("https://sub.pay.example", "same-site", "pay.example", False),
        ("null", "cross-site", "pay.example", False),
        (None, None, "pay.example", False),
        (None, "none", "pay.example", False),
        ("", None, "", False),
        ("file://pay.example", None, "pay.example", False),
    ],
)
def test_only_our_own_pages_may_send_forms(origin: str | None, fetch_site: str | None, host: str, ours: bool):
    assert same_origin(origin=origin, fetch_site=fetch_site, host=host, public_url=URL) is ours


def test_attempts_are_limited_for_each_address_and_come_back_with_time():
    now = [0.0]
    throttle = Throttle(3, lambda: now[0])
    assert [throttle.allow("a") for _ in range(4)] == [True, True, True, False]
    assert throttle.allow("b")
    now[0] += 20
    assert throttle.allow("a")
    assert not throttle.allow("a")


def test_the_memory_of_attempts_is_bounded():
    throttle = Throttle(1, lambda: 0.0)
    for number in range(ADDRESSES_MAX + 10):
        throttle.allow(str(number))
    assert len(throttle._levels) == ADDRESSES_MAX
