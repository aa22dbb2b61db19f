"""The doors of clusters: make them, extend them by new blocks, take blocks back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from strongroom_tracing.clusters.coinjoin import recognise
from strongroom_tracing.clusters.forest import join, settle
from strongroom_tracing.clusters.model import Clusters, Mixing, Settings
from strongroom_tracing.clusters.wasabi import standard_denominations
from strongroom_tracing.columns import Columns

Progress = Callable[[int, int], None]

_STEP: Final = 500_000  # chain txs between two reports of progress
_Numbers = npt.NDArray[np.int64]


def cluster(columns: Columns, settings: Settings | None = None, progress: Progress | None = None) -> Clusters:
    """Cluster the addresses of a chain by multi-input.

    The same chain and settings give the same clusters and witnesses.
    """
    return extend(_nothing(columns, settings or Settings()), columns, progress)


def extend(clusters: Clusters, columns: Columns, progress: Progress | None = None) -> Clusters:
    """Add the chain txs that came since; the same as making clusters of the longer chain anew.

    The shorter chain has to be the beginning of the longer one: after a reorg, ``rewind`` first.
    """
    up = _grown(clusters.up, columns.addresses, -1)
    link = _grown(clusters.link, columns.addresses, -1)
    near = up.copy()
    mixing = np.zeros(columns.txs, dtype=np.uint8)
    mixing[: clusters.txs] = clusters.mixing
    owned = np.ones(columns.addresses, dtype=np.bool_)
    owned[[address for address in clusters.settings.unowned if address < columns.addresses]] = False
    for first in range(clusters.txs, columns.txs, _STEP):
        last = min(first + _STEP, columns.txs)
        recognise_between(columns, clusters.settings, first, last, mixing)
        join(
            _fixed(columns.tx_first_input),
            _fixed(columns.input_spent),
            _fixed(columns.output_address),
            mixing,
            owned,
            first,
            last,
            near,
            up,
            link,
        )
        if progress is not None:
            progress(last, columns.txs)
    follow = np.empty(columns.addresses, dtype=np.int64)
    settle(near, up, follow)
    return Clusters(columns.txs, up, link, near, follow, mixing, clusters.settings, columns)


def rewind(clusters: Clusters, columns: Columns) -> Clusters:
    """Take back the unions of blocks that are no longer there; ``columns`` are the beginning that is left of the chain.

    Possible because the forest is never compressed: a later union changes nothing of an earlier one but sizes.
    """
    inputs = int(columns.tx_first_input[columns.txs])
    up = np.array(clusters.up[: columns.addresses])
    link = np.array(clusters.link[: columns.addresses])
    undone = link >= inputs
    link[undone] = -1
    up[undone] = -1
    root = np.where(up < 0, np.arange(len(up)), up)
    while not np.array_equal(root[root], root):  # doubles the step each time: five rounds for any forest
        root = root[root]
    sizes = np.bincount(root, minlength=len(up)).astype(np.int64)
    near = np.where(up < 0, -sizes, root)
    follow = np.empty(len(up), dtype=np.int64)
    settle(near, up, follow)
    mixing = np.array(clusters.mixing[: columns.txs])
    return Clusters(columns.txs, up, link, near, follow, mixing, clusters.settings, columns)


def recognise_between(
    columns: Columns, settings: Settings, first: int, last: int, mixing: npt.NDArray[np.uint8]
) -> None:
    """Write into ``mixing`` what each chain tx of ``[first, last)`` is, by the rules and by what the caller says."""
    recognise(
        _fixed(columns.block_first_tx),
        _fixed(columns.block_time),
        _fixed(columns.tx_first_input),
        _fixed(columns.tx_first_output),
        _fixed(columns.input_spent),
        _fixed(columns.external_value),
        _fixed(columns.output_value),
        _fixed(columns.output_address),
        _sorted(settings.coordinators),
        standard_denominations(),
        first,
        last,
        mixing,
    )
    for named, kind in ((settings.forced, Mixing.NONE), (settings.excluded, Mixing.EXCLUDED)):
        here = [tx for tx in named if first <= tx < last]
        mixing[here] = kind


def mixings(columns: Columns, settings: Settings | None = None) -> npt.NDArray[np.uint8]:
    """Say of each chain tx what mixing it is, without clustering anything."""
    mixing = np.zeros(columns.txs, dtype=np.uint8)
    recognise_between(columns, settings or Settings(), 0, columns.txs, mixing)
    return mixing


def _nothing(columns: Columns, settings: Settings) -> Clusters:
    none = np.empty(0, dtype=np.int64)
    return Clusters(0, none, none, none, none, np.empty(0, dtype=np.uint8), settings, columns)


def _grown(array: _Numbers, length: int, filling: int) -> _Numbers:
    grown = np.full(length, filling, dtype=np.int64)
    grown[: len(array)] = array
    return grown


def _sorted(numbers: tuple[int, ...]) -> _Numbers:
    return np.array(sorted(set(numbers)), dtype=np.int64)


def _fixed(array: _Numbers) -> _Numbers:
    """Give a read-only view.

    The compiled code knows one kind of array, whether it lies in memory or in a mapped file.
    """
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
