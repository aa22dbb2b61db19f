"""Made-up account chains for tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from strongroom_tracing.accounts.genuine import Genuine, Token
from strongroom_tracing.accounts.model import NO_TXID, NOBODY, Kind, Mark, Question, Transfer
from strongroom_tracing.accounts.rows import Row
from strongroom_tracing.accounts.service import in_memory
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.taint.model import Direction, Policy

CHAIN = "eip155:1"
ETH = "eip155:1/slip44:60"
NAMES = ("ann", "bob", "cy", "dee")


def address(name: str) -> bytes:
    return name.encode().rjust(20, b"\x11")


def text(name: str) -> str:
    return "0x" + address(name).hex()


def txid(number: int) -> bytes:
    return number.to_bytes(4, "big") + b"\xaa" * 28


def named(tx: int, part: str, place: int) -> str:
    return f"0x{txid(tx).hex()}:{part}{place}"


WETH, TOKEN = address("weth"), address("token")
WETH_ASSET, TOKEN_ASSET = (f"{CHAIN}/erc20:0x{contract.hex()}" for contract in (WETH, TOKEN))
GENUINE = Genuine.of(
    [
        Token(CHAIN, "0x" + WETH.hex(), "WETH", 18, wraps=True, source="this test"),
        Token(CHAIN, "0x" + TOKEN.hex(), "TOK", 18, source="this test"),
    ]
)


@dataclass
class Ledger:
    """Writes rows as an index would have them. A chain tx is begun with `tx()`, and each is in a block of its own."""

    rows: list[Transfer] = field(default_factory=list)
    number: int = 0
    coins: int = 0
    logs: int = 0

    def tx(self) -> int:
        self.number += 1
        self.coins = self.logs = 0
        return self.number

    def _add(self, kind: Kind, place: int, sender: bytes, recipient: bytes, contract: bytes, value: int) -> str:
        row = Transfer(self.number, 0, kind, place, txid(self.number), sender, recipient, contract, value)
        self.rows.append(row)
        return named(self.number, kind.part, place)

    def coin(self, sender: str, recipient: str, value: int) -> str:
        self.coins += 1
        return self._add(Kind.INTERNAL, self.coins, address(sender), address(recipient), b"", value)

    def gas(self, sender: str, value: int) -> str:
        return self._add(Kind.GAS, 0, address(sender), NOBODY, b"", value)

    def token(self, sender: str, recipient: str, value: int, contract: bytes = TOKEN) -> str:
        self.logs += 1
        payer, payee = (NOBODY if name == "" else address(name) for name in (sender, recipient))
        return self._add(Kind.TOKEN, self.logs, payer, payee, contract, value)

    def wrap(self, who: str, value: int) -> str:
        self.coin(who, "weth", value)
        self.logs += 1
        return self._add(Kind.WRAP, self.logs, WETH, address(who), WETH, value)

    def unwrap(self, who: str, value: int) -> str:
        self.logs += 1
        name = self._add(Kind.UNWRAP, self.logs, address(who), WETH, WETH, value)
        self.coin("weth", who, value)
        return name

    def swap_event(self, pool: str) -> None:
        self.logs += 1
        self._add(Kind.SWAP, self.logs, address(pool), address(pool), b"", 0)

    def issue(self, recipient: str, value: int) -> str:
        self.tx()
        self.rows.append(
            Transfer(self.number, 2**31 - 1, Kind.ISSUED, 0, NO_TXID, NOBODY, address(recipient), b"", value)
        )
        return f"{self.number}:coin0"

    def index(self) -> Transfers:
        return in_memory(CHAIN, self.rows, genuine=GENUINE)


def every(index: Transfers) -> list[Row]:
    """Read each chain tx, and so every row."""
    return [row for tx in range(index.txs) for row in index.rows_of_tx(tx)]


def question(policy: Policy, *marks: Mark, direction: Direction = Direction.FORWARD, **more: object) -> Question:
    return Question(policy, direction, tuple(marks), **more)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Event:
    """One payment of a made-up history; a wrap is one from an address to itself in another asset."""

    tx: int
    payer: str  # empty: nobody
    payer_asset: str
    payee: str  # empty: gas
    payee_asset: str
    value: int
    name: str


History = list[tuple[str, list[tuple[str, str, str, int]]]]
_ACTIONS = st.tuples(
    st.sampled_from(("coin", "coin", "token", "wrap", "unwrap", "weth")),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.integers(1, 12),
)
HISTORIES = st.lists(
    st.tuples(st.sampled_from((*NAMES, "", "issue")), st.lists(_ACTIONS, min_size=1, max_size=5)),
    min_size=2,
    max_size=9,
)


def played(history: History) -> tuple[Transfers, list[Event]]:
    """Write a history as an index, and tell what happened in it, in order."""
    ledger, events = Ledger(), list[Event]()
    for sender, actions in history:
        if sender == "issue":
            name = ledger.issue(actions[0][1], actions[0][3])
            events.append(Event(ledger.number, "", ETH, actions[0][1], ETH, actions[0][3], name))
            continue
        tx = ledger.tx()
        if sender:
            events.append(Event(tx, sender, ETH, "", ETH, 2, ledger.gas(sender, 2)))
        for what, one, other, value in actions:
            events.append(_act(ledger, tx, what, one, other, value))
    return ledger.index(), events


def _act(ledger: Ledger, tx: int, what: str, one: str, other: str, value: int) -> Event:
    if what == "wrap":
        return Event(tx, one, ETH, one, WETH_ASSET, value, ledger.wrap(one, value))
    if what == "unwrap":
        return Event(tx, one, WETH_ASSET, one, ETH, value, ledger.unwrap(one, value))
    if what == "coin":
        return Event(tx, one, ETH, other, ETH, value, ledger.coin(one, other, value))
    if what in ("mint", "burn"):
        one, other = ("", other) if what == "mint" else (one, "zero")
        return Event(
            tx, one, TOKEN_ASSET, other, TOKEN_ASSET, value, ledger.token(one, other.removeprefix("zero"), value)
        )
    contract, asset = (TOKEN, TOKEN_ASSET) if what == "token" else (WETH, WETH_ASSET)
    return Event(tx, one, asset, other, asset, value, ledger.token(one, other, value, contract))
