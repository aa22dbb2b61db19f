"""Where a redirect of a list's server may lead."""

from __future__ import annotations

import pytest

from strongroom_tracing.tags.errors import SettingsError
from strongroom_tracing.tags.fetching import _modified
from strongroom_tracing.tags.redirects import followed

OUTSIDE = "https://lists.example/a.xml"
HERE = "http://127.0.0.1:8000/a.txt"


@pytest.mark.parametrize(
    ("url", "location", "there"),
    [
        (OUTSIDE, "/b.xml", "https://lists.example/b.xml"),
        (OUTSIDE, "https://other.example/b.xml", "https://other.example/b.xml"),
        (OUTSIDE, "//1.1.1.1/b", "https://1.1.1.1/b"),
        (HERE, "/b.txt", "http://127.0.0.1:8000/b.txt"),
        (HERE, "http://localhost:8001/b", "http://localhost:8001/b"),
        (HERE, OUTSIDE, OUTSIDE),
        ("https://10.0.0.5/a", "b", "https://10.0.0.5/b"),
    ],
)
def test_a_redirect_may_lead_outside_by_https_or_stay_where_it_is(url: str, location: str, there: str) -> None:
    assert followed(url, location) == there


@pytest.mark.parametrize(
    "location",
    [
        "http://lists.example/a.xml",
        "http://127.0.0.1:8332/admin?x=1",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://localhost./",
        "https://a.localhost/",
        "https://printer.local/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0/",
        "https://10.1.2.3/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://user@other.example/",
        "file:///etc/passwd",
        "//xn--.?",
        "https://xn--xn--",
        "http:////ex.org[\u3002https://",
        ":https://[.]",
    ],
)
def test_a_redirect_from_outside_leads_neither_into_this_network_nor_away_from_https(location: str) -> None:
    with pytest.raises(SettingsError):
        followed(OUTSIDE, location)


@pytest.mark.parametrize("location", ["https://10.0.0.1/", "http://10.0.0.1/", "http://example.org/"])
def test_nor_does_one_from_this_machine_lead_into_its_network(location: str) -> None:
    with pytest.raises(SettingsError):
        followed(HERE, location)


def test_https_of_this_machine_stays_https() -> None:
    with pytest.raises(SettingsError):
        followed("https://localhost/a", "http://localhost/a")


@pytest.mark.parametrize("word", ["Fri, 31 Dec 9999 23:59:59 -1200", "yesterday", "", None])
def test_a_day_beyond_the_calendar_is_no_day(word: str | None) -> None:
    """Whatever a server says, its list fails alone: an error that nobody expects would stop the others' updates."""
    assert _modified(word) is None
