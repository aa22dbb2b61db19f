# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title A token that blocks addresses as USDC does, as sender and as receiver
@license Apache-2.0
@notice Anyone may block: this is for tests. (USDT looks at the sender only: see TetherToken.)
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256

name: public(String[32])
symbol: public(String[12])
decimals: public(uint8)
totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
isBlacklisted: public(HashMap[address, bool])


@deploy
def __init__(name: String[32], symbol: String[12], decimals: uint8):
    self.name = name
    self.symbol = symbol
    self.decimals = decimals


@external
def transfer(to: address, amount: uint256) -> bool:
    self._move(msg.sender, to, amount)
    return True


@external
def transferFrom(sender: address, to: address, amount: uint256) -> bool:
    self.allowance[sender][msg.sender] -= amount
    self._move(sender, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    log Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@external
def mint(to: address, amount: uint256):
    """
    @notice Anyone may: this is for tests.
    """
    self.totalSupply += amount
    self.balanceOf[to] += amount
    log Transfer(sender=empty(address), receiver=to, value=amount)


@external
def setBlacklisted(user: address, listed: bool):
    self.isBlacklisted[user] = listed


@internal
def _move(sender: address, to: address, amount: uint256):
    assert not self.isBlacklisted[sender] and not self.isBlacklisted[to], "Blacklistable: account is blacklisted"
    self.balanceOf[sender] -= amount
    self.balanceOf[to] += amount
    log Transfer(sender=sender, receiver=to, value=amount)
