"""What the signer's tests build with: keys, a policy, coins of ours, payments, and PSBTs that can be bent at any byte.

The PSBT writer is the tests' own, so that a mistake of the product's reader does not hide behind its own writer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from embit.script import Script
from embit.transaction import Transaction, TransactionInput, TransactionOutput
from nacl.signing import SigningKey

from strongroom_core.assets import BITCOIN_REGTEST, REGTEST_BTC
from strongroom_core.ids import MerchantId, PayoutId
from strongroom_core.intents import PaymentIntent, SignedIntent
from strongroom_core.messages import Refused, SignRequest, VoidRequest
from strongroom_core.wire import Message
from strongroom_signer import records
from strongroom_signer.chains import PARAMETERS
from strongroom_signer.curve import PrivateNode
from strongroom_signer.decide import Signer
from strongroom_signer.destination import script_of
from strongroom_signer.enrolment import Caps, EnrolledMerchant, check_distinct, render
from strongroom_signer.host import read_books
from strongroom_signer.identity import identity_key
from strongroom_signer.journal import open_writer
from strongroom_signer.keyfile import OpenKey
from strongroom_signer.keyset import KeySet
from strongroom_signer.policy import Policy, parse_policy
from strongroom_signer.psbt import parse_psbt

CHAIN = BITCOIN_REGTEST.id
ASSET = REGTEST_BTC.id
PARAMS = PARAMETERS[CHAIN]
DEPLOYMENT = "test-deployment"
NOW = 1_800_000_000
EXPIRES = NOW + 3_600
MERCHANT = MerchantId("mer_01j9zzzzzzzzzzzzzzzzzzzzz1")
OTHER_MERCHANT = MerchantId("mer_01j9zzzzzzzzzzzzzzzzzzzzz2")
MERCHANT_KEY = SigningKey(b"m" * 32)
OTHER_KEY = SigningKey(b"o" * 32)
SHOP = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
LISTED = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
SATS = 100_000_000
# The header of regtest's first block (bitcoin/src/kernel/chainparams.cpp).
GENESIS = (
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc38"
    "88a51323a9fb8aa4b1e5e4adae5494dffff7f2002000000"
)
#: A signer that judges alone: no peer, no view of a chain, no books of its own. What these rules do has its own tests.
ALONE = """\
time_lock_seconds = 0
operator_quorum = 0
operators = []
switched_off = ["peer-silent", "chain-view", "balance-merchant", "balance-house", "merchant-frozen", "coin-unproven"]
signers = {}
"""
#: A signer without a peer, that signs nothing beyond its own books and its own view of the chain.
KEEPING_BOOKS = """\
time_lock_seconds = 0
operator_quorum = 0
operators = []
switched_off = ["peer-silent"]
signers = {}
"""
#: What every main network asks for.
TRUSTED = f"""\
time_lock_seconds = 86400
operator_quorum = 2
operators = ["{"0" * 64}", "{"3" * 64}"]
signers = {{ A = "{"1" * 64}", B = "{"2" * 64}" }}
"""


def open_key(name: str) -> OpenKey:
    """A key from a seed that everybody knows."""
    seed = hashlib.sha256(f"test key {name}".encode()).digest()
    return OpenKey(name, PrivateNode.from_seed(seed), hashlib.sha256(seed).digest(), identity_key(seed))


KEYS = {name: open_key(name) for name in ("A", "B", "R", "C1", "C2", "C3")}


def account(name: str) -> str:
    return KEYS[name].account_key(CHAIN).text(test=True)


def policy_text(**changes: Any) -> bytes:
    """A policy in TOML; numbers and key lists can be changed by name, and all of ``trust`` at once."""
    trust = changes.pop("trust", ALONE)
    values: dict[str, Any] = {
        "hot": [account(name) for name in ("A", "B", "R")],
        "cold": [account(name) for name in ("C1", "C2", "C3")],
        "dust": 546,
        "max_index_gap": 1000,
        "max_fee_rate": 100,
        "max_fee": 200_000,
        "daily_fee_budget": 500_000,
        "per_payout": 5 * SATS,
        "per_window": 20 * SATS,
        "window_seconds": 86_400,
        "payout_fee": 1_000,
        "confirmations": 2,
        "horizon": 12,
        "checkpoint_height": 0,
        "nodes_min": 2,
        "view_seconds": 3_600,
    } | changes
    keys = {name: "[" + ", ".join(f'"{key}"' for key in values[name]) + "]" for name in ("hot", "cold")}
    chain = "\n".join(f"{name} = {values[name]}" for name in _CHAIN_NUMBERS)
    limits = "\n".join(f"{name} = {values[name]}" for name in _LIMIT_NUMBERS)
    head = f'version = 1\ndeployment = "{DEPLOYMENT}"\n{trust}'
    sets = f'hot = {keys["hot"]}\ncold = {keys["cold"]}\ncheckpoint = "{GENESIS}"'
    return f'{head}[chains."{CHAIN}"]\n{sets}\n{chain}\n[assets."{ASSET}"]\n{limits}\n'.encode()


_CHAIN_NUMBERS = (
    "dust",
    "max_index_gap",
    "max_fee_rate",
    "max_fee",
    "daily_fee_budget",
    "confirmations",
    "horizon",
    "checkpoint_height",
    "nodes_min",
    "view_seconds",
)
_LIMIT_NUMBERS = ("per_payout", "per_window", "window_seconds", "payout_fee")
POLICY = parse_policy(policy_text())
HOT = POLICY.chains[CHAIN].hot
COLD = POLICY.chains[CHAIN].cold


def merchants(
    per_payout: int = 4 * SATS, per_window: int = 10 * SATS, unlisted: int = 8 * SATS
) -> dict[str, EnrolledMerchant]:
    caps = Caps(ASSET, per_payout, per_window, unlisted, (LISTED,))
    return check_distinct(
        [
            EnrolledMerchant(MERCHANT, 2, bytes(MERCHANT_KEY.verify_key), {ASSET: caps}),
            EnrolledMerchant(OTHER_MERCHANT, 3, bytes(OTHER_KEY.verify_key), {ASSET: caps}),
        ]
    )


class Clock:
    """A clock that a test turns."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def enrol(signer: Signer, enrolled: dict[str, EnrolledMerchant]) -> None:
    """Put merchants in force as a statement or a file would; what is in force already is no row again."""
    text = render(enrolled)
    if hashlib.sha256(text).hexdigest() != signer.books.enrolment_hash:
        signer.change(lambda _, now: records.enrolment_row(now, text))
    signer.enrolment = enrolled


@dataclass
class Bench:
    """A signer over a real journal in a folder; ``restart`` closes it and reads everything again."""

    folder: Path
    policy: Policy = POLICY
    name: str = "A"
    clock: Clock = field(default_factory=Clock)
    enrolment: dict[str, EnrolledMerchant] = field(default_factory=merchants)
    text: bytes = field(default_factory=policy_text)
    signer: Signer = field(init=False)

    def __post_init__(self) -> None:
        journal = open_writer(self.folder / "journal.sqlite")
        if not journal.count:
            key = KEYS[self.name]
            journal.append(records.genesis(self.clock.now, self.name, key.master.fingerprint, self.policy, self.text))
        books = read_books(journal)
        self.signer = Signer(KEYS[self.name], self.policy, {}, journal, books, self.clock)
        enrol(self.signer, self.enrolment)

    def restart(self) -> None:
        self.close()
        self.__post_init__()

    def close(self) -> None:
        self.signer.journal.close()

    def ask(self, message: Message) -> Message:
        return self.signer.answer(message)

    def tag(self, message: Message) -> str:
        """The tag of the refusal, or the kind of the answer that is none."""
        answer = self.ask(message)
        return answer.tag if isinstance(answer, Refused) else answer.kind


def intent(**changes: Any) -> PaymentIntent:
    values: dict[str, Any] = {
        "deployment": DEPLOYMENT,
        "merchant": MERCHANT,
        "payout": PayoutId.new(),
        "asset": ASSET,
        "amount": SATS,
        "destination": SHOP,
        "tag": "",
        "fee_ceiling": 1_000,
        "expires_at": EXPIRES,
    }
    return PaymentIntent(**(values | changes))


def sign(payment: PaymentIntent, key: SigningKey | None = None) -> SignedIntent:
    if key is None:
        key = OTHER_KEY if payment.merchant == OTHER_MERCHANT else MERCHANT_KEY
    data = payment.encode()
    return SignedIntent(data, bytes(key.verify_key), bytes(key.sign(data).signature))


@dataclass(frozen=True)
class Coin:
    """A coin: its whole previous chain tx, which output, and where it stands in its key set."""

    previous: bytes
    txid: str
    index: int
    amount: int
    branch: int
    place: int
    key_set: KeySet = HOT


def coin(amount: int = 3 * SATS, branch: int = 2, place: int = 0, salt: int = 0, key_set: KeySet = HOT) -> Coin:
    """A coin that some previous chain tx pays to us; ``salt`` makes different ones."""
    spent = TransactionInput(hashlib.sha256(b"spent %d" % salt).digest(), 0, sequence=0xFFFFFFFE)
    outputs = [
        TransactionOutput(4_321, Script(script_of(SHOP, PARAMS))),
        TransactionOutput(amount, Script(key_set.script(branch, place))),
    ]
    tx = Transaction(version=2, vin=[spent], vout=outputs, locktime=0)
    return Coin(tx.serialize(), tx.txid().hex(), 1, amount, branch, place, key_set)


@dataclass(frozen=True)
class Pay:
    """An output: an amount to a script; ``at`` is where the PSBT claims that it stands: key set, branch, index."""

    amount: int
    script: bytes
    at: tuple[KeySet, int, int] | None = None


def to(address: str, amount: int) -> Pay:
    return Pay(amount, script_of(address, PARAMS))


def change(amount: int, index: int = 0, branch: int = 0, key_set: KeySet = HOT) -> Pay:
    return Pay(amount, key_set.script(branch, index), (key_set, branch, index))


@dataclass(frozen=True)
class Draft:
    """A PSBT before it is bytes; every map can be bent."""

    coins: tuple[Coin, ...]
    pays: tuple[Pay, ...]
    evidence: tuple[SignedIntent, ...] = ()
    version: int = 2
    locktime: int = 0
    sequence: int = 0xFFFFFFFD
    input_changes: dict[bytes, bytes | None] = field(default_factory=dict)
    output_changes: dict[bytes, bytes | None] = field(default_factory=dict)
    global_changes: dict[bytes, bytes | None] = field(default_factory=dict)
    trailing: bytes = b""

    def but(self, **changes: Any) -> Draft:
        return replace(self, **changes)

    @property
    def tx(self) -> Transaction:
        inputs = [TransactionInput(bytes.fromhex(item.txid), item.index, sequence=self.sequence) for item in self.coins]
        outputs = [TransactionOutput(item.amount, Script(item.script)) for item in self.pays]
        return Transaction(version=self.version, vin=inputs, vout=outputs, locktime=self.locktime)

    def encode(self) -> bytes:
        parts = [b"psbt\xff", _map({b"\x00": self.tx.serialize()} | self.global_changes)]
        parts += [_map(_input_map(item) | self.input_changes) for item in self.coins]
        parts += [_map(_output_map(item) | self.output_changes) for item in self.pays]
        return b"".join(parts) + self.trailing

    def request(self, request_id: str = "req", chain: str = CHAIN) -> SignRequest:
        return SignRequest(request_id, chain, self.encode(), self.evidence)


def payout(*intents: PaymentIntent, coins: tuple[Coin, ...] = (), fee: int = 5_000, index: int = 0) -> Draft:
    """The honest draft: every intent paid to the base unit, the rest back to branch 0 of the hot key set."""
    coins = coins or (coin(),)
    paid = sum(item.amount for item in intents)
    rest = sum(item.amount for item in coins) - paid - fee
    pays = tuple(to(item.destination, item.amount) for item in intents)
    return Draft(coins, (*pays, change(rest, index)), tuple(sign(item) for item in intents))


def void(evidence: SignedIntent, request_id: str = "req") -> VoidRequest:
    return VoidRequest(request_id, evidence)


def derivations(key_set: KeySet, branch: int, index: int, key_type: int) -> dict[bytes, bytes | None]:
    fields: dict[bytes, bytes | None] = {}
    for key in key_set.keys:
        public = key.node.child(branch).child(index).public_key
        path = b"".join(step.to_bytes(4, "little") for step in (*key.path, branch, index))
        fields[bytes([key_type]) + public] = key.fingerprint + path
    return fields


def _input_map(item: Coin) -> dict[bytes, bytes | None]:
    return {
        b"\x00": item.previous,
        b"\x05": item.key_set.witness_script(item.branch, item.place),
        **derivations(item.key_set, item.branch, item.place, 6),
    }


def _output_map(item: Pay) -> dict[bytes, bytes | None]:
    if item.at is None:
        return {}
    key_set, branch, index = item.at
    return {b"\x01": key_set.witness_script(branch, index), **derivations(key_set, branch, index, 2)}


def _map(fields: dict[bytes, bytes | None]) -> bytes:
    pairs = [(key, value) for key, value in fields.items() if value is not None]
    return b"".join(string(key) + string(value) for key, value in pairs) + b"\x00"


def string(data: bytes) -> bytes:
    """Bytes with their compact size in front."""
    size = len(data)
    if size < 0xFD:
        return bytes([size]) + data
    if size < 0x10000:
        return b"\xfd" + size.to_bytes(2, "little") + data
    return b"\xfe" + size.to_bytes(4, "little") + data


def signatures(psbt: bytes) -> list[dict[bytes, bytes]]:
    """The partial signatures of each input: public key to DER with its sighash byte."""
    return [{key[1:]: value for key, value in item.items() if key[0] == 2} for item in parse_psbt(psbt).inputs]
