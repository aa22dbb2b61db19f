# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title A token that does to its caller what it can
@license Apache-2.0
@notice Every mode but 0 attacks in `transfer`: burns all gas, returns or reverts with as much data as the gas allows,
        calls a contract of choice (reentrancy) after the money moved or instead of moving it, or answers with a word that
        is neither true nor false.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

HONEST: constant(uint256) = 0
BURNS_GAS: constant(uint256) = 1
RETURNS_MUCH: constant(uint256) = 2
REVERTS_WITH_MUCH: constant(uint256) = 3
CALLS_BACK: constant(uint256) = 4
ANSWERS_TWO: constant(uint256) = 5
BURNS_IN_BALANCE: constant(uint256) = 6
BALANCE_OF_TWO_WORDS: constant(uint256) = 7
CALLS_BACK_IN_VAIN: constant(uint256) = 8
MUCH: constant(uint256) = 65_536

mode: public(uint256)
target: public(address)
callback: public(Bytes[1024])
called_back: public(bool)
balances: HashMap[address, uint256]
sink: uint256


@external
def set_mode(mode: uint256):
    self.mode = mode


@external
def set_callback(target: address, callback: Bytes[1024]):
    self.target = target
    self.callback = callback


@external
def mint(to: address, amount: uint256):
    self.balances[to] += amount
    log Transfer(sender=empty(address), receiver=to, value=amount)


@external
def move(sender: address, to: address, amount: uint256):
    self.balances[sender] -= amount
    self.balances[to] += amount
    log Transfer(sender=sender, receiver=to, value=amount)


@external
@view
def held(user: address) -> uint256:
    return self.balances[user]


@external
@view
@raw_return
def balanceOf(user: address) -> Bytes[64]:
    if self.mode == BURNS_IN_BALANCE:
        for i: uint256 in range(max_value(uint256)):
            assert self.balances[user] < max_value(uint256)
    if self.mode == BALANCE_OF_TWO_WORDS:
        return concat(convert(self.balances[user], bytes32), convert(self.balances[user], bytes32))
    return concat(convert(self.balances[user], bytes32), b"")


@external
@raw_return
def transfer(to: address, amount: uint256) -> Bytes[MUCH]:
    mode: uint256 = self.mode
    if mode == BURNS_GAS:
        for i: uint256 in range(max_value(uint256)):
            self.sink = i
    much: Bytes[MUCH] = b""
    if mode == RETURNS_MUCH or mode == REVERTS_WITH_MUCH:
        much = abi_encode(empty(uint256[MUCH // 32]))
    if mode == REVERTS_WITH_MUCH:
        raw_revert(much)
    if mode == CALLS_BACK_IN_VAIN:
        self.called_back = raw_call(self.target, self.callback, revert_on_failure=False)
        return concat(empty(bytes32), b"")
    self.balances[msg.sender] -= amount
    self.balances[to] += amount
    log Transfer(sender=msg.sender, receiver=to, value=amount)
    if mode == RETURNS_MUCH:
        return much
    if mode == CALLS_BACK:
        self.called_back = raw_call(self.target, self.callback, revert_on_failure=False)
    answer: uint256 = 2 if mode == ANSWERS_TWO else 1
    return concat(convert(answer, bytes32), b"")
