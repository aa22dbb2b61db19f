# pragma version 0.4.3
# pragma evm-version shanghai
"""
@title A pool that pays out tokens for ether, and a router in front of it, in one small contract each way
@license Apache-2.0
@notice For tests: prices are what the caller says. `swap_ether` wraps what it is sent and pays it to the pool that `pool`
        names (itself a copy of this contract), which pays tokens to `to` before it is paid.
"""

interface Wrapping:
    def deposit(): payable
    def withdraw(wad: uint256): nonpayable
    def transfer(dst: address, wad: uint256) -> bool: nonpayable

interface Pool:
    def pay(token: address, to: address, amount: uint256, price: uint256): nonpayable

event Swap:
    sender: indexed(address)
    amount0In: uint256
    amount1In: uint256
    amount0Out: uint256
    amount1Out: uint256
    to: indexed(address)


@external
@payable
def __default__():
    pass


@external
def pay(token: address, to: address, amount: uint256, price: uint256):
    extcall Wrapping(token).transfer(to, amount)
    log Swap(sender=msg.sender, amount0In=price, amount1In=0, amount0Out=0, amount1Out=amount, to=to)


@external
@payable
def swap_ether(pool: address, wrapped: address, token: address, amount: uint256, to: address):
    extcall Pool(pool).pay(token, to, amount, msg.value)
    extcall Wrapping(wrapped).deposit(value=msg.value)
    extcall Wrapping(wrapped).transfer(pool, msg.value)


@external
def unwrap_to(wrapped: address, amount: uint256, to: address):
    """
    @notice The caller has sent wrapped ether here before.
    """
    extcall Wrapping(wrapped).withdraw(amount)
    raw_call(to, b"", value=amount)
