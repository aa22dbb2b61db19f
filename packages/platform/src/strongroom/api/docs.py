"""The API's description for people: one page made from the OpenAPI document, without a third party's script."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, select_autoescape
from litestar import MediaType, Request, Response, get
from litestar.openapi.plugins import JsonRenderPlugin

JSON_DOCUMENT: Final = JsonRenderPlugin(path="/openapi.json")
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(default=True)
)
_METHODS: Final = ("get", "post", "put", "patch", "delete")
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


@get("/docs", media_type=MediaType.HTML, include_in_schema=False)
async def page(request: Request[Any, Any, Any]) -> Response[str]:
    """Show every operation with its parameters, bodies and answers."""
    schema = request.app.openapi_schema.to_schema()
    html = _TEMPLATES.get_template("docs.html").render(
        schema=schema, operations=_operations(schema), shape=_shape(schema)
    )
    return Response(html, media_type=MediaType.HTML, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


def _operations(schema: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for path, item in schema["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                tag = (operation.get("tags") or ["Other"])[0]
                grouped.setdefault(tag, []).append({"path": path, "method": method.upper(), **operation})
    return grouped


def _shape(schema: dict[str, Any]) -> Any:
    known = schema.get("components", {}).get("schemas", {})

    def shape(node: dict[str, Any], depth: int = 0) -> str:
        """Write a JSON schema as a short sketch such as ``{id: string, payments: [Payment]}``."""
        name = str(node.get("$ref", "")).rpartition("/")[2]
        if name:
            return shape(known[name], depth) if depth == 0 else name
        if "oneOf" in node or "anyOf" in node:
            return " or ".join(shape(item, depth + 1) for item in node.get("oneOf", node.get("anyOf", [])))
        if node.get("type") == "array":
            return f"[{shape(node.get('items', {}), depth + 1)}]"
        if "properties" in node and depth == 0:
            required = node.get("required", [])
            fields = [
                f"{key}{'' if key in required else '?'}: {shape(value, depth + 1)}"
                for key, value in node["properties"].items()
            ]
            return "{\n  " + ",\n  ".join(fields) + "\n}"
        if "enum" in node:
            return " | ".join(f'"{value}"' for value in node["enum"])
        kind = node.get("type", "any")
        return " | ".join(kind) if isinstance(kind, list) else str(kind)

    return shape
