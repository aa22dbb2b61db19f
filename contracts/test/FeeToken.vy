# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title A token that takes a fee on transfer
@license Apache-2.0
@notice The receiver gets less than was sent. With `logs_gross` the Transfer log states what was sent, not what arrived.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

BASIS_POINTS: constant(uint256) = 10_000

decimals: public(uint8)
totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
fee_bp: public(uint256)
logs_gross: public(bool)


@deploy
def __init__(fee_bp: uint256, logs_gross: bool):
    self.decimals = 18
    self.fee_bp = fee_bp
    self.logs_gross = logs_gross


@external
def transfer(to: address, amount: uint256) -> bool:
    fee: uint256 = amount * self.fee_bp // BASIS_POINTS
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount - fee
    self.totalSupply -= fee
    if self.logs_gross:
        log Transfer(sender=msg.sender, receiver=to, value=amount)
    else:
        log Transfer(sender=msg.sender, receiver=to, value=amount - fee)
        log Transfer(sender=msg.sender, receiver=empty(address), value=fee)
    return True


@external
def mint(to: address, amount: uint256):
    """
    @notice Anyone may: this is for tests.
    """
    self.totalSupply += amount
    self.balanceOf[to] += amount
    log Transfer(sender=empty(address), receiver=to, value=amount)
