# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title Sends ETH in every way that no log tells of
@license Apache-2.0
@notice Inside a call, two calls deep, inside a call that is then undone, with the 2,300 gas of Solidity's `transfer`, and
        by the end of a contract.
"""

interface Self:
    def pay(to: address): payable
    def pay_and_fail(to: address): payable


@external
@payable
def pay(to: address):
    raw_call(to, b"", value=msg.value)


@external
@payable
def pay_twice(to: address):
    raw_call(to, b"", value=msg.value // 2)
    raw_call(to, b"", value=msg.value - msg.value // 2)


@external
@payable
def pay_deep(to: address):
    extcall Self(self).pay(to, value=msg.value)


@external
@payable
def pay_and_fail(to: address):
    raw_call(to, b"", value=msg.value)
    raise "undone"


@external
@payable
def pay_undone(to: address):
    """
    @notice The chain tx succeeds, and the payment in it is undone.
    """
    ok: bool = raw_call(
        self, abi_encode(to, method_id=method_id("pay_and_fail(address)")), value=msg.value, revert_on_failure=False
    )
    assert not ok


@external
@payable
def pay_with_stipend(to: address):
    send(to, msg.value)


@external
@payable
def pay_by_ending(to: address):
    selfdestruct(to)


@external
@payable
def __default__():
    pass
