"""What a signer sees of every chain of its policy, by its own nodes, asked again and again while it runs."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Final, Protocol

from strongroom_signer.bitcoin_nodes import BitcoinNode
from strongroom_signer.bitcoin_view import BitcoinView
from strongroom_signer.errors import SignerError
from strongroom_signer.evm_nodes import EvmNode
from strongroom_signer.evm_view import EvmView
from strongroom_signer.log import log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from strongroom_signer.links import Links
    from strongroom_signer.policy import ChainPolicy, Policy
    from strongroom_signer.safe_policy import SafePolicy

#: Blocks of test networks come when a test wants; those of main networks every ten seconds at most.
TEST_SECONDS: Final = 1.0
MAIN_SECONDS: Final = 10.0


class View(Protocol):
    """What views of all kinds of chains have in common."""

    def refresh(self) -> None:
        """Ask every node, and agree; never raises."""

    def block(self, height: int) -> bytes | None:
        """Give the hash of the agreed block of a height, 32 bytes as hashed."""

    @property
    def height(self) -> int:
        """The height of the agreed tip; -1 where there is none."""

    @property
    def trouble(self) -> str:
        """Why nothing may be signed, or nothing."""

    @property
    def median_time(self) -> int:
        """A time in unix seconds that is certainly over, by the chain."""


class _Keeper(threading.Thread):
    """Keeps one view fresh until it is stopped, and logs when trouble comes and goes."""

    def __init__(self, chain: str, view: View, pause_seconds: float, tell: Callable[[str], None]) -> None:
        super().__init__(name=f"view {chain}", daemon=True)
        self._chain = chain
        self._view = view
        self._pause_seconds = pause_seconds
        self._tell = tell
        self._stopped = threading.Event()

    def run(self) -> None:
        said = ""
        while not self._stopped.is_set():
            self._view.refresh()
            try:
                self._tell(self._chain)
            except (SignerError, sqlite3.Error) as error:
                # What was not told now is told after the next refresh.
                log("view-not-heard", chain=self._chain, error=str(error))
            trouble = self._view.trouble
            if trouble != said:
                event = "view-in-trouble" if trouble else "view-clear"
                log(event, chain=self._chain, height=self._view.height, reason=trouble)
                said = trouble
            self._stopped.wait(self._pause_seconds)
        if isinstance(self._view, BitcoinView):
            self._view.close()

    def stop(self) -> None:
        self._stopped.set()


class Views:
    """One view for each chain of a policy, each with a thread of its own, so that a slow node delays one chain only."""

    def __init__(self, links: Links, folder: Path, clock: Callable[[], int], tell: Callable[[str], None]) -> None:
        """See nothing yet; ``follow`` says which chains. Headers are kept in ``folder``.

        ``tell`` is called with a chain's id after each refresh of its view, in that view's thread.
        """
        self.views: dict[str, View] = {}
        self._links = links
        self._folder = folder
        self._clock = clock
        self._tell = tell
        self._followed: dict[str, ChainPolicy | SafePolicy] = {}
        self._keepers: dict[str, _Keeper] = {}

    def follow(self, policy: Policy) -> dict[str, View]:
        """See the chains of this policy, and give the views; unchanged ones go on. Raises ``PolicyError``."""
        wanted: dict[str, ChainPolicy | SafePolicy] = {**policy.chains, **policy.safes}
        if wanted == self._followed:
            return self.views
        kept = {chain: view for chain, view in self.views.items() if wanted.get(chain) == self._followed[chain]}
        made = {chain: self._bitcoin(chain, item) for chain, item in policy.chains.items() if chain not in kept}
        made |= {chain: self._evm(chain, item) for chain, item in policy.safes.items() if chain not in kept}
        self._stop(set(self.views) - set(kept))
        test = all(item.parameters.chain.test for item in wanted.values())
        for chain, view in made.items():
            self._keepers[chain] = _Keeper(chain, view, TEST_SECONDS if test else MAIN_SECONDS, self._tell)
            self._keepers[chain].start()
        # Another dictionary: who reads the old one in another thread finds it as it was.
        self.views, self._followed = {**kept, **made}, wanted
        return self.views

    def stop(self) -> None:
        """Let the threads end, each after the refresh that it is in; they die with the process anyway."""
        self._stop(set(self._keepers))

    def _stop(self, chains: set[str]) -> None:
        for chain in chains:
            self._keepers.pop(chain).stop()

    def _bitcoin(self, chain: str, policy: ChainPolicy) -> View:
        nodes = [BitcoinNode(link) for link in self._links.nodes.get(chain, ())]
        return BitcoinView(policy, nodes, self._folder / f"headers-{chain.replace(':', '-')}.bin", self._clock)

    def _evm(self, chain: str, policy: SafePolicy) -> View:
        number = int(chain.partition(":")[2])
        return EvmView(policy, [EvmNode(link, number) for link in self._links.nodes.get(chain, ())], self._clock)
