# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title A token whose balances change without a transfer
@license Apache-2.0
@notice Balances are shares of a total that anyone here may move up or down, without a log of any holder.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

ONE: constant(uint256) = 10**18

decimals: public(uint8)
shares: public(HashMap[address, uint256])
index: public(uint256)  # base units per 10**18 shares


@deploy
def __init__():
    self.decimals = 18
    self.index = ONE


@external
@view
def balanceOf(user: address) -> uint256:
    return self.shares[user] * self.index // ONE


@external
def rebase(index: uint256):
    self.index = index


@external
def mint(to: address, amount: uint256):
    self.shares[to] += amount * ONE // self.index
    log Transfer(sender=empty(address), receiver=to, value=amount)


@external
def transfer(to: address, amount: uint256) -> bool:
    moved: uint256 = amount * ONE // self.index
    self.shares[msg.sender] -= moved
    self.shares[to] += moved
    log Transfer(sender=msg.sender, receiver=to, value=amount)
    return True
