"""What has to stand on the devnet before the first payment: the house's contracts, two tokens, gas for the relayers."""

from __future__ import annotations

from typing import Final

from strongroom.demo.environment import Environment
from strongroom.demo.errors import ObservationError
from strongroom.demo.ethereum import EthereumWorld
from strongroom.demo.ethereum_configuration import (
    RELAYERS,
    TOKENS,
    USDC,
    USDT,
    deployment_of,
    relayer_key_file,
    text,
    token_of,
)
from strongroom.demo.evm_wallet import make_wallet
from strongroom.demo.shopper import Wallets
from strongroom.outbound.ethereum.jobs import make_relayer_key
from strongroom_core.evm import ZERO_ADDRESS

ETHER: Final = 10**18
GAS_MONEY: Final = ETHER
SHOPPER_TOKENS: Final = 10_000_000_000


async def found_house(environment: Environment, world: EthereumWorld) -> str:
    """Send what is missing of the deployment, and give relayers and shopper something to spend; again is harmless."""
    deployment = deployment_of(environment)
    steps = [step for step in (*deployment.steps, *TOKENS) if not await world.has_code(step.makes)]
    # In order: they go into one block, and each finds what the ones before it made.
    sent = [await world.send(step.to, step.data) for step in steps]
    await world.settle(*sent)
    for step in steps:
        if not await world.has_code(step.makes):
            message = f"{step.name} does not stand at {text(step.makes)}"
            raise ObservationError(message)
    await _give(environment, world)
    environment.finish("contracts", supplier=text(make_wallet(environment.root / "shopper" / "supplier.key")))
    return f"Safes {text(deployment.cold_safe)[:10]}… (cold) and {text(deployment.hot_safe)[:10]}… (hot), USDT, USDC"


async def _give(environment: Environment, world: EthereumWorld) -> None:
    shopper = make_wallet(Wallets.of(environment).key_file)
    relayers = [make_relayer_key(relayer_key_file(environment, name)) for name in RELAYERS]
    gifts = [(ZERO_ADDRESS, relayer, GAS_MONEY) for relayer in relayers]
    gifts.append((ZERO_ADDRESS, shopper, 10 * ETHER))
    gifts += [(token_of(asset), shopper, SHOPPER_TOKENS) for asset in (USDT, USDC)]
    poor = [gift for gift in gifts if await world.balance(gift[0], gift[1]) < gift[2] // 2]
    await world.settle(*[await world.pay(*gift) for gift in poor])
