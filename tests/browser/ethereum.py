"""A platform that takes stablecoins and ETH: API, watcher and worker as real processes on a real anvil."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from strongroom.chains.ethereum.keccak import keccak
from strongroom.infra.components.hosting import free_port
from strongroom.infra.settings import AssetSettings, ChainSettings, Tier
from strongroom_core.abi import parse_address
from strongroom_core.assets import DEVNET
from strongroom_core.evm import ZERO_ADDRESS
from tests.browser.house import PROCESSES, READY_SECONDS, wait_until_ready
from tests.fixtures.ethereum_house import EthereumHouse
from tests.fixtures.forked import STRONGROOM, command
from tests.fixtures.platform import NO_NODE, running, write_settings
from tests.fixtures.postgres import Database
from tests.integration.chains.evm_support import COIN, asset_of, settings_for

RATES = {"BTC/EUR": "43000", "USDT/USD": "1.0", "USDT/EUR": "0.92", "USDC/USD": "1.0", "ETH/EUR": "2760"}
SALTS = 7_000  # tokens of this house have addresses that no other test's have
CONFIG = "strongroom.toml"
TIERS = (Tier(confirmations=2, amount_max=10**18),)


@dataclass
class EvmHouse:
    """A running platform with one seller, and the chain it takes money on."""

    database: Database
    chain: EthereumHouse
    usdt: bytes
    usdc: bytes
    base_url: str
    metrics_url: str
    folder: Path
    token: str = ""

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Call the API as the seller; its JSON."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.request(
            method, f"{self.base_url}{path}", headers=headers, trust_env=False, timeout=60, **options
        )
        assert answer.is_success, answer.text
        return answer.json()

    def invoice(self, amount: str = "12.50", currency: str = "EUR", **fields: Any) -> dict[str, Any]:
        """Make an invoice, paid in USDT where nothing else is said."""
        body = {"amount": amount, "currency": currency, "asset": "USDT", **fields}
        made: dict[str, Any] = self.call("POST", "/v1/invoices", json=body)
        return made

    def pay(self, invoice: dict[str, Any], base_units: int | None = None, token: bytes | None = None) -> None:
        """Pay an invoice in its asset or in another one, in full where no amount is given."""
        if token is None:
            token = {asset_of(self.usdt): self.usdt, asset_of(self.usdc): self.usdc, COIN: ZERO_ADDRESS}[
                invoice["asset_id"]
            ]
        due = int(invoice["amount_due_base_units"])
        self.chain.pay(token, parse_address(invoice["address"], keccak), due if base_units is None else base_units)

    def command(self, *words: str) -> str:
        """Run the operator's command on this platform; what it prints."""
        done = command(STRONGROOM, *words, "--config", str(self.folder / CONFIG))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def mine(self, blocks: int = 1) -> None:
        self.chain.node.mine(blocks)

    def time_is_over(self, invoice: dict[str, Any]) -> None:
        """Let an invoice's time have run out."""
        statement = "UPDATE invoice SET expires_at = now(), due_at = now() WHERE id = %s"
        self.database.execute(statement, invoice["id"])

    def stand(self, stand: str) -> None:
        """Let the worker find USDT so; the fixed prices of the settings cannot fall."""
        statement = "UPDATE rate_par SET stand = %s, calm_since = NULL WHERE asset = %s"
        self.database.execute(statement, stand, asset_of(self.usdt))
        self.database.execute("SELECT pg_notify('rates', '')")
        deadline = time.monotonic() + READY_SECONDS
        while self._offered() != (stand == "at-par"):
            assert time.monotonic() < deadline, "the API has not heard of it"
            time.sleep(0.1)

    def _offered(self) -> bool:
        headers = {"Authorization": f"Bearer {self.token}"}
        body = {"amount": "5", "currency": "EUR", "asset": "USDT"}
        url = f"{self.base_url}/v1/invoices"
        return httpx.post(url, headers=headers, json=body, trust_env=False, timeout=60).is_success


def chain_of(house: EthereumHouse, usdt: bytes, usdc: bytes) -> ChainSettings:
    """The chain's settings: both tokens, and ETH."""
    tokens = tuple(
        AssetSettings(
            id=asset_of(token),
            code=code,
            decimals=6,
            minimum_deposit=10_000,
            payout_fee=500,
            tiers=TIERS,
            par="USD",
        )
        for code, token in (("USDT", usdt), ("USDC", usdc))
    )
    coin = AssetSettings(id=COIN, code="ETH", decimals=18, minimum_deposit=10**14, payout_fee=10**14, tiers=TIERS)
    return msgspec.structs.replace(settings_for(house), assets=(*tokens, coin))


@contextmanager
def open_evm_house(database: Database, chain: EthereumHouse, folder: Path) -> Iterator[EvmHouse]:
    """Start the processes, and stop them at the end."""
    chain._salts = SALTS
    usdt = chain.deploy("test/TetherToken", 6)
    usdc = chain.deploy("test/StandardToken", "Dollar", "USDC", 6)
    port, metrics = free_port(), free_port()
    config = write_settings(
        folder,
        database,
        port,
        deployment="pages",
        rates=RATES,
        chain=NO_NODE,
        more=(chain_of(chain, usdt, usdc),),
    )
    with config.open("a", encoding="utf-8") as file:
        file.write(f"[metrics]\nport = {metrics}\nrefresh_seconds = 1\n")
    with ExitStack() as stack:
        for name in PROCESSES:
            stack.enter_context(running(name, config, folder / f"{name}.log"))
        house = EvmHouse(database, chain, usdt, usdc, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics}", folder)
        wait_until_ready(house.base_url, folder, DEVNET.id)
        yield house
