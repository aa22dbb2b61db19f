"""What every page of ours carries, whatever its face: strict headers, and strangers' words as words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from litestar import Litestar, Response, get
from litestar.testing import TestClient

from strongroom.infra.pages.kit import PageKit

# How handlers declare their parameters is the API's affair, and the same in all of them.
pytestmark = pytest.mark.filterwarnings("ignore:.*declared using deprecated inferred style")
FACE = "a_face_made_up_for_a_test"


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PageKit:
    folder = tmp_path / FACE
    for name, text in {
        "__init__.py": "",
        "templates/page.html": '<p title="{{ words }}">{{ words }}</p>',
        "assets/page.css": "p { color: red }",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, FACE, raising=False)
    return PageKit(FACE, "/face/assets", forms=False, referrer_policy="no-referrer")


def test_every_page_and_asset_carries_a_policy_that_runs_nothing_foreign(kit: PageKit) -> None:
    @get("/page", sync_to_thread=False)
    def page() -> Response[str]:
        return kit.page("page.html", words="hello")

    with TestClient(Litestar([page, kit.assets_handler()])) as client:
        answers = [client.get(path) for path in ("/page", kit.asset_url("page.css"))]
    for answer in answers:
        assert answer.status_code == 200
        parts = answer.headers["content-security-policy"].split(";")
        policy = {name: sources for name, _, sources in (part.strip().partition(" ") for part in parts)}
        assert policy["default-src"] == "'none'"
        assert (policy["script-src"], policy["style-src"]) == ("'self'", "'self'")
        assert (policy["form-action"], policy["base-uri"], policy["frame-ancestors"]) == ("'none'",) * 3
        assert not any("unsafe" in sources or "http" in sources or "*" in sources for sources in policy.values())
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_what_a_stranger_wrote_is_shown_and_never_run(kit: PageKit) -> None:
    shown = str(kit.page("page.html", words='"><script>alert(1)</script>').content)
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert 'title="&#34;&gt;' in shown


def test_an_assets_address_changes_with_its_content_and_nothing_else_is_served(kit: PageKit) -> None:
    assert kit.asset_url("page.css").startswith("/face/assets/page.css?v=")
    with TestClient(Litestar([kit.assets_handler()])) as client:
        for path in ("/face/assets/page.html", "/face/assets/..%2ftemplates%2fpage.html", "/face/assets/nothing.js"):
            assert client.get(path).status_code == 404
