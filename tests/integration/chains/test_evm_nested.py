"""Executions of a Safe inside one another: what was executed is told, and never a nonce that it did not have."""

from __future__ import annotations

from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.owners import owner_signatures
from strongroom.chains.model import UNKNOWN_NONCE
from strongroom_core.evm import Call, SafeTx, encode_exec_transaction, encode_multi_send
from tests.fixtures.ethereum_house import EthereumHouse, stranger, succeeded
from tests.integration.chains.evm_support import EvmScene, settings_for, watching


def _signed(house: EthereumHouse, nonce: int, call: Call) -> tuple[str, bytes]:
    """Sign a Safe transaction of one call: its hash, and the calldata that executes it."""
    safe_tx = SafeTx.of_calls(house.deployment.hot_safe, nonce, (call,), house.deployment.multisend)
    digest = safe_tx.hash(house.node.chain_id, keccak)
    return "0x" + digest.hex(), encode_exec_transaction(safe_tx, owner_signatures(digest, house.hot_keys[:2]))


async def test_an_execution_inside_another_is_told_by_its_hash_without_a_nonce_that_is_not_proven(
    evm: EvmScene,
) -> None:
    """The destination of the first one executes the second while it is paid, and a stranger's contract starts it."""
    house, places = evm.house, evm.house.deployment
    second, inner = _signed(house, 1, Call(stranger(1), 0, b""))
    paid = Call(places.multisend, 0, encode_multi_send((Call(places.hot_safe, 0, inner),)))
    first, outer = _signed(house, 0, paid)
    third, direct = _signed(house, 2, Call(stranger(2), 0, b""))
    assert succeeded(house.transact(places.multisend, encode_multi_send((Call(places.hot_safe, 0, outer),))))
    assert succeeded(house.transact(places.hot_safe, direct))
    assert house.safe_nonce(places.hot_safe) == 3
    async with watching(evm, settings_for(house)):
        await evm.synced()
    told = [(spend.effect, spend.prev_vout, spend.success) for spend in await evm.spends()]
    assert told == [(second, UNKNOWN_NONCE, True), (first, UNKNOWN_NONCE, True), (third, 2, True)]


async def test_an_execution_inside_one_that_was_sent_directly_has_its_nonce(evm: EvmScene) -> None:
    house, places = evm.house, evm.house.deployment
    second, inner = _signed(house, 1, Call(stranger(1), 0, b""))
    first, outer = _signed(house, 0, Call(places.multisend, 0, encode_multi_send((Call(places.hot_safe, 0, inner),))))
    assert succeeded(house.transact(places.hot_safe, outer))
    async with watching(evm, settings_for(house)):
        await evm.synced()
    assert [(spend.effect, spend.prev_vout) for spend in await evm.spends()] == [(second, 1), (first, 0)]
