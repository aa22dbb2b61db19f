"""Which URLs and addresses are delivered to, and when again."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

import pytest

from strongroom.webhooks import rules
from strongroom.webhooks.errors import EndpointUrlError, EventTypeError


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hooks",
        "https://user:pw@shop.example/",
        "https://shop.example/#part",
        "https:///nohost",
        "https://shop.example:99999/",
        "https://shop.example:0/",
        "ftp://shop.example/",
        "https://shop.example/a b",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/",
        "https://db.internal/",
        "https://shop.example/" + "x" * 2048,
        "",
    ],
)
def test_a_url_that_leaks_or_leads_inside_is_refused(url: str) -> None:
    with pytest.raises(EndpointUrlError):
        rules.check_url(url, allow_private=False)


@pytest.mark.parametrize(
    "url", ["https://shop.example/hooks?a=1", "https://8.8.8.8:8443/", "https://[2606:4700::1111]/"]
)
def test_a_public_https_url_is_taken(url: str) -> None:
    rules.check_url(url, allow_private=False)


def test_plain_http_to_loopback_is_taken_only_where_private_destinations_are_allowed() -> None:
    rules.check_url("http://127.0.0.1:9000/hooks", allow_private=True)
    with pytest.raises(EndpointUrlError):
        rules.check_url("http://127.0.0.1:9000/hooks", allow_private=False)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("8.8.8.8", True),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - judged, not bound
        ("224.0.0.1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:192.168.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2606:4700:4700::1111", True),
    ],
)
def test_only_addresses_of_the_public_internet_are_public(text: str, *, public: bool) -> None:
    assert rules.is_public(ipaddress.ip_address(text)) is public


def test_unknown_event_types_are_refused() -> None:
    rules.check_event_types(["invoice.paid", "payout.final"])
    with pytest.raises(EventTypeError, match=r"payout\.perhaps"):
        rules.check_event_types(["payout.perhaps"])


def test_retries_grow_and_go_on_for_days_and_then_end() -> None:
    waits: list[timedelta] = []
    while (wait := rules.wait_after(len(waits) + 1)) is not None:
        waits.append(wait)
    assert waits == sorted(waits)
    assert waits[0] <= timedelta(seconds=10)
    assert timedelta(days=3) < sum(waits, timedelta()) < timedelta(days=7)
