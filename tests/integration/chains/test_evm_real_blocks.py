"""Two real Ethereum blocks, served over HTTP as a node would, become exactly the payments that are known of them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.chains.ethereum.endpoint import Endpoint
from strongroom.chains.ethereum.view import Lens
from strongroom.chains.ethereum.views import read_views
from strongroom.chains.ethereum.watched import Watched
from tests.integration.chains.evm_support import serving

CHAIN = "eip155:1"
COIN = "eip155:1/slip44:60"
HEIGHTS = range(17173049, 17173051)
HELD_BEFORE = 10**40
Row = dict[str, Any]


def _lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass
class Recorded:
    """A node that knows two blocks."""

    blocks: list[Row]
    transactions: list[Row]
    logs: list[Row]
    transfers: list[Row]
    deltas: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def load(cls, folder: Path) -> Recorded:
        parts = ("blocks", "transactions", "logs", "token_transfers")
        blocks, transactions, logs, transfers = (
            _lines(folder / f"eth_17173049_17173050_{part}.json") for part in parts
        )
        recorded = cls(blocks, transactions, logs, transfers)
        for item in recorded.payments:
            recorded.deltas[item["block_hash"], item["token_address"], item["to_address"]] += item["value"]
            recorded.deltas[item["block_hash"], item["token_address"], item["from_address"]] -= item["value"]
        return recorded

    @property
    def payments(self) -> list[Row]:
        """The ERC-20 transfers that move something, as the expected file has them."""
        unique = {(log["block_hash"], log["log_index"]) for log in self.logs if len(log["topics"]) == 4}
        return [
            item
            for item in self.transfers
            if (item["block_hash"], item["log_index"]) not in unique
            and item["value"]
            and item["from_address"] != item["to_address"]
        ]

    def answer(self, body: bytes) -> bytes:
        asked = json.loads(body)
        many = asked if isinstance(asked, list) else [asked]
        methods: dict[str, Callable[..., object]] = {
            "eth_getBlockByNumber": self.block_by_number,
            "eth_getLogs": self.logs_of,
            "eth_getTransactionByHash": self.transaction,
            "eth_getTransactionReceipt": self.receipt,
            "eth_call": self.balance,
        }
        answers = [
            {"jsonrpc": "2.0", "id": one["id"], "result": methods[one["method"]](*one["params"])} for one in many
        ]
        return json.dumps(answers if isinstance(asked, list) else answers[0]).encode()

    def block_by_number(self, number: str, full: bool) -> Row | None:
        for block in self.blocks:
            if hex(block["number"]) == number:
                inside = [tx for tx in self.transactions if tx["block_hash"] == block["hash"]]
                return {
                    "number": number,
                    "hash": block["hash"],
                    "parentHash": block["parent_hash"],
                    "timestamp": hex(block["timestamp"]),
                    "baseFeePerGas": hex(block["base_fee_per_gas"]),
                    "gasLimit": hex(block["gas_limit"]),
                    "transactions": [_tx(tx) if full else tx["hash"] for tx in inside],
                }
        return None

    def logs_of(self, where: Row) -> list[Row]:
        return [
            _log(log)
            for log in self.logs
            if log["block_hash"] == where["blockHash"]
            and log["address"] in where["address"]
            and log["topics"][:1] in [[topic] for topic in where["topics"][0]]
        ]

    def transaction(self, txid: str) -> Row:
        return next(_tx(tx) for tx in self.transactions if tx["hash"] == txid)

    def receipt(self, txid: str) -> Row:
        tx = next(tx for tx in self.transactions if tx["hash"] == txid)
        return {
            **{key: _tx(tx)[key] for key in ("from", "to", "blockHash", "blockNumber", "transactionIndex")},
            "transactionHash": txid,
            "status": hex(tx["receipt_status"]),
            "gasUsed": hex(tx["receipt_gas_used"]),
            "effectiveGasPrice": hex(tx["receipt_effective_gas_price"]),
            "logs": [_log(log) for log in self.logs if log["transaction_hash"] == txid],
        }

    def balance(self, message: Row, place: Row) -> str:
        holder = "0x" + message["data"][-40:]
        held = HELD_BEFORE + sum(
            delta
            for (block_hash, token, address), delta in self.deltas.items()
            if (token, address) == (message["to"], holder) and self._reached(block_hash, place["blockHash"])
        )
        return f"0x{held:064x}"

    def _reached(self, block_hash: str, as_of: str) -> bool:
        """Whether a block counts as of another: these two follow each other."""
        order = [self.blocks[0]["parent_hash"], *(block["hash"] for block in self.blocks)]
        return order.index(block_hash) <= order.index(as_of)


def _tx(tx: Row) -> Row:
    return {
        "hash": tx["hash"],
        "from": tx["from_address"],
        "to": tx["to_address"],
        "nonce": hex(tx["nonce"]),
        "value": hex(tx["value"]),
        "input": tx["input"],
        "blockHash": tx["block_hash"],
        "blockNumber": hex(tx["block_number"]),
        "transactionIndex": hex(tx["transaction_index"]),
    }


def _log(log: Row) -> Row:
    return {
        "address": log["address"],
        "topics": log["topics"],
        "data": log["data"],
        "logIndex": hex(log["log_index"]),
        "transactionHash": log["transaction_hash"],
        "blockHash": log["block_hash"],
    }


def _places(logs: Sequence[Row]) -> dict[tuple[str, int], int]:
    """Give every log its place within its own chain tx."""
    first: dict[str, int] = {}
    for log in logs:
        first[log["transaction_hash"]] = min(first.get(log["transaction_hash"], 10**9), log["log_index"])
    return {(log["block_hash"], log["log_index"]): log["log_index"] - first[log["transaction_hash"]] for log in logs}


async def test_real_blocks_become_exactly_the_known_payments(shared_data: Path) -> None:
    recorded = Recorded.load(shared_data / "evm")
    assert (len(recorded.transactions), len(recorded.logs), len(recorded.transfers)) == (298, 681, 291)
    direct = [tx for tx in recorded.transactions if tx["value"] and tx["receipt_status"] == 1 and tx["to_address"]]
    watched = {item["to_address"] for item in recorded.payments} | {tx["to_address"] for tx in direct}
    tokens = {item["token_address"]: f"{CHAIN}/erc20:{item['token_address']}" for item in recorded.payments}
    lens = Lens(
        1,
        Watched(bytes.fromhex(address[2:]) for address in watched),
        {bytes.fromhex(address[2:]): asset for address, asset in tokens.items()},
        frozenset(),
        COIN,
    )
    with serving(recorded.answer) as url:
        endpoint = Endpoint(1, url, CHAIN)
        views = await read_views(endpoint, lens, HEIGHTS, ranged=False, range_max=100, traced=False)
        await endpoint.close()
    found = Counter(
        (tx.observed.txid, output.vout, "0x" + output.script.hex(), output.asset, output.amount)
        for view in views
        for tx in view.txs
        for output in tx.observed.outputs
    )
    places = _places(recorded.logs)
    expected = Counter(
        (
            item["transaction_hash"],
            places[item["block_hash"], item["log_index"]],
            item["to_address"],
            tokens[item["token_address"]],
            item["value"],
        )
        for item in recorded.payments
    ) + Counter((tx["hash"], 1_000_000, tx["to_address"], COIN, tx["value"]) for tx in direct)
    assert [view.oddities for view in views] == [(), ()]
    assert found == expected
    assert len(expected) == 393
