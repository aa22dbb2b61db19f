"""Where marked money lies, as a STIX 2.1 bundle: what platforms of threat intelligence and our own import read.

STIX has no wallet of its own. Indicators are standard all the same, with a pattern on ``cryptocurrency-wallet:value``,
as OpenCTI and others write it, and the chain's CAIP-2 id beside it. Exported are the addresses that hold marked money
or from which it went on unfollowed, never those of services: many people's coins are there. Ids are version 5 UUIDs of
what they name and times are the tip's, so that the same answer gives the same bytes. Source: STIX 2.1 (OASIS), parts
3.1, 4.5 (indicator), 4.7 (identity), 4.16 (report), 9 (patterns).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

import pyarrow as pa

from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, chain_by_id, native_asset
from strongroom_tracing.provenance import Provenance

_NAMESPACE: Final = UUID("c0a47792-e863-4f05-8f67-51e476c61faf")  # made at random once: ours
_SOURCE: Final = "strongroom-trace"
_STANDING: Final = {"held": "holds", "left": "held"}  # tables of an answer: whether the money is there still


def bundle(tables: Mapping[str, pa.Table], provenance: Provenance, at: datetime) -> dict[str, Any]:
    """Give a bundle of an answer of a chain of coins: one indicator for each address and claim, and a report of them.

    ``at`` is the time of the tip, UTC. Raises ``UnknownChainError``.
    """
    time = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    who = {**_head("identity", _SOURCE, time), "name": _SOURCE, "identity_class": "system"}
    common = {"created_by_ref": who["id"], "external_references": [_basis(provenance)]}
    asset = native_asset(chain_by_id(provenance.chain))
    found = [
        _indicator(claim, address, values, provenance, asset, time) | common
        for (claim, address), values in sorted(_sums(tables).items())
    ]
    named = [who["id"], *(one["id"] for one in found)]
    report = {
        **_head("report", provenance.sha256, time),
        "name": f"Marked money on {provenance.chain} at height {provenance.height}",
        "description": f"{_how(provenance)} Addresses that hold marked money, or from which it went on unfollowed.",
        "report_types": ["indicator"],
        "published": time,
        "object_refs": named,
    }
    objects = [who, *found, report | common]
    return {"type": "bundle", "id": _id("bundle", provenance.sha256), "objects": objects}


def _sums(tables: Mapping[str, pa.Table]) -> dict[tuple[str, str], dict[str, int]]:
    """Give base units by claim and address, and by table; what has no address (a fee) is nobody's indicator."""
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name in _STANDING:
        columns = tables[name].select(["claim", "address", "value"]).columns
        for claim, address, value in zip(*(column.to_pylist() for column in columns), strict=True):
            if address is not None:
                found[claim, address][name] += value
    return found


def _indicator(
    claim: str, address: str, values: Mapping[str, int], provenance: Provenance, asset: Asset, time: str
) -> dict[str, Any]:
    what = ", ".join(f"{_STANDING[name]} {Amount(asset, value)}" for name, value in values.items())
    return {
        **_head("indicator", f"{provenance.sha256} {claim} {address}", time),
        "name": f"Marked money of claim {claim}",
        "description": f"{address} {what} of claim {claim}. {_how(provenance)}",
        "indicator_types": ["malicious-activity"],
        "labels": ["theft"],
        "pattern": _pattern((("value", address), ("chain", provenance.chain))),
        "pattern_type": "stix",
        "valid_from": time,
    }


def _how(provenance: Provenance) -> str:
    method = provenance.method
    whole = " Poison names whole outputs: not all of their value was stolen." if method["policy"] == "poison" else ""
    return (
        f"Followed {method['direction']} by {method['policy']}, fees {method['fees']}, through height "
        f"{provenance.height}.{whole}"
    )


def _pattern(said: Iterable[tuple[str, str]]) -> str:
    parts = []
    for name, text in said:
        quoted = text.replace("\\", "\\\\").replace("'", "\\'")
        parts.append(f"cryptocurrency-wallet:{name} = '{quoted}'")
    return f"[{' AND '.join(parts)}]"


def _basis(provenance: Provenance) -> dict[str, Any]:
    return {
        "source_name": _SOURCE,
        "description": "SHA-256 of the provenance: chain, height, data, method, marks, lists",
        "external_id": provenance.sha256,
    }


def _head(kind: str, name: str, time: str) -> dict[str, Any]:
    return {"type": kind, "spec_version": "2.1", "id": _id(kind, name), "created": time, "modified": time}


def _id(kind: str, name: str) -> str:
    return f"{kind}--{uuid5(_NAMESPACE, f'{kind} {name}')}"
