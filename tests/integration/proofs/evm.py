"""A platform on an anvil whose two signers have it as a node of their own, and the provers of its treasury."""

from __future__ import annotations

import json
from collections.abc import Sequence

from strongroom.infra.database import transaction
from strongroom.outbound.signers import SignerClient
from strongroom.proofs.ethereum.scanning import Scanner
from strongroom.proofs.jobs import make_evm_provers, make_scanner
from strongroom.wallets import service as wallets
from strongroom.wallets.model import Purpose, WalletAddress
from tests.integration.outbound.safe.world import CHAIN, HORIZON, SafeWorld, Shop
from tests.integration.proofs.showing import Showing
from tests.integration.signer.processes import SignerProcess


def link(process: SignerProcess, *urls: str) -> None:
    """Tell a signer, that does not run, which nodes are its own."""
    path = process.folder.root / "links.toml"
    path.write_text(f'[nodes."{CHAIN}"]\nurls = {json.dumps(list(urls))}\n', encoding="utf-8")
    path.chmod(0o600)


class EvmShowing(Showing):
    """One prover for each signer, and what finds the logs for them."""

    def __init__(self, world: SafeWorld, signers: Sequence[SignerClient] | None = None) -> None:
        self.world = world  # type: ignore[assignment]  # the other kind of world, with the same parts
        self.safe_world = world
        asked = world.signers if signers is None else signers
        self.scanner: Scanner = make_scanner(world.treasury, world.chain, world.rpc)
        self.provers = make_evm_provers(world.treasury, world.chain, world.rpc, asked, world.clock)

    async def turn(self) -> int:
        """Read what is final, and show what is due, until there is nothing more."""
        while await self.scanner.step():
            pass
        return await super().turn()

    async def deposit(self, shop: Shop, token: bytes, amount: int) -> WalletAddress:
        """Have a payer pay to a fresh address of a merchant."""
        async with transaction(self.safe_world.api) as connection:
            (address,) = await wallets.hand_out(connection, CHAIN, shop.id, Purpose.INVOICE, "test")
        self.safe_world.place.house.pay(token, address.script, amount)
        await self.safe_world.mine()
        return address

    async def gathered(self) -> None:
        world = self.safe_world
        for _ in range(3):
            await world.gather()
            await world.relay()
            await world.mine()
        await world.mine(HORIZON)
        await world.relay()
        await world.gather()
