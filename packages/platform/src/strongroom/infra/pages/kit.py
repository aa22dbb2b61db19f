"""Server-rendered pages without third parties: templates and assets of one face, and strict security headers.

A face (checkout, console) makes one ``PageKit``. Its own files stand in its ``templates/`` and ``assets/``; the tokens
that all faces share stand in this package's. Assets carry a hash of their content in their address, so that a browser
keeps them for ever and never sees an old one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

_SHARED: Final = "strongroom.infra.pages"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HASH_DIGITS: Final = 12
# Nothing but our own files: no inline script or style, no frame, no form elsewhere. A leaked markup hole runs nothing.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), clipboard-write=(self)",
    "Cache-Control": "no-store",
}


class PageKit:
    """Renders one face's pages and serves its assets under ``prefix``."""

    def __init__(self, package: str, prefix: str, *, forms: bool, referrer_policy: str) -> None:
        """Read the templates and assets of ``package``; ``forms`` lets its pages post to this site."""
        self._prefix = prefix
        self._assets = {**_read_assets(_SHARED), **_read_assets(package)}
        self._environment = Environment(
            loader=PackageLoader(package),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        self._environment.globals["asset"] = self.asset_url
        form_action = "'self'" if forms else "'none'"
        self.headers = {
            **HEADERS,
            "Content-Security-Policy": CONTENT_SECURITY_POLICY.format(form_action=form_action),
            "Referrer-Policy": referrer_policy,
        }

    def asset_url(self, name: str) -> str:
        """Give the address of an asset, which changes with its content."""
        digest = hashlib.sha256(self._assets[name]).hexdigest()[:_HASH_DIGITS]
        return f"{self._prefix}/{name}?v={digest}"

    def page(self, template: str, status: int = 200, /, **context: Any) -> Response[str]:
        """Render a page with all security headers."""
        text = self._environment.get_template(template).render(**context)
        return Response(text, status_code=status, media_type=MediaType.HTML, headers=self.headers)

    def assets_handler(self) -> HTTPRouteHandler:
        """Serve the assets, and nothing else: they were read at the start, so no path reaches the disk."""
        assets = self._assets
        headers = {**self.headers, "Cache-Control": "public, max-age=31536000, immutable"}

        @get(f"{self._prefix}/{{name:str}}", include_in_schema=False, sync_to_thread=False)
        def serve_asset(name: FromPath[str]) -> Response[bytes]:
            """Give one file."""
            if name not in assets:
                raise NotFoundException
            return Response(assets[name], media_type=_TYPES[name[name.rindex(".") :]], headers=headers)

        return serve_asset


def _read_assets(package: str) -> dict[str, bytes]:
    folder = resources.files(package).joinpath("assets")
    return {item.name: item.read_bytes() for item in folder.iterdir() if item.name.endswith(tuple(_TYPES))}
