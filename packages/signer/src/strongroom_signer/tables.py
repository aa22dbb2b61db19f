"""Strict reading of the policy's TOML tables: everything that is asked for, nothing else, numbers in their range."""

from __future__ import annotations

from typing import Any

from strongroom_signer.errors import PolicyError


def tables(body: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Give the sub-tables of ``name``. Raises ``PolicyError``."""
    found = body[name]
    if not isinstance(found, dict) or not all(isinstance(table, dict) for table in found.values()):
        message = f"{name} must hold tables"
        raise PolicyError(message)
    return found


def exactly(table: dict[str, Any], names: set[str], where: str) -> None:
    """Refuse a table that lacks a setting or has one too many. Raises ``PolicyError``."""
    missing, unknown = names - set(table), set(table) - names
    if missing or unknown:
        message = f"{where}: missing settings {sorted(missing)}, unknown settings {sorted(unknown)}"
        raise PolicyError(message)


def numbers(table: dict[str, Any], names: dict[str, tuple[int, int]], where: str) -> dict[str, int]:
    """Give the integers of those names, each within its lowest and highest. Raises ``PolicyError``."""
    for name, (low, high) in names.items():
        value = table[name]
        if type(value) is not int or not low <= value <= high:
            message = f"{where}.{name} must be an integer from {low} to {high}"
            raise PolicyError(message)
    return {name: table[name] for name in names}
