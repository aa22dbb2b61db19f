"""What an environment's Ethereum node itself says, by calls that are spelled out here and share nothing with us."""

from __future__ import annotations

import json
import tomllib
import urllib.request
from typing import Any

from tests.acceptance.program import Up

# keccak-256 of Transfer(address,address,uint256).
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


def transfer_topics(sender: str, receiver: str) -> list[str]:
    """The topics of an ERC-20 transfer."""
    return [TRANSFER, *(f"0x{'0' * 24}{item[2:].lower()}" for item in (sender, receiver))]


def safe_nonce(running: Up, safe: str) -> int:
    """Safe's nonce()."""
    return int(rpc(running, "eth_call", {"to": safe, "data": "0xaffed0e0"}, "latest"), 16)


def settings(running: Up) -> dict[str, Any]:
    return tomllib.loads((running.folder / "strongroom.toml").read_text())


def safes(running: Up) -> dict[str, str]:
    return dict(next(item["ethereum"] for item in settings(running)["chains"] if "ethereum" in item))


def token(running: Up, code: str) -> str:
    assets = next(item["assets"] for item in settings(running)["chains"] if "ethereum" in item)
    return str(next(item["id"] for item in assets if item["code"] == code))


def balance(running: Up, code: str, address: str) -> int:
    """ERC-20 balanceOf(address), in base units."""
    data = f"0x70a08231{'0' * 24}{address[2:].lower()}"
    return int(rpc(running, "eth_call", {"to": token(running, code).rpartition(":")[2], "data": data}, "latest"), 16)


def rpc(running: Up, method: str, *params: object) -> Any:
    port = json.loads((running.folder / "environment.json").read_text())["ports"]["ethereum_rpc"]
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 -- our own loopback
        return json.loads(response.read())["result"]
