"""The corpus of strange tokens: nothing that did not arrive is credited, and nothing that did is missed."""

from __future__ import annotations

from strongroom.chains import service
from strongroom.chains.ethereum.contracts import contract
from strongroom.chains.model import ChainStatus
from strongroom.infra.database import transaction
from tests.fixtures.ethereum_house import stranger, succeeded
from tests.integration.chains.evm_support import CHAIN, EvmScene, asset_of, settings_for, watching
from tests.integration.chains.support import until

PAYER = stranger(1000)


def _send(evm: EvmScene, token: bytes, name: str, to: bytes, amount: int) -> None:
    receipt = evm.house.transact(token, contract(name).call("transfer", to, amount), sender=PAYER)
    assert succeeded(receipt)


async def test_what_arrived_is_what_counts_whatever_the_logs_say(evm: EvmScene) -> None:
    house = evm.house
    net = house.deploy("test/FeeToken", 250, False)
    gross = house.deploy("test/FeeToken", 250, True)
    lying = house.deploy("test/FalseToken", True)
    silent = house.deploy("test/FalseToken", False)
    tether = house.deploy("test/TetherToken", 6)
    ours = {token: stranger(number) for number, token in enumerate((net, gross, lying, silent, tether))}
    evm.watch(*ours.values())
    for token in (net, gross, tether):
        house.mint(token, PAYER, 1_000_000)
    for token in (lying, silent):
        house.transact(token, contract("test/FalseToken").call("setBalance", PAYER, 1_000_000))
    for token, address in ours.items():
        name = "test/FalseToken" if token in (lying, silent) else "test/TetherToken"
        _send(evm, token, name, address, 100_000)
        _send(evm, token, name, address, 33)
    async with watching(evm, settings_for(house, *ours)):
        await evm.synced()
    for token, address in ours.items():
        credited = (await evm.amounts(asset_of(token))).get(address, [])
        assert sum(credited) == house.balance(token, address)
        assert len(credited) == (0 if token in (lying, silent) else 2)


async def test_two_payments_of_a_token_with_a_fee_in_one_block_share_what_arrived(evm: EvmScene) -> None:
    house = evm.house
    gross = house.deploy("test/FeeToken", 1_000, True)
    address = stranger(1)
    evm.watch(address)
    house.mint(gross, PAYER, 1_000_000)
    house.node.rpc("evm_setAutomine", False)
    with house.node.impersonated("0x" + PAYER.hex()) as speaking:
        for amount in (1_000, 3_001):
            house.node.send(
                "0x" + gross.hex(), contract("test/FeeToken").call("transfer", address, amount), sender=speaking
            )
        house.node.mine()
    house.node.rpc("evm_setAutomine", True)
    async with watching(evm, settings_for(house, gross)):
        await evm.synced()
    credited = (await evm.amounts(asset_of(gross)))[address]
    assert sum(credited) == house.balance(gross, address) == 900 + 2_701
    assert credited in ([901, 2_700], [900, 2_701])


async def test_logs_of_others_and_transfers_of_nothing_are_nothing(evm: EvmScene) -> None:
    house = evm.house
    allowed = house.deploy("test/StandardToken", "Allowed", "ALW", 18)
    unknown = house.deploy("test/StandardToken", "Unknown", "UNK", 18)
    spoofer = house.deploy("test/Spoofer")
    address = stranger(1)
    evm.watch(address)
    calls = contract("test/Spoofer")
    assert succeeded(house.transact(spoofer, calls.call("spoof", PAYER, address, 500)))
    assert succeeded(house.transact(spoofer, calls.call("poison", allowed, PAYER, address)))
    house.mint(unknown, address, 700)
    async with watching(evm, settings_for(house, allowed)):
        await evm.synced()
        assert await evm.paid() == []
        house.mint(allowed, address, 900)
        await evm.synced()
    assert await evm.amounts(asset_of(allowed)) == {address: [900]}


async def test_a_paused_or_blacklisting_token_pays_when_it_does(evm: EvmScene) -> None:
    house = evm.house
    tether = house.deploy("test/TetherToken", 6)
    address = stranger(1)
    evm.watch(address)
    house.mint(tether, PAYER, 1_000)
    house.transact(tether, contract("test/TetherToken").call("setPaused", True))
    with house.node.impersonated("0x" + PAYER.hex()) as speaking:
        data = contract("test/TetherToken").call("transfer", address, 400)
        assert not succeeded(house.node.transact("0x" + tether.hex(), data, sender=speaking, gas=200_000))
    house.transact(tether, contract("test/TetherToken").call("setPaused", False))
    _send(evm, tether, "test/TetherToken", address, 400)
    house.transact(tether, contract("test/TetherToken").call("setBlackListed", address, True))
    async with watching(evm, settings_for(house, tether)):
        await evm.synced()
    assert await evm.amounts(asset_of(tether)) == {address: [400]}


async def test_a_token_that_rebases_is_refused_from_the_next_payment_on_and_the_rest_goes_on(evm: EvmScene) -> None:
    house = evm.house
    rebasing = house.deploy("test/RebasingToken")
    honest = house.deploy("test/StandardToken", "Honest", "HON", 18)
    first, second = stranger(1), stranger(2)
    evm.watch(first, second)
    async with watching(evm, settings_for(house, rebasing, honest)):
        house.mint(rebasing, first, 1_000)
        house.mint(honest, first, 1_000)
        await evm.synced()
        house.transact(rebasing, contract("test/RebasingToken").call("rebase", 2 * 10**18))
        house.mint(rebasing, second, 500)
        house.mint(honest, second, 500)
        await evm.synced()
        await evm.said(ChainStatus.OK, f"{asset_of(rebasing)} is refused")
    assert await evm.amounts(asset_of(rebasing)) == {first: [1_000]}
    assert await evm.amounts(asset_of(honest)) == {first: [1_000], second: [500]}
    async with watching(evm, settings_for(house, rebasing, honest)):
        house.mint(rebasing, second, 77)
        await evm.synced()
    assert await evm.amounts(asset_of(rebasing)) == {first: [1_000]}


async def test_a_rebase_while_no_watcher_ran_is_not_credited_and_an_earlier_holder_gives_it_away(evm: EvmScene) -> None:
    house = evm.house
    rebasing = house.deploy("test/RebasingToken")
    first, second = stranger(1), stranger(2)
    evm.watch(first, second)
    async with watching(evm, settings_for(house, rebasing)):
        house.mint(rebasing, first, 1_000)
        await evm.synced()
    async with watching(evm, settings_for(house, rebasing)):
        await evm.synced()
        house.transact(rebasing, contract("test/RebasingToken").call("rebase", 3 * 10**18))
        house.mint(rebasing, second, 600)
        await evm.synced()
    assert await evm.amounts(asset_of(rebasing)) == {first: [1_000]}


async def test_a_token_that_cannot_tell_a_balance_is_refused_and_stops_nobody_else(evm: EvmScene) -> None:
    house = evm.house
    hostile = [house.deploy("test/HostileToken") for _ in range(2)]
    honest = house.deploy("test/StandardToken", "Honest", "HON", 18)
    address = stranger(1)
    evm.watch(address)
    for token, mode in zip(hostile, (6, 7), strict=True):  # burns all gas in balanceOf; answers two words
        house.mint(token, address, 1_000)
        house.transact(token, contract("test/HostileToken").call("set_mode", mode))
        house.mint(token, address, 2_000)
    house.mint(honest, address, 5)
    async with watching(evm, settings_for(house, *hostile, honest)):
        await evm.synced()
        for token in hostile:
            await evm.said(ChainStatus.OK, f"{asset_of(token)} is refused")
    assert await evm.amounts(asset_of(honest)) == {address: [5]}
    for token in hostile:
        assert await evm.amounts(asset_of(token)) == {address: [1_000]}


async def test_a_balance_that_shrank_without_a_transfer_refuses_nobody(evm: EvmScene) -> None:
    """An issuer may destroy what a blocked address holds, as USDT's does."""
    house = evm.house
    token = house.deploy("test/RebasingToken")
    first, second = stranger(1), stranger(2)
    evm.watch(first, second)
    async with watching(evm, settings_for(house, token)):
        house.mint(token, first, 1_000)
        await evm.synced()
        house.transact(token, contract("test/RebasingToken").call("rebase", 10**18 // 2))
        for amount in (500, 77):
            house.mint(token, second, amount)
            await evm.synced()
    assert await evm.amounts(asset_of(token)) == {first: [1_000], second: [500, 77]}


async def test_what_arrived_while_a_token_was_refused_is_told_once_after_it_is_accepted_and_final(
    evm: EvmScene,
) -> None:
    house = evm.house
    token = house.deploy("test/RebasingToken")
    asset = asset_of(token)
    first, second = stranger(1), stranger(2)
    evm.watch(first, second)
    async with watching(evm, settings_for(house, token)):
        house.mint(token, first, 1_000)
        await evm.synced()
        house.transact(token, contract("test/RebasingToken").call("rebase", 2 * 10**18))
        house.mint(token, second, 500)
        house.mint(token, second, 78)
        house.node.mine(5)
        await evm.said(ChainStatus.OK, f"{asset} is refused")
        await evm.synced()
        house.node.reorganise(2)
        await evm.synced()
        async with transaction(evm.worker) as connection:
            assert list(await service.refused_tokens(connection, CHAIN)) == [asset]
        assert await evm.amounts(asset) == {first: [1_000]}
        async with transaction(evm.worker) as connection:
            assert await service.accept_token(connection, CHAIN, asset)
            assert not await service.accept_token(connection, CHAIN, asset)
            assert await service.refused_tokens(connection, CHAIN) == {}

        async def told() -> bool:
            house.node.mine()
            return await evm.amounts(asset) == {first: [1_000], second: [500, 78]}

        await until(told)
        await evm.synced()
        house.node.reorganise(1)
        house.mint(token, second, 6)
        await evm.synced()
        assert {who: sorted(said) for who, said in (await evm.amounts(asset)).items()} == {
            first: [1_000],
            second: [6, 78, 500],
        }
    async with watching(evm, settings_for(house, token)):
        house.node.mine(5)
        await evm.synced()
    assert sum((await evm.amounts(asset))[second]) == house.balance(token, second) == 584
