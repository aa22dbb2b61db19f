# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title What the hot Safe may draw from the cold Safe
@license Apache-2.0
@notice A module of the cold Safe. The hot Safe draws a token (zero: ETH) to itself and to nobody else, at most `per_day`
        at once; what it drew flows back evenly, `per_day` in 24 hours. Whoever steals every online key gets the hot
        balance and what is left here, at any moment no more, and there is no midnight at which the limit doubles.
@dev    No owner but the cold Safe, no upgrade, no delegatecall. It has power only while the cold Safe has it enabled.
"""

interface Safe:
    def execTransactionFromModuleReturnData(
        to: address, amount: uint256, data: Bytes[68], operation: uint8
    ) -> (bool, Bytes[64]): nonpayable


struct Limit:
    per_day: uint256
    left: uint256  # at `updated`, in base units of the token
    updated: uint256  # a block's time in seconds; zero: never set


event LimitSet:
    token: indexed(address)
    per_day: uint256


event Drawn:
    token: indexed(address)
    amount: uint256


DAY: constant(uint256) = 86_400
CALL: constant(uint8) = 0

COLD: public(immutable(address))
HOT: public(immutable(address))
limits: public(HashMap[address, Limit])


@deploy
def __init__(cold: address, hot: address):
    COLD = cold
    HOT = hot


@external
def set_limit(token: address, per_day: uint256):
    """
    @notice Only the cold Safe, by its offline owners. A token's first limit starts full; a change never gives at once.
    """
    assert msg.sender == COLD, "only the cold Safe"
    assert per_day <= convert(max_value(uint128), uint256), "too much"  # so that no later product overflows
    assert token == empty(address) or token.is_contract, "no such token"  # else a draw would move nothing and succeed
    left: uint256 = per_day
    if self.limits[token].updated != 0:
        left = min(self._left(token), per_day)
    self.limits[token] = Limit(per_day=per_day, left=left, updated=block.timestamp)
    log LimitSet(token=token, per_day=per_day)


@external
def draw(token: address, amount: uint256):
    """
    @notice Only the hot Safe, and only to the hot Safe. Fails whole where the limit or the cold Safe has too little.
    """
    assert msg.sender == HOT, "only the hot Safe"
    left: uint256 = self._left(token)
    assert amount <= left, "more than is left"
    self.limits[token].left = left - amount  # before the token is called, so that a call back finds it spent
    self.limits[token].updated = block.timestamp
    ok: bool = False
    answer: Bytes[64] = b""
    if token == empty(address):
        ok, answer = extcall Safe(COLD).execTransactionFromModuleReturnData(HOT, amount, b"", CALL)
        assert ok, "the cold Safe cannot pay"
    else:
        data: Bytes[68] = abi_encode(HOT, amount, method_id=method_id("transfer(address,uint256)"))
        ok, answer = extcall Safe(COLD).execTransactionFromModuleReturnData(token, 0, data, CALL)
        # USDT and its like return nothing; others say False instead of failing.
        assert ok and (len(answer) == 0 or convert(slice(answer, 0, 32), uint256) == 1), "the token refused"
    log Drawn(token=token, amount=amount)


@external
@view
def left(token: address) -> uint256:
    """
    @notice What the hot Safe could draw now, in base units of the token.
    """
    return self._left(token)


@internal
@view
def _left(token: address) -> uint256:
    limit: Limit = self.limits[token]
    flowed: uint256 = limit.per_day * (block.timestamp - limit.updated) // DAY  # rounded down
    return min(limit.per_day, limit.left + flowed)
