"""Marks and tags, prepared for many look-ups: 100,000 tags are sorted once, and found by bisection afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strongroom_tracing.clusters.model import Clusters
from strongroom_tracing.exposure.model import By

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Suspects:
    """What to look for: marked outputs, tagged addresses, and the clusters of these (where clusters are given)."""

    labels: Mapping[tuple[By, int], tuple[str, ...]]
    marks: _Numbers
    addresses: _Numbers
    tagged_clusters: _Numbers
    clusters: Clusters | None

    def touched(self, outputs: _Numbers, addresses: _Numbers) -> dict[By, npt.NDArray[np.bool_]]:
        """Say which of these outputs (with these addresses) are marked, tagged, or of a tagged cluster."""
        return {
            By.MARK: _among(self.marks, outputs),
            By.ADDRESS: _among(self.addresses, addresses),
            By.CLUSTER: _among(self.tagged_clusters, self.clusters_of(addresses)),
        }

    def clusters_of(self, addresses: _Numbers) -> _Numbers:
        """Give the clusters' ids.

        An address that came after the clusters were made is alone, without clusters all are.
        """
        if self.clusters is None:
            return addresses
        ids = addresses.copy()
        known = addresses < self.clusters.addresses
        ids[known] = self.clusters.cluster[addresses[known]]
        return ids


def suspects(
    tags: Mapping[int, Sequence[str]],
    marks: Mapping[int, Sequence[str]] | None = None,
    clusters: Clusters | None = None,
) -> Suspects:
    """Prepare tags (labels by address number) and marks (claims by output number).

    With ``clusters`` a tag counts for every address of its cluster; a cluster has all labels of its addresses.
    """
    marks = marks or {}
    labels = {(By.MARK, output): _labels(claims) for output, claims in marks.items()}
    labels |= {(By.ADDRESS, address): _labels(names) for address, names in tags.items()}
    of_clusters: dict[int, list[str]] = {}
    if clusters is not None:
        for address, names in tags.items():
            of_clusters.setdefault(clusters.of(address), []).extend(names)
    labels |= {(By.CLUSTER, cluster): _labels(names) for cluster, names in of_clusters.items()}
    return Suspects(labels, _sorted(marks), _sorted(tags), _sorted(of_clusters), clusters)


def _labels(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _sorted(numbers: Iterable[int]) -> _Numbers:
    return np.array(sorted(numbers), dtype=np.int64)


def _among(known: _Numbers, asked: _Numbers) -> npt.NDArray[np.bool_]:
    if not len(known):
        return np.zeros(len(asked), dtype=np.bool_)
    at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.asarray(known[at] == asked)
