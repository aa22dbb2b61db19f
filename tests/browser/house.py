"""A small platform for the pages: API, watcher and worker as real processes on a real PostgreSQL and a real node."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from strongroom.infra.components.hosting import free_port
from strongroom_client.keys import MerchantKey
from strongroom_client.signing import make_intent, sign_intent, signed_to_json
from strongroom_core.amounts import Amount
from strongroom_core.assets import BITCOIN_REGTEST, REGTEST_BTC
from tests.fixtures.bitcoin import MINER_WALLET, MiningNode
from tests.fixtures.platform import Seller, running, tail, write_settings
from tests.fixtures.postgres import Database

PROCESSES = ("worker", "watcher", "api")
BAKERY, FLORIST, STRANGER = "Bakery", "Florist", "Stranger"
READY_SECONDS = 90.0
CONFIRMATIONS = 2
RATES = {"BTC/EUR": "43000"}


@dataclass
class House:
    """A running platform, its merchants, and what tests do with it."""

    database: Database
    node: MiningNode
    base_url: str
    folder: Path
    sellers: dict[str, Seller] = field(default_factory=dict)

    def call(self, method: str, path: str, seller: str = BAKERY, **options: Any) -> Any:
        """Call the API as a merchant; its JSON."""
        headers = {"Authorization": f"Bearer {self.sellers[seller].token}"}
        answer = httpx.request(
            method, f"{self.base_url}{path}", headers=headers, trust_env=False, timeout=60, **options
        )
        assert answer.is_success, answer.text
        return answer.json()

    def invoice(
        self, amount: str = "12.50", currency: str = "EUR", seller: str = BAKERY, **fields: Any
    ) -> dict[str, Any]:
        """Make an invoice."""
        made: dict[str, Any] = self.call(
            "POST", "/v1/invoices", seller, json={"amount": amount, "currency": currency, "asset": "BTC", **fields}
        )
        return made

    def pay(self, invoice: dict[str, Any], base_units: int | None = None, **options: bool) -> str:
        """Pay an invoice on the node from the miner's wallet, in full where no amount is given; the txid."""
        due = int(invoice["amount_due_base_units"])
        return self.node.pay(invoice["address"], due if base_units is None else base_units, **options)

    def payout(self, base_units: int, seller: str) -> dict[str, Any]:
        """Send a payout that a merchant signed to the miner."""
        intent = make_intent(
            deployment="pages",
            merchant=self.sellers[seller].merchant.id,
            amount=Amount(REGTEST_BTC, base_units),
            destination=self.node.new_address(),
            fee_ceiling=Amount(REGTEST_BTC, 10_000),
        )
        signed = signed_to_json(sign_intent(intent, MerchantKey.generate()))
        sent: dict[str, Any] = self.call("POST", "/v1/payouts", seller, json={**signed, "kind": "payment"})
        return sent

    def double_spend(self, txid: str) -> str:
        """Replace an unconfirmed payment of the miner by one to itself with a higher fee; the new txid."""
        spent = self.node.rpc("getrawtransaction", txid, True)
        value = sum(output["value"] for output in spent["vout"]) - Decimal("0.0005")
        inputs = [{"txid": item["txid"], "vout": item["vout"], "sequence": 0xFFFFFFFD} for item in spent["vin"]]
        raw = self.node.rpc("createrawtransaction", inputs, [{self.node.new_address(): f"{value:f}"}])
        signed = self.node.rpc("signrawtransactionwithwallet", raw, wallet=MINER_WALLET)
        return str(self.node.rpc("sendrawtransaction", signed["hex"]))

    def time_is_over(self, invoice: dict[str, Any]) -> None:
        """Let an invoice's time have run out; the worker finds it as it finds any other."""
        statement = "UPDATE invoice SET expires_at = now(), due_at = now() WHERE id = %s"
        self.database.execute(statement, invoice["id"])


def chain_of(node: MiningNode) -> dict[str, Any]:
    """The chain's section of the settings: looked at often, confirmed soon."""
    return {
        "rpc_url": node.rpc_url,
        "cookie_file": str(node.cookie_file),
        "zmq_url": node.zmq_url,
        "poll_seconds": 0.2,
        "tiers": [{"confirmations": CONFIRMATIONS}],
    }


@contextmanager
def open_house(database: Database, node: MiningNode, folder: Path) -> Iterator[House]:
    """Start the processes, and stop them at the end."""
    port = free_port()
    config = write_settings(folder, database, port, deployment="pages", rates=RATES, chain=chain_of(node))
    with ExitStack() as stack:
        for name in PROCESSES:
            stack.enter_context(running(name, config, folder / f"{name}.log"))
        house = House(database, node, f"http://127.0.0.1:{port}", folder)
        wait_until_ready(house.base_url, folder, BITCOIN_REGTEST.id)
        yield house


def wait_until_ready(base_url: str, folder: Path, chain: str) -> None:
    """Wait until the API is there and a chain's watcher has caught up; else the logs in the folder say why not."""
    deadline = time.monotonic() + READY_SECONDS
    state = "nothing answered"
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{base_url}/readyz", trust_env=False)
            state = answer.text
            if {item["chain"]: item["status"] for item in answer.json().get("chains", [])}.get(chain) == "ok":
                return
        except httpx.TransportError as error:
            state = str(error)
        time.sleep(0.1)
    logs = "\n".join(tail(path, 1_500) for path in folder.glob("*.log"))
    message = f"the platform is not ready: {state}\n{logs}"
    raise AssertionError(message)
