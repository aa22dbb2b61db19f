# pragma version 0.4.3
# pragma evm-version shanghai
"""
@title Wraps ether one to one, with the events of WETH9
@license Apache-2.0
@notice For tests.
"""

event Transfer:
    src: indexed(address)
    dst: indexed(address)
    wad: uint256

event Deposit:
    dst: indexed(address)
    wad: uint256

event Withdrawal:
    src: indexed(address)
    wad: uint256

balanceOf: public(HashMap[address, uint256])


@external
@payable
def deposit():
    self.balanceOf[msg.sender] += msg.value
    log Deposit(dst=msg.sender, wad=msg.value)


@external
def withdraw(wad: uint256):
    self.balanceOf[msg.sender] -= wad
    raw_call(msg.sender, b"", value=wad)
    log Withdrawal(src=msg.sender, wad=wad)


@external
def transfer(dst: address, wad: uint256) -> bool:
    self.balanceOf[msg.sender] -= wad
    self.balanceOf[dst] += wad
    log Transfer(src=msg.sender, dst=dst, wad=wad)
    return True
