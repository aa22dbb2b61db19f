# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title A token that behaves as USDT on Ethereum
@license Apache-2.0
@notice No function returns anything; an allowance changes only from or to zero; addresses can be blacklisted, and all
        transfers paused. All of that by anyone: this is for tests.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

decimals: public(uint8)
totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
isBlackListed: public(HashMap[address, bool])
paused: public(bool)


@deploy
def __init__(decimals: uint8):
    self.decimals = decimals


@external
def transfer(to: address, amount: uint256):
    self._move(msg.sender, to, amount)


@external
def transferFrom(sender: address, to: address, amount: uint256):
    self.allowance[sender][msg.sender] -= amount
    self._move(sender, to, amount)


@external
def approve(spender: address, amount: uint256):
    assert amount == 0 or self.allowance[msg.sender][spender] == 0
    self.allowance[msg.sender][spender] = amount


@external
def setBlackListed(user: address, listed: bool):
    self.isBlackListed[user] = listed


@external
def setPaused(paused: bool):
    self.paused = paused


@external
def mint(to: address, amount: uint256):
    """
    @notice Anyone may: this is for tests.
    """
    self.totalSupply += amount
    self.balanceOf[to] += amount
    log Transfer(sender=empty(address), receiver=to, value=amount)


@internal
def _move(sender: address, to: address, amount: uint256):
    assert not self.paused
    assert not self.isBlackListed[sender]
    self.balanceOf[sender] -= amount
    self.balanceOf[to] += amount
    log Transfer(sender=sender, receiver=to, value=amount)
