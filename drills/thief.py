"""The thief: wallets of its own, and what it does with parts of ours that it owns."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from drills import measure
from drills.psbt import Coin, Pay, write
from strongroom.chains import service as chains
from strongroom.demo.configuration import ASSET, CHAIN, DATABASE
from strongroom.demo.evm_wallet import make_wallet
from strongroom.infra.components.errors import NodeRpcError
from strongroom.outbound import psbt as assembly
from strongroom_client.keys import MerchantKey
from strongroom_core.errors import StrongroomError
from strongroom_core.intents import SignedIntent
from strongroom_core.messages import Refused, Signed
from strongroom_core.wire import Message
from strongroom_signer.keyfile import OpenKey, open_key
from strongroom_signer.psbt import parse_psbt

if TYPE_CHECKING:
    from drills.world import World

WALLET: Final = "thief"
FEE_PER_INPUT: Final = 400
FEE_BASE: Final = 600
_SILENT: Final = "silent"


@dataclass(slots=True)
class Thief:
    """Where the loot goes, and what was tried with which answers."""

    world: World
    account: bytes
    key: MerchantKey
    tried: list[str] = field(default_factory=list)

    @classmethod
    async def arrive(cls, world: World) -> Thief:
        """Make the thief's wallets."""
        if WALLET not in await world.outside.rpc("listwallets"):
            await world.outside.rpc("createwallet", WALLET)
        account = make_wallet(world.scene.environment.root / "shopper" / "thief.key")
        return cls(world, account, MerchantKey.generate())

    async def bitcoin(self) -> int:
        """Give all base units that the wallet has."""
        found = (await self.world.outside.rpc("getbalances", wallet=WALLET))["mine"]
        return sum(int(found[name].scaleb(ASSET.decimals)) for name in ("trusted", "untrusted_pending", "immature"))

    async def address(self) -> str:
        """Give a fresh address of the thief's."""
        return await self.world.outside.address(WALLET)

    def note(self, what: str, answer: str) -> None:
        """Remember what was tried."""
        self.tried.append(f"{what}: {answer}")

    async def drain(self, what: str, coins: Sequence[Coin], evidence: tuple[SignedIntent, ...] = ()) -> bool:
        """Have the signers sign coins away to the thief, all in one output; broadcast what they sign."""
        filled = await measure.with_previous(self.world, list(coins))
        total = sum(coin.amount for coin in coins) - FEE_BASE - FEE_PER_INPUT * len(coins)
        return await self.demand(what, filled, (Pay(total, _script(await self.address())),), evidence)

    async def pay_intents(self, what: str, evidence: tuple[SignedIntent, ...], pays: Sequence[Pay]) -> bool:
        """Have the signers pay outputs from the fewest hot coins, with change to the change branch."""
        wanted = sum(pay.amount for pay in pays)
        coins: list[Coin] = []
        for coin in await self.world.hot_coins():
            coins.append(coin)
            if sum(item.amount for item in coins) > wanted + FEE_BASE + FEE_PER_INPUT * len(coins) + 10_000:
                break
        filled = await measure.with_previous(self.world, coins)
        rest = sum(coin.amount for coin in coins) - wanted - FEE_BASE - FEE_PER_INPUT * len(coins)
        return await self.demand(what, filled, (*pays, self.change(rest)), evidence)

    def change(self, amount: int, branch: int = 0, key_set: str = "hot", index: int = 0) -> Pay:
        """Make an output to a place in our own key sets, and claim it as such."""
        script = self.world.key_sets[key_set].script(branch, index)
        return Pay(amount, script, measure.Place(key_set, branch, index))

    def draft(self, coins: tuple[Coin, ...], pays: tuple[Pay, ...]) -> bytes:
        """Write the PSBT."""
        return write(coins, pays, self.world.key_sets)

    async def demand(
        self, what: str, coins: tuple[Coin, ...], pays: tuple[Pay, ...], evidence: tuple[SignedIntent, ...] = ()
    ) -> bool:
        """Ask both signers at their own doors; broadcast where both say yes."""
        psbt = self.draft(coins, pays)
        answers = await asyncio.gather(*(self.ask(signer, psbt, evidence) for signer in self.world.signers))
        self.note(what, ", ".join(_word(answer) for answer in answers))
        signed = [answer.psbt for answer in answers if isinstance(answer, Signed)]
        return len(signed) == len(answers) and await self.broadcast(psbt, signed)

    async def ask(self, signer: Any, psbt: bytes, evidence: tuple[SignedIntent, ...]) -> Message | None:
        """Ask one signer; None where it does not answer."""
        try:
            answer: Message = await signer.sign(CHAIN.id, psbt, evidence)
        except StrongroomError:
            return None
        return answer

    async def broadcast(self, psbt: bytes, signed: Sequence[bytes]) -> bool:
        """Complete a chain tx with two signatures and send it through a node of the thief's."""
        try:
            raw = assembly.combine(psbt, signed)
            await self.world.outside.rpc("sendrawtransaction", raw.hex())
        except (StrongroomError, NodeRpcError) as error:
            self.note("broadcast", str(error))
            return False
        return True

    def steal_key(self, name: str) -> OpenKey:
        """Open a signer's key with what lies on its host."""
        environment = self.world.scene.environment
        passphrase = environment.passphrase_file(name).read_bytes().strip()
        return open_key(environment.key_folder(name) / "key.json", passphrase)

    def sign_with(self, key: OpenKey, psbt: bytes) -> bytes:
        """Sign every input with a stolen key and none of our code's rules."""
        account, parsed = key.account(CHAIN.id), parse_psbt(psbt)
        keys, signatures = [], []
        for at, place in enumerate(_places(parsed)):
            node = account.derive(place)
            script, amount = parsed.inputs[at][b"\x05"], _amount(parsed, at)
            keys.append(node.public().public_key)
            signatures.append(node.sign(parsed.tx.digest(at, script, amount)))
        return parsed.with_signatures(keys, signatures)

    def database(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Open the platform's database as its owner; triggers and foreign keys do not bind the thief."""
        connection = self.world.scene.supervisor.postgres.superuser(DATABASE)
        connection.execute("SET session_replication_role = replica")
        return connection


def _script(address: str) -> bytes:
    return chains.address_to_script(CHAIN.id, address)


def to(address: str, amount: int) -> Pay:
    """Make an output to an address text."""
    return Pay(amount, _script(address))


def refusal(answer: Message | None) -> str:
    """Give the tag of a no, or nothing."""
    return answer.tag if isinstance(answer, Refused) else ""


def _word(answer: Message | None) -> str:
    if answer is None:
        return _SILENT
    return refusal(answer) or answer.kind


def _places(parsed: Any) -> list[tuple[int, int]]:
    return [
        next(
            (int.from_bytes(value[-8:-4], "little"), int.from_bytes(value[-4:], "little"))
            for key, value in item.items()
            if key[:1] == b"\x06"
        )
        for item in parsed.inputs
    ]


def _amount(parsed: Any, at: int) -> int:
    # The previous chain tx says what its output holds (BIP 143 signs the amount).
    index: int = parsed.tx.inputs[at].index
    return assembly.outputs_of(parsed.inputs[at][b"\x00"])[index][1]


def folder_of(world: World, name: str) -> Path:
    """Give a signer's folder."""
    return world.scene.environment.key_folder(name)
