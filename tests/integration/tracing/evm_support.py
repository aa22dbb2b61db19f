"""A theft on a real node.

Split inside a contract, wrapped, swapped through a router, cashed inside another contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vyper.compiler import compile_code

from strongroom.chains.ethereum.contracts import Contract, contract
from strongroom_tracing.accounts.genuine import Genuine, Token
from tests.fixtures.ethereum import DevNode

ETHER = 10**18
CONTRACTS = Path(__file__).parent / "contracts"
CHAIN = "eip155:31337"


@cache
def compiled(name: str) -> Contract:
    text = (CONTRACTS / f"{name}.vy").read_text(encoding="utf-8")
    made = compile_code(text, output_formats=["abi", "bytecode"], no_bytecode_metadata=True)
    return Contract(name, tuple(made["abi"]), bytes.fromhex(made["bytecode"].removeprefix("0x")))


def raw(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))


def fresh(name: str) -> str:
    """An address that nobody has a key of."""
    return "0x" + name.encode().rjust(20, b"\x77").hex()


@dataclass
class Theft:
    """The scene; every step is a chain tx whose hash is kept by its name."""

    node: DevNode

    def __post_init__(self) -> None:
        self.victim, self.thief, self.mule, self.house = (name.lower() for name in self.node.dev_accounts()[:4])
        self.exchange, self.friend, self.cold = fresh("exchange"), fresh("friend"), fresh("cold")
        self.txids: dict[str, str] = {}
        self.weth = self._deploy(compiled("Wrapped").init_code())
        self.pool = self._deploy(compiled("Pool").init_code())
        self.router = self._deploy(compiled("Pool").init_code())
        self.token = self._deploy(contract("test/StandardToken").init_code("Test dollar", "TUSD", 6))
        self.disperse = self._deploy(contract("test/Disperse").init_code())
        self.sender = self._deploy(contract("test/EtherSender").init_code())
        mint = contract("test/StandardToken").call("mint", raw(self.pool), 10**12)
        self._send("mint", self.house, self.token, mint)

    @property
    def genuine(self) -> Genuine:
        return Genuine.of(
            [
                Token(CHAIN, self.weth, "WETH", 18, wraps=True, source="this test"),
                Token(CHAIN, self.token, "TUSD", 6, source="this test"),
            ]
        )

    def _deploy(self, code: bytes) -> str:
        receipt = self.node.transact(None, code, sender=self.node.dev_accounts()[3])
        assert receipt["status"] == "0x1"
        return str(receipt["contractAddress"]).lower()

    def _send(self, name: str, sender: str, to: str, data: bytes = b"", value: int = 0) -> dict[str, Any]:
        receipt = self.node.transact(to, data, sender=sender, value=value, gas=1_000_000)
        assert receipt["status"] == "0x1", name
        self.txids[name] = receipt["transactionHash"]
        return receipt

    def steal(self) -> None:
        self._send("theft", self.victim, self.thief, value=100 * ETHER)
        targets = [raw(self.mule), raw(self.friend)]
        call = contract("test/Disperse").call("disperseEther", targets, [59 * ETHER, 40 * ETHER])
        self._send("split", self.thief, self.disperse, call, value=99 * ETHER)  # the rest is for gas

    def launder(self) -> None:
        wrapped = compiled("Wrapped")
        self._send("wrap", self.mule, self.weth, wrapped.call("deposit"), value=30 * ETHER)
        call = compiled("Pool").call(
            "swap_ether", raw(self.pool), raw(self.weth), raw(self.token), 50_000, raw(self.cold)
        )
        self._send("swap", self.mule, self.router, call, value=20 * ETHER)
        self._send("to router", self.mule, self.weth, wrapped.call("transfer", raw(self.router), 10 * ETHER))
        call = compiled("Pool").call("unwrap_to", raw(self.weth), 10 * ETHER, raw(self.exchange))
        self._send("unwrap", self.house, self.router, call)

    def cash(self) -> None:
        call = contract("test/EtherSender").call("pay_deep", raw(self.exchange))
        self._send("cash", self.mule, self.sender, call, value=5 * ETHER)
        undone = contract("test/EtherSender").call("pay_undone", raw(self.exchange))
        self._send("undone", self.mule, self.sender, undone, value=1 * ETHER)
        ending = contract("test/EtherSender").call("pay_by_ending", raw(self.exchange))
        self._send("ending", self.mule, self.sender, ending, value=1 * ETHER)
