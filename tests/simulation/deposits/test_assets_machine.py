"""Random histories of an account chain with two tokens, whose chain txs may do something else in another block.

The books of each asset equal a model at every step, whatever is orphaned, done differently, spent, or dies on the way.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from strongroom.infra.settings import Tier
from strongroom.ledger.model import AccountType
from tests.fixtures.devnet import OTHER_TOKEN, TOKEN, devnet, other_token, token
from tests.fixtures.postgres import PostgresCluster
from tests.integration.deposits.feed import fresh_hash, transfers
from tests.simulation.deposits.machine import MERCHANTS, ChainMachine
from tests.simulation.machines import run_machine

ASSETS = (TOKEN, OTHER_TOKEN)
NEEDED = {TOKEN: 1, OTHER_TOKEN: 2}
MINIMUM = {TOKEN: 10_000, OTHER_TOKEN: 10**16}
FEE_PPM = {TOKEN: 10_000, OTHER_TOKEN: 0}
SETTINGS = devnet(
    assets=(
        token(tiers=(Tier(confirmations=1),), deposit_fee_ppm=FEE_PPM[TOKEN]),
        other_token(tiers=(Tier(confirmations=2),)),
    )
)
Transfer = tuple[int, str, int]  # merchant, asset, amount
Sighting = tuple[str, int, Transfer]  # chain tx, place in it, what came
TRANSFERS = st.tuples(
    st.sampled_from(MERCHANTS), st.sampled_from(ASSETS), st.sampled_from([1, 6_000, 9_999, 10_000, 6 * 10**15, 10**17])
)


@dataclass
class Model:
    """The chain as it is, and what of it the books have to say. No code of the product's."""

    blocks: list[list[Sighting]] = field(default_factory=list)
    credited: set[Sighting] = field(default_factory=set)
    orphaned: set[Sighting] = field(default_factory=set)  # since the last step
    spent: Counter[tuple[int, str]] = field(default_factory=Counter)

    def step(self) -> None:
        """What one step of the worker makes of all that happened since the last."""
        self.credited -= self.orphaned
        self.orphaned.clear()
        deep = [
            item
            for depth, block in enumerate(reversed(self.blocks), start=1)
            for item in block
            if item not in self.credited and depth >= NEEDED[item[2][1]]
        ]
        small: Counter[tuple[int, str]] = Counter()
        for _, _, (merchant, asset, amount) in deep:
            small[merchant, asset] += amount if amount < MINIMUM[asset] else 0
        self.credited |= {
            item
            for item in deep
            if item[2][2] >= MINIMUM[item[2][1]] or small[item[2][0], item[2][1]] >= MINIMUM[item[2][1]]
        }

    def worth(self, merchant: int, asset: str) -> int:
        """Available less owed."""
        mine = [amount for _, _, (owner, of, amount) in self.credited if (owner, of) == (merchant, asset)]
        fees = sum(-(-amount * FEE_PPM[asset] // 1_000_000) for amount in mine)
        return sum(mine) - fees - self.spent[merchant, asset]


class AssetsMachine(ChainMachine):
    """An account chain that does what it likes."""

    chain = SETTINGS

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.open: dict[str, list[Transfer]] = {}  # chain txs that are in no block, and what they did last

    def an_empty_block(self) -> None:
        self._connect({})

    def _connect(self, txs: dict[str, list[Transfer]]) -> None:
        self.feed.connect(
            *(
                transfers(*((self.scripts[owner], amount, asset) for owner, asset, amount in done), txid=txid)
                for txid, done in txs.items()
            )
        )
        self.model.blocks.append([(txid, place, item) for txid, done in txs.items() for place, item in enumerate(done)])
        for txid in txs:
            self.open.pop(txid, None)

    @rule(batches=st.lists(st.lists(TRANSFERS, min_size=1, max_size=4), max_size=3))
    def a_block_brings_transfers(self, batches: list[list[Transfer]]) -> None:
        self._connect({f"0x{fresh_hash()}": batch for batch in batches})

    @precondition(lambda self: self.model.blocks)
    @rule(depth=st.integers(1, 3))
    def blocks_are_orphaned(self, depth: int) -> None:
        for _ in range(min(depth, len(self.model.blocks))):
            self.feed.disconnect()
            gone = self.model.blocks.pop()
            self.model.orphaned |= set(gone)
            for txid, _, item in gone:
                self.open.setdefault(txid, []).append(item)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def a_block_takes_them_again_and_some_do_something_else(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.open)), unique=True))
        txs = {txid: list(self.open[txid]) for txid in chosen}
        for txid, done in txs.items():
            for place in range(len(done)):
                if data.draw(st.integers(0, 3)) == 0:
                    done[place] = data.draw(TRANSFERS)
            if data.draw(st.booleans()):
                txs[txid] = done[: data.draw(st.integers(0, len(done)))]
        self._connect({txid: done for txid, done in txs.items() if done})

    @rule(merchant=st.sampled_from(MERCHANTS), asset=st.sampled_from(ASSETS), percent=st.integers(1, 100))
    def a_merchant_spends(self, merchant: int, asset: str, percent: int) -> None:
        amount = self.runner.run(self.bank.available(merchant, asset)) * percent // 100
        if amount:
            self.runner.run(self.bank.spend(amount, merchant, asset))
            self.model.spent[merchant, asset] += amount

    @invariant()
    def each_assets_books_say_what_the_model_says(self) -> None:
        for merchant in MERCHANTS:
            for asset in ASSETS:
                available, owed = self.runner.run(self._balances(merchant, asset))
                assert available >= 0 >= owed
                assert available == 0 or owed == 0
                assert available + owed == self.model.worth(merchant, asset)

    @invariant()
    def the_chain_accounts_hold_what_is_credited(self) -> None:
        for asset in ASSETS:
            credited = sum(amount for _, _, (_, of, amount) in self.model.credited if of == asset)
            assert self.runner.run(self.bank.balance(AccountType.CHAIN_COLD, asset=asset)) == -credited

    @invariant()
    def what_is_credited_is_credited_once(self) -> None:
        rows = self.pg.execute(
            "SELECT d.state = 'credited', (SELECT count(*) FROM deposit_credit c WHERE c.deposit_id = d.id) - "
            "(SELECT count(*) FROM deposit_reversal r WHERE r.deposit_id = d.id) FROM deposit d"
        )
        assert all(left == int(bool(credited)) for credited, left in rows)

    async def _balances(self, merchant: int, asset: str) -> tuple[int, int]:
        return await self.bank.available(merchant, asset), await self.bank.owed(merchant, asset)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_books_of_every_asset_follow_any_history_of_a_chain(postgres_server: PostgresCluster) -> None:
    AssetsMachine.cluster = postgres_server
    run_machine(AssetsMachine, examples=10, steps=25)
