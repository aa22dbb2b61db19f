# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title A receiver that takes no ETH
@license Apache-2.0
@notice A treasury like this shows that a failed sweep moves nothing.
"""

taking: public(bool)


@external
def set_taking(taking: bool):
    self.taking = taking


@external
@payable
def __default__():
    assert self.taking
