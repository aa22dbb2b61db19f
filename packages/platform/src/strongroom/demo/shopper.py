"""The demonstration's shopper: opens a checkout page, finds what to pay, and pays from a wallet of its own.

A process of its own, with keys of its own: a node that is not the platform's, joined to the platform's by P2P only, for
Bitcoin, and a key in a file for the Ethereum devnet. It knows nothing of the platform but the page's address, as any
payer does.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from strongroom.demo import evm_wallet
from strongroom.demo.bills import BitcoinBill, EthereumBill, open_checkout
from strongroom.demo.environment import Environment
from strongroom.demo.outside import SHOPPER
from strongroom.infra.components.bitcoin_rpc import BitcoinRpc
from strongroom.infra.components.ethereum_rpc import EthereumRpc
from strongroom_core.errors import StrongroomError


@dataclass(frozen=True, slots=True)
class Wallets:
    """Where the shopper's money is: the cookie and port of its Bitcoin node, its Ethereum key and a node to use."""

    cookie_file: Path
    bitcoin_port: int
    key_file: Path
    ethereum_port: int

    @classmethod
    def of(cls, environment: Environment) -> Wallets:
        """Find the wallets of the shopper of an environment."""
        folder, ports = environment.root / "shopper", environment.ports
        cookie = folder / "node" / "regtest" / ".cookie"
        return cls(cookie, ports["outside_rpc"], folder / "ethereum.key", ports["ethereum_rpc"])

    def arguments(self) -> tuple[str, ...]:
        """Say it on a command line."""
        bitcoin = ("--cookie-file", str(self.cookie_file), "--rpc-port", str(self.bitcoin_port))
        return (*bitcoin, "--key-file", str(self.key_file), "--ethereum-port", str(self.ethereum_port))


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment: the txid, the address, and base units."""

    txid: str
    address: str
    units: int


def pay(wallets: Wallets, bill: BitcoinBill | EthereumBill) -> Paid:
    """Pay a bill. Raises ``NodeRpcError`` with the wallet's reason, ``CheckoutError``."""
    if isinstance(bill, EthereumBill):
        txid = evm_wallet.pay(EthereumRpc(wallets.ethereum_port), wallets.key_file, bill)
        return Paid(txid, bill.address, bill.units)
    node = BitcoinRpc(wallets.bitcoin_port, wallets.cookie_file)
    txid = str(node.call("sendtoaddress", bill.address, bill.amount.format(), wallet=SHOPPER))
    return Paid(txid, bill.address, bill.amount.base_units)


def main() -> int:
    """Pay one page; prints the txid as JSON."""
    parser = argparse.ArgumentParser(description="The demonstration's shopper.")
    parser.add_argument("--cookie-file", type=Path, required=True, help="of the shopper's own Bitcoin node")
    parser.add_argument("--rpc-port", type=int, required=True, help="of the shopper's own Bitcoin node")
    parser.add_argument("--key-file", type=Path, required=True, help="the shopper's Ethereum key")
    parser.add_argument("--ethereum-port", type=int, required=True, help="of a node to send through")
    parser.add_argument("checkout", help="the address of a checkout page")
    given = parser.parse_args()
    wallets = Wallets(given.cookie_file, given.rpc_port, given.key_file, given.ethereum_port)
    try:
        paid = pay(wallets, open_checkout(given.checkout))
    except StrongroomError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return 1
    sys.stdout.write(json.dumps({"txid": paid.txid, "address": paid.address, "units": paid.units}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
