# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title Pays hundreds of addresses in one chain tx, as exchanges do
@license Apache-2.0
@notice Tokens are taken from the caller by its allowance, and move within this one call.
"""


@external
@payable
def disperseEther(to: DynArray[address, 500], amounts: DynArray[uint256, 500]):
    for i: uint256 in range(len(to), bound=500):
        raw_call(to[i], b"", value=amounts[i])


@external
def disperseToken(token: address, to: DynArray[address, 500], amounts: DynArray[uint256, 500]):
    for i: uint256 in range(len(to), bound=500):
        raw_call(
            token,
            abi_encode(msg.sender, to[i], amounts[i], method_id=method_id("transferFrom(address,address,uint256)")),
        )
