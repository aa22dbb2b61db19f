"""The settings of updates: what is allowed, and a clear word for what is not."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from strongroom_tracing.tags.errors import SettingsError, UnknownListError
from strongroom_tracing.tags.imports.formats import Format
from strongroom_tracing.tags.model import Category
from strongroom_tracing.tags.settings import chosen, read

GOOD = """
[[list]]
name = "ofac-sdn"
url = "https://example.org/SDN_ADVANCED.XML"
format = "ofac-xml"
licence = "public domain"
checksum_url = "https://example.org/sum"
[[list]]
name = "mine"
url = "http://127.0.0.1:8000/a.txt"
format = "addresses"
label = "my list"
source = "me"
category = "scam"
currency = "ETH"
confidence = 70
as_of = 2025-03-04
bytes_max = 1000
seconds_max = 5
sha256 = "36c517bd264d8d97eff353eadd8d84427d5eb293505a8ce07271a5bc258c3117"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "lists.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_are_read(tmp_path: Path) -> None:
    settings = read(written(tmp_path, GOOD))
    mine = chosen(settings, "mine")
    assert (mine.format, mine.given.category, mine.given.as_of) == (
        Format.ADDRESSES,
        Category.SCAM,
        date(2025, 3, 4),
    )
    assert (mine.given.confidence, mine.bytes_max, mine.seconds_max) == (70, 1000, 5)
    assert chosen(settings, "ofac-sdn").given.licence == "public domain"
    with pytest.raises(UnknownListError):
        chosen(settings, "others")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "mine"', 'name = "ofac-sdn"'),
        ('name = "mine"', "name = 3"),
        ('format = "addresses"', 'format = "xls"'),
        ('format = "addresses"', ""),
        ('category = "scam"', 'category = "bad people"'),
        ("confidence = 70", "confidence = 101"),
        ("confidence = 70", "confidence = 0.7"),
        ("as_of = 2025-03-04", 'as_of = "soon"'),
        ("bytes_max = 1000", "bytes_max = 0"),
        ("seconds_max = 5", 'given = "x"'),
        ("seconds_max = 5", 'password = "x"'),
        ('label = "my list"', "label = 1"),
        ('sha256 = "36', 'sha256 = "zz'),
        ("http://127.0.0.1:8000", "http://example.org"),
        ("http://127.0.0.1:8000", "http://127.0.0.1.example.org"),
        ("http://127.0.0.1:8000", "https://user:secret@example.org"),
        ("http://127.0.0.1:8000", "file://"),
        ("http://127.0.0.1:8000", "https://[::1"),
        ("[[list]]", "[[other]]"),
        (GOOD, ""),
        (GOOD, "["),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(SettingsError) as caught:
        read(written(tmp_path, GOOD.replace(old, new)))
    assert caught.value.code == "tags-settings"
