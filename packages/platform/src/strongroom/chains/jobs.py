"""What a process runs for a chain."""

from __future__ import annotations

from strongroom.chains.bitcoin.watcher import Watcher
from strongroom.chains.ethereum.watcher import EthereumWatcher
from strongroom.chains.recording.keeping import ProgressCallback
from strongroom.infra.database import Pool
from strongroom.infra.settings import ChainSettings


async def watch_chain(settings: ChainSettings, pool: Pool, progress: ProgressCallback | None = None) -> None:
    """Watch a chain until cancelled; ``pool`` (size 1 is enough) logs in as ``strongroom_watcher``.

    A second watcher of the same chain stands by until the first one's connection ends.
    """
    kind = EthereumWatcher if settings.is_evm else Watcher
    await kind(settings, pool, progress).run()
