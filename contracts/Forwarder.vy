# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title Where a deposit goes from its address
@license Apache-2.0
@notice Every deposit address is a keyless clone of this contract. All that it can do is to send what it holds to the
        treasury, which is part of this contract's code and so of its address. Anyone may ask the factory for that: whoever
        does gains nothing, and pays the gas.
@dev    No owner, no storage, no upgrade, no delegatecall. A failed sweep moves nothing and can be tried again.
"""

# What a deposit is proven by. `amount` is what the treasury's balance grew by, and never more than left this address: what a
# fee took was not received, and what comes to the treasury in the same moment from elsewhere is not this deposit.
event Swept:
    token: indexed(address)  # zero: ETH
    amount: uint256

FACTORY: immutable(address)
TREASURY: public(immutable(address))


@deploy
def __init__(treasury: address):
    FACTORY = msg.sender
    TREASURY = treasury


@external
def sweep(token: address) -> bool:
    """
    @notice Send all that this address holds of `token` (zero: ETH) to the treasury. Only the factory asks, one item at a
            time: a token that calls back cannot sweep within a sweep, where two logs would measure the same money.
    @return Whether it went, or there was nothing to send. A token that refuses gives False, so that it blocks no other.
    """
    assert msg.sender == FACTORY, "only the factory"
    held: uint256 = self._balance(token, self)
    if held == 0:
        return True
    before: uint256 = self._balance(token, TREASURY)
    went: bool = self._send(token, held)
    left: uint256 = self._balance(token, self)
    after: uint256 = self._balance(token, TREASURY)
    if left < held and before < after:
        log Swept(token=token, amount=min(held - left, after - before))
    return went


@internal
def _send(token: address, amount: uint256) -> bool:
    if token == empty(address):
        return raw_call(TREASURY, b"", value=amount, revert_on_failure=False)
    # At most 32 bytes of an answer are copied: a token that returns megabytes makes us pay for none of them.
    ok: bool = False
    answer: Bytes[32] = b""
    ok, answer = raw_call(
        token,
        abi_encode(TREASURY, amount, method_id=method_id("transfer(address,uint256)")),
        max_outsize=32,
        revert_on_failure=False,
    )
    # USDT and its like return nothing; others say False instead of failing.
    return ok and (len(answer) == 0 or convert(answer, uint256) == 1)


@internal
@view
def _balance(token: address, holder: address) -> uint256:
    if token == empty(address):
        return holder.balance
    answer: Bytes[32] = raw_call(
        token,
        abi_encode(holder, method_id=method_id("balanceOf(address)")),
        max_outsize=32,
        is_static_call=True,
    )
    assert len(answer) == 32, "no token"  # an address without code answers nothing
    return convert(answer, uint256)


@external
@payable
def __default__():
    """
    @notice ETH is taken with any data, as it was before this address had code. (Without data a clone does not even call
            us: the 2,300 gas that Solidity's `transfer` leaves would not be enough.)
    """
    pass
