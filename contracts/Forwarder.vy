# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title Where a deposit goes from its address
@license Apache-2.0
@notice Every deposit address is a keyless clone of this contract. All that it can do is to send what it holds to the
        treasury, which is part of this contract's code and so of its address. Anyone may ask for that: whoever does gains
        nothing, and pays the gas.
@dev    No owner, no storage, no upgrade, no delegatecall. A failed sweep moves nothing and can be tried again.
"""

TREASURY: public(immutable(address))


@deploy
def __init__(treasury: address):
    TREASURY = treasury


@external
def sweep(token: address) -> bool:
    """
    @notice Send all that this address holds of `token` (zero: ETH) to the treasury.
    @return Whether it went, or there was nothing to send. A token that refuses gives False, so that it blocks no other.
    """
    if token == empty(address):
        if self.balance == 0:
            return True
        return raw_call(TREASURY, b"", value=self.balance, revert_on_failure=False)
    # At most 32 bytes of an answer are copied: a token that returns megabytes makes us pay for none of them.
    ok: bool = False
    answer: Bytes[32] = b""
    ok, answer = raw_call(
        token,
        abi_encode(self, method_id=method_id("balanceOf(address)")),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not ok or len(answer) != 32:  # an address without code answers nothing
        return False
    balance: uint256 = convert(answer, uint256)
    if balance == 0:
        return True
    ok, answer = raw_call(
        token,
        abi_encode(TREASURY, balance, method_id=method_id("transfer(address,uint256)")),
        max_outsize=32,
        revert_on_failure=False,
    )
    # USDT and its like return nothing; others say False instead of failing.
    return ok and (len(answer) == 0 or convert(answer, uint256) == 1)


@external
@payable
def __default__():
    """
    @notice ETH is taken with any data, as it was before this address had code. (Without data a clone does not even call
            us: the 2,300 gas that Solidity's `transfer` leaves would not be enough.)
    """
    pass
