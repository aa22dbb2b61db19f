"""What the tests of a signer's own books build with: chains that are views, their proofs, and one policy with both.

Blocks, branches and receipts are made by the tests' own hand (``bitcoin_blocks``, ``tries``); the product judges them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from embit import bech32
from embit.script import Script
from embit.transaction import Transaction, TransactionInput, TransactionOutput
from eth_utils.crypto import keccak
from nacl.signing import SigningKey

from strongroom_core.ids import HOUSE_MERCHANT, MerchantId, OrderId
from strongroom_core.intents import PaymentIntent, SignedIntent
from strongroom_core.messages import Refused
from strongroom_core.orders import ConversionOrder
from strongroom_core.proof_messages import (
    ConvertRequest,
    ProofResult,
    ProveConflictsRequest,
    ProveExecutionsRequest,
    Proven,
    ProveReceiptsRequest,
    ProveTxsRequest,
    ReceiptProof,
    TxProof,
)
from strongroom_signer.enrolment import EnrolledMerchant
from strongroom_signer.forwarder import forwarder_address
from strongroom_signer.headers import Header, hash_of
from strongroom_signer.host import read_books
from strongroom_signer.journal import open_reader
from strongroom_signer.keyset import KeySet
from strongroom_signer.policy import Policy, parse_policy
from tests.unit.signer import kit, safe_kit
from tests.unit.signer.bitcoin_blocks import branch_of, header_over, levels_of, txid_of
from tests.unit.signer.kit import ALONE, COLD, HOT, MERCHANT, NOW, SATS, Bench, Coin, intent
from tests.unit.signer.tries import MadeBlock, receipt_bytes

BTC, CHAIN = kit.ASSET, kit.CHAIN
USDT, ETH, EVM = safe_kit.USDT, safe_kit.COIN, safe_kit.CHAIN
HORIZON, DEPTH = 12, 2
FEE, USDT_FEE = 1_000, safe_kit.UNITS // 1_000
PPM = 10_000
OPERATORS = [SigningKey(bytes([number]) * 32) for number in (1, 2, 3)]
HOUSE_PLACE, SHOP_PLACE, OTHER_PLACE = 1, 2, 3
CONVERT_PER_DAY = 2 * SATS
#: One BTC is between 90,000 and 110,000 USDT: ratios of base units bought to base units sold.
BAND = f"""\
[[conversions]]
sell = "{BTC}"
buy = "{USDT}"
least = [900, 1]
most = [1100, 1]
per_day = {CONVERT_PER_DAY}
"""


def policy_text(off: tuple[str, ...] = (), **changes: Any) -> bytes:
    """Bitcoin regtest and an EVM chain, all rules on but those that need a second signer; 1 % of a deposit is a fee."""
    trusted = ALONE.replace("operator_quorum = 0", "operator_quorum = 2").replace(
        "operators = []", f"operators = {[bytes(key.verify_key).hex() for key in OPERATORS]}".replace("'", '"')
    )
    start = trusted.index("switched_off")
    tags = str(["peer-silent", *off]).replace("'", '"')
    trusted = f"{trusted[:start]}switched_off = {tags}\nsigners = {{}}\n"
    text = kit.policy_text(**{"horizon": HORIZON, "confirmations": DEPTH, **changes}).decode()
    text = text.replace(ALONE, trusted).rstrip() + f"\ndeposit_fee_ppm = {PPM}\n"
    evm = safe_kit.policy_text().decode().replace("draw_per_day", f"deposit_fee_ppm = {PPM}\ndraw_per_day")
    return (text + evm[evm.index("[chains.") :] + BAND).encode()


def merchants() -> dict[str, EnrolledMerchant]:
    """The two merchants, with caps of bitcoin and of every asset of the EVM chain."""
    tokens = safe_kit.merchants()
    rows = kit.merchants(50 * SATS, 100 * SATS, 100 * SATS)
    return {name: replace(row, caps={**row.caps, **tokens[name].caps}) for name, row in rows.items()}


@dataclass
class BitcoinChain:
    """A chain of made-up headers that is a view of itself: no work, everything else as the product reads it."""

    blocks: list[tuple[Header, list[bytes]]] = field(default_factory=list)
    trouble: str = ""
    median_time: int = 0
    salt: int = 0

    def __post_init__(self) -> None:
        self.mine(20)

    @property
    def height(self) -> int:
        return len(self.blocks) - 1

    def refresh(self) -> None:
        """Nobody to ask."""

    def find(self, block: bytes) -> Header | None:
        return next((header for header, _ in self.blocks if header.hash == block), None)

    def block(self, height: int) -> bytes | None:
        return self.blocks[height][0].hash if 0 <= height < len(self.blocks) else None

    def header(self, height: int) -> bytes | None:
        return self.blocks[height][0].raw if 0 <= height < len(self.blocks) else None

    def height_of(self, block: bytes) -> int | None:
        found = self.find(block)
        return found.height if found else None

    def mine(self, count: int = 1, *txs: bytes) -> int:
        """Mine the chain txs in one block and empty ones above it; the height of the first."""
        first = len(self.blocks)
        for number in range(count):
            self.salt += 1
            held = [coinbase(self.salt), *(txs if number == 0 else ())]
            raw = header_over(levels_of([txid_of(tx) for tx in held])[-1][0])
            self.blocks.append((Header(raw, hash_of(raw), len(self.blocks), 0), held))
        return first

    def cut(self, depth: int) -> list[bytes]:
        """Let the last blocks leave the chain; give their chain txs."""
        gone = [tx for _, txs in self.blocks[-depth:] for tx in txs[1:]]
        del self.blocks[-depth:]
        return gone

    def holds(self, raw: bytes) -> bool:
        return any(raw in txs for _, txs in self.blocks)

    def proof(self, raw: bytes, output: int = 0, place: tuple[str, int, int] = ("hot", 0, 0)) -> TxProof:
        header, txs = next(item for item in self.blocks if raw in item[1])
        at = txs.index(raw)
        branch = branch_of([txid_of(tx) for tx in txs], at)
        return TxProof(raw, header.hash, header.height, at, branch, output, *place)


def coinbase(salt: int) -> bytes:
    spent = TransactionInput(bytes(32), 0xFFFFFFFF, Script(salt.to_bytes(4, "big")))
    return bytes(Transaction(1, [spent], [TransactionOutput(50 * SATS, Script(b"\x51"))], 0).serialize())


def key_set_name(key_set: KeySet) -> str:
    return "cold" if key_set is COLD else "hot"


@dataclass
class EvmChain:
    """Finalized blocks of receipts that are a view of themselves."""

    blocks: dict[int, MadeBlock] = field(default_factory=dict)
    height: int = 7
    trouble: str = ""
    median_time: int = 0

    def refresh(self) -> None:
        """Nobody to ask."""

    def block(self, number: int) -> bytes | None:
        made = self.blocks.get(number)
        return made.hash if made is not None and number <= self.height else None

    def put(self, *logs: dict[str, Any], status: str = "0x1") -> MadeBlock:
        """One block with one receipt of these logs."""
        receipt = {"status": status, "cumulativeGasUsed": "0x5208", "type": "0x2", "logs": list(logs)}
        self.height += 1
        self.blocks[self.height] = MadeBlock((receipt_bytes(receipt),), number=self.height)
        return self.blocks[self.height]


def swept(asset: str, amount: int, branch: int, index: int = 0) -> dict[str, Any]:
    """The event of the forwarder at that place."""
    house = safe_kit.HOUSE
    token = bytes(20) if asset == ETH else bytes.fromhex(asset[-40:])
    emitter = forwarder_address(house.factory, house.cold_safe, branch, index)
    topics = [keccak(text="Swept(address,uint256)"), bytes(12) + token]
    return _log(emitter, topics, amount.to_bytes(32, "big"))


def executed(effect: bytes, safe: bytes = safe_kit.HOUSE.hot_safe) -> dict[str, Any]:
    return _log(safe, [keccak(text="ExecutionSuccess(bytes32,uint256)"), effect], bytes(32))


def _log(emitter: bytes, topics: list[bytes], data: bytes) -> dict[str, Any]:
    return {
        "address": "0x" + emitter.hex(),
        "topics": ["0x" + bytes(item).hex() for item in topics],
        "data": "0x" + data.hex(),
    }


@dataclass
class World:
    """A signer with books of its own, and the two chains that it sees."""

    folder: Path
    off: tuple[str, ...] = ()
    bitcoin: BitcoinChain = field(default_factory=BitcoinChain)
    evm: EvmChain = field(default_factory=EvmChain)
    changes: dict[str, Any] = field(default_factory=dict)
    bench: Bench = field(init=False)
    salt: int = 0

    def __post_init__(self) -> None:
        text = policy_text(self.off, **self.changes)
        self.bench = Bench(self.folder, parse_policy(text), enrolment=merchants(), text=text)
        self._look()

    def _look(self) -> None:
        self.bench.signer.views = {CHAIN: self.bitcoin, EVM: self.evm}

    @property
    def policy(self) -> Policy:
        return self.bench.policy

    def restart(self) -> None:
        self.bench.restart()
        self._look()

    def close(self) -> None:
        self.bench.close()

    def balance(self, holder: str, asset: str = BTC) -> int:
        return self.bench.signer.books.money.get(holder, asset)

    def coin(self, amount: int, branch: int = SHOP_PLACE, index: int = 0, key_set: KeySet = HOT) -> Coin:
        """A coin that nobody told the chain of yet."""
        self.salt += 1
        return kit.coin(amount, branch, index, self.salt, key_set)

    def fund(self, amount: int, branch: int = SHOP_PLACE, deep: int = HORIZON, key_set: KeySet = HOT) -> Coin:
        """A proven coin of a branch, that deep."""
        made = self.coin(amount, branch, key_set=key_set)
        self.bitcoin.mine(deep, made.previous)
        assert self.prove(made).tag == "", self.prove(made)
        return made

    def proof_of(self, coin: Coin) -> TxProof:
        place = (key_set_name(coin.key_set), coin.branch, coin.place)
        return self.bitcoin.proof(coin.previous, coin.index, place)

    def prove(self, coin: Coin) -> ProofResult:
        return self.prove_all(self.proof_of(coin))[0]

    def prove_all(self, *proofs: TxProof) -> tuple[ProofResult, ...]:
        return _results(self.bench.ask(ProveTxsRequest("req", CHAIN, proofs)))

    def conflict(self, *raws: bytes) -> tuple[ProofResult, ...]:
        proofs = tuple(self.bitcoin.proof(raw) for raw in raws)
        return _results(self.bench.ask(ProveConflictsRequest("req", CHAIN, proofs)))

    def sweep_in(self, asset: str, amount: int, branch: int = SHOP_PLACE) -> ProofResult:
        return self.prove_receipts(self.evm.put(swept(asset, amount, branch)).proof(0, branch=branch))[0]

    def prove_receipts(self, *proofs: ReceiptProof) -> tuple[ProofResult, ...]:
        return _results(self.bench.ask(ProveReceiptsRequest("req", EVM, proofs)))

    def execute(self, effect: bytes, **changes: Any) -> ProofResult:
        proof = self.evm.put(executed(effect, **changes)).proof(0)
        return _results(self.bench.ask(ProveExecutionsRequest("req", EVM, (proof,))))[0]

    def convert(self, order: ConversionOrder, key: SigningKey | None = None) -> str:
        return self.bench.tag(ConvertRequest("req", sign_order(order, key)))


def _results(answer: Any) -> tuple[ProofResult, ...]:
    assert isinstance(answer, Proven), answer
    return answer.results


def refusal(answer: Any) -> tuple[str, str]:
    assert isinstance(answer, Refused), answer
    return answer.tag, answer.reason


def order(**changes: Any) -> ConversionOrder:
    """Half a BTC for 50,000 USDT."""
    values: dict[str, Any] = {
        "deployment": kit.DEPLOYMENT,
        "merchant": MERCHANT,
        "order": OrderId.new(),
        "sell_asset": BTC,
        "sell_amount": SATS // 2,
        "buy_asset": USDT,
        "buy_amount": SATS // 2 * 1_000,
        "expires_at": NOW + 3_600,
    }
    return ConversionOrder(**(values | changes))


def sign_order(made: ConversionOrder, key: SigningKey | None = None) -> SignedIntent:
    signer = key or (kit.OTHER_KEY if made.merchant == kit.OTHER_MERCHANT else kit.MERCHANT_KEY)
    data = made.encode()
    return SignedIntent(data, bytes(signer.verify_key), bytes(signer.sign(data).signature))


def house_intent(**changes: Any) -> PaymentIntent:
    return intent(merchant=MerchantId(HOUSE_MERCHANT), **changes)


def signed_by(payment: PaymentIntent, *keys: SigningKey) -> tuple[SignedIntent, ...]:
    return tuple(kit.sign(payment, key) for key in keys)


def foreign(*pays: kit.Pay, spends: tuple[tuple[str, int], ...] = (), salt: int = 0) -> bytes:
    """A chain tx that no signer of ours was asked about."""
    coins = spends or ((hashlib.sha256(b"stranger %d" % salt).hexdigest(), 0),)
    inputs = [TransactionInput(bytes.fromhex(txid), at, sequence=0xFFFFFFFD) for txid, at in coins]
    outputs = [TransactionOutput(item.amount, Script(item.script)) for item in pays]
    return bytes(Transaction(2, inputs, outputs, 0).serialize())


MINER = 5_000


def net(amount: int) -> int:
    """What a merchant gets of a deposit: 1 % is the house's."""
    return amount - amount // 100


def after_restart(world: World) -> None:
    """The journal alone gives the same balances."""
    before = dict(world.bench.signer.books.balances)
    reader = open_reader(world.folder / "journal.sqlite")
    assert read_books(reader).balances == before
    reader.close()
    world.restart()
    assert world.bench.signer.books.balances == before


def segwit(script: bytes) -> str:
    return str(bech32.encode("bcrt", 0, script[2:]))


def txid_text(raw: bytes) -> str:
    return str(Transaction.parse(raw).txid().hex())
