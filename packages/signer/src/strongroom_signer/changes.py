"""Does a change loosen? Two documents are compared field by field; what is not known to tighten, loosens.

Pure. A change that only tightens gives nobody a power that was not there before, so it may be in force at once; every
other one waits. ``TIGHTER`` names the numbers that have a direction; every other difference loosens, so a setting that
a later release adds waits until somebody has thought about it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from strongroom_core.statements import Document
from strongroom_signer.evm_chains import EVM_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str, ...]

_LOWER: Final = -1
_HIGHER: Final = 1
#: Which way a number must go to tighten, by its name. Fees stand in neither: a higher one takes from the merchants,
#: a lower one from the house. Neither does ``first_nonce``: nonces below a higher one are skipped, above it signed.
TIGHTER: Final = {
    Document.POLICY: {
        "time_lock_seconds": _HIGHER,
        "operator_quorum": _HIGHER,
        "dust": _HIGHER,
        "max_index_gap": _LOWER,
        "max_fee_rate": _LOWER,
        "max_fee": _LOWER,
        "daily_fee_budget": _LOWER,
        "confirmations": _HIGHER,
        "horizon": _HIGHER,
        "nodes_min": _HIGHER,
        "view_seconds": _LOWER,
        "new_nonces_per_day": _LOWER,
        "per_payout": _LOWER,
        "per_window": _LOWER,
        "window_seconds": _HIGHER,
        "draw_per_day": _LOWER,
        "per_day": _LOWER,
    },
    Document.MERCHANTS: {
        "per_payout": _LOWER,
        "per_window": _LOWER,
        "unlisted_per_window": _LOWER,
    },
}
#: Prices [bought, sold]: a band is narrower where its least rises and its most falls.
_RATIOS: Final = {"least": _HIGHER, "most": _LOWER}
#: Lists without an order: an item less tightens. The operators are not among them: who is taken out cannot cancel.
_SETS: Final = frozenset({"switched_off", "destinations"})
_DEFAULTS: Final[dict[str, Any]] = {"switched_off": [], "conversions": []}
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs; ``before`` or ``after`` is empty where it is new or gone."""

    path: str
    before: str
    after: str
    loosens: bool


def compare(document: Document, before: bytes, after: bytes) -> tuple[Difference, ...]:
    """Give every field that differs between two documents, in the order of their paths.

    Both have been read by ``parse_policy`` or ``parse_enrolment`` before; a difference in comments alone is none.
    """
    old, new = (_tree(document, tomllib.loads(text.decode("utf-8"))) for text in (before, after))
    return tuple(sorted(_walk(document, (), old, new), key=lambda item: item.path))


def loosens(differences: tuple[Difference, ...]) -> bool:
    """Whether any of them gives a power that was not there before."""
    return any(item.loosens for item in differences)


def _tree(document: Document, body: dict[str, Any]) -> dict[str, Any]:
    """Give lists of tables as tables by what they are about, and every default its place."""
    if document is Document.MERCHANTS:
        merchants = {row["id"]: {**row, "caps": _by(row.get("caps", []), "asset")} for row in body.get("merchant", [])}
        return {**{name: value for name, value in body.items() if name != "merchant"}, "merchant": merchants}
    filled = {**_DEFAULTS, **body}
    assets = {name: {"deposit_fee_ppm": 0, **table} for name, table in filled["assets"].items()}
    bands = {f"{row['sell']} for {row['buy']}": row for row in filled["conversions"]}
    return {**filled, "assets": assets, "conversions": bands}


def _by(rows: list[dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    return {row[name]: row for row in rows}


def _walk(document: Document, path: Path, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    for name in {**old, **new}:
        here, before, after = (*path, name), old.get(name, _ABSENT), new.get(name, _ABSENT)
        if before == after and type(before) is type(after):
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _walk(document, here, before, after)
            continue
        if before is _ABSENT or after is _ABSENT:
            tightens = after is _ABSENT and _may_go(document, here, old, new)
        else:
            tightens = _tightens(document, name, before, after)
        yield Difference(".".join(here), _shown(before), _shown(after), loosens=not tightens)


def _may_go(document: Document, path: Path, old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether to take this table away tightens: a merchant, its caps of an asset, a price band, a whole chain."""
    match document, path:
        case Document.MERCHANTS, ("merchant", _) | ("merchant", _, "caps", _):
            return True
        case Document.POLICY, ("conversions", _):
            return True
        case Document.POLICY, ("chains", _):
            return True
        case Document.POLICY, ("assets", asset):
            # A token that leaves the allow-list is no contract of the policy any more, so a payout could be addressed
            # to it. Where its chain leaves too, nothing is signed there at all.
            return asset.partition("/")[0] not in EVM_PARAMETERS or _chain_is_gone(asset, old, new)
    return False


def _chain_is_gone(asset: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    chain = asset.partition("/")[0]
    others = (name for name in new if name.partition("/")[0] == chain)
    return asset in old and next(others, None) is None


def _tightens(document: Document, name: str, before: object, after: object) -> bool:
    if name in _SETS and isinstance(before, list) and isinstance(after, list):
        return {str(item) for item in after} <= {str(item) for item in before}
    if name in _RATIOS and isinstance(before, list) and isinstance(after, list):
        # By cross multiplication: exact, as the rule itself compares.
        narrowed: int = (after[0] * before[1] - before[0] * after[1]) * _RATIOS[name]
        return narrowed >= 0
    direction = TIGHTER[document].get(name, 0)
    if direction and type(before) is int and type(after) is int:
        return (after - before) * direction > 0
    return False


def _shown(value: object) -> str:
    if value is _ABSENT:
        return ""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_shown(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    return str(value)
