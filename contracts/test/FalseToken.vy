# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title A token that says False and moves nothing
@license Apache-2.0
@notice With `logs` it writes the Transfer log all the same, which is the worst that it can do.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

decimals: public(uint8)
balanceOf: public(HashMap[address, uint256])
logs: public(bool)


@deploy
def __init__(logs: bool):
    self.decimals = 18
    self.logs = logs


@external
def setBalance(user: address, amount: uint256):
    self.balanceOf[user] = amount


@external
def transfer(to: address, amount: uint256) -> bool:
    if self.logs:
        log Transfer(sender=msg.sender, receiver=to, value=amount)
    return False


@external
def transferFrom(sender: address, to: address, amount: uint256) -> bool:
    if self.logs:
        log Transfer(sender=sender, receiver=to, value=amount)
    return False
