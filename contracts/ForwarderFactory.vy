# pragma version 0.4.3
# pragma evm-version shanghai
# pragma optimize gas
"""
@title Makes and sweeps deposit addresses
@license Apache-2.0
@notice The address of a forwarder is known before it exists: CREATE2 of this factory, of a salt (merchant branch and
        index), and of a clone of the one implementation, whose own address is CREATE2 of its code and the treasury. So the
        address is bound to the treasury by hashes alone, whoever computes it. It is deployed when first swept.
@dev    No owner, no storage, no upgrade. Anyone may call, but not from within a token (reentrancy): a sweep in a sweep
        fails for its gas.
"""

struct Item:
    branch: uint256  # 1 the house, 2 + n merchant n: as in the key sets of the other chains
    index: uint256
    token: address  # zero: ETH


# The one thing a caller is told. What went is said by each forwarder's own log, Swept.
event SweepFailed:
    forwarder: indexed(address)
    token: indexed(address)


# Exactly these 32 bytes, the ASCII text padded with zeros, begin what a salt is the hash of.
DOMAIN: constant(bytes32) = 0x7374726f6e67726f6f6d20666f72776172646572207631000000000000000000  # "strongroom forwarder v1"

# The clone: EIP-1167 with six bytes before it (CALLDATASIZE PUSH1 5 JUMPI STOP JUMPDEST), by which ETH without data is
# taken at once; the jump target at its end moves with them, from 0x2b to 0x31. The first ten bytes return the other 51.
CLONE_HEAD: constant(Bytes[26]) = x"3d603380600a3d3981f336600557005b363d3d373d3d3d363d73"
CLONE_TAIL: constant(Bytes[15]) = x"5af43d82803e903d91603157fd5bf3"

# What one item may use. A token that burns gas or loops costs its caller this much and stops nobody else.
GAS_PER_ITEM: constant(uint256) = 300_000
# Checked before each item: all but 1/64 of it can be handed on (EIP-150), so an item never fails for a gas limit that a
# wallet estimated from a run in which it failed. More than an item gets: within an item no other can begin, so no two
# Swept logs measure the same growth of the treasury's balance.
GAS_BEFORE_ITEM: constant(uint256) = 310_000
MAX_ITEMS: constant(uint256) = 128  # first sweeps of them all stay below the 2**24 gas of one chain tx (EIP-7825)

IMPLEMENTATION: public(immutable(address))
TREASURY: public(immutable(address))
CLONE_HASH: immutable(bytes32)


@deploy
def __init__(treasury: address, forwarder_code: Bytes[4096]):
    """
    @param forwarder_code  The creation code of Forwarder.vy. Another code makes other addresses: a signer computes them
                           from the code it knows, so a factory that was given another is of no use to anyone.
    """
    assert treasury != empty(address), "no treasury"
    TREASURY = treasury
    IMPLEMENTATION = raw_create(forwarder_code, treasury, salt=empty(bytes32))
    CLONE_HASH = keccak256(concat(CLONE_HEAD, convert(IMPLEMENTATION, bytes20), CLONE_TAIL))


@external
def sweep(items: DynArray[Item, MAX_ITEMS]):
    """
    @notice Send everything of each item's token, at each item's forwarder, to the treasury; forwarders are deployed where
            they are missing. One that fails says so in a log and stops no other.
    """
    for i: uint256 in range(len(items), bound=MAX_ITEMS):
        salt: bytes32 = self._salt(items[i].branch, items[i].index)
        forwarder: address = self._address(salt)
        if not forwarder.is_contract:
            made: address = raw_create(concat(CLONE_HEAD, convert(IMPLEMENTATION, bytes20), CLONE_TAIL), salt=salt)
            assert made == forwarder
        assert msg.gas >= GAS_BEFORE_ITEM, "more gas"
        ok: bool = False
        answer: Bytes[32] = b""
        ok, answer = raw_call(
            forwarder,
            abi_encode(items[i].token, method_id=method_id("sweep(address)")),
            gas=GAS_PER_ITEM,
            max_outsize=32,
            revert_on_failure=False,
        )
        if not ok or convert(answer, uint256) != 1:
            log SweepFailed(forwarder=forwarder, token=items[i].token)


@external
@view
def forwarder_address(branch: uint256, index: uint256) -> address:
    """
    @notice The deposit address of an index of a branch, deployed or not.
    """
    return self._address(self._salt(branch, index))


@internal
@pure
def _salt(branch: uint256, index: uint256) -> bytes32:
    return keccak256(concat(DOMAIN, convert(branch, bytes32), convert(index, bytes32)))


@internal
@view
def _address(salt: bytes32) -> address:
    digest: bytes32 = keccak256(concat(x"ff", convert(self, bytes20), salt, CLONE_HASH))  # EIP-1014
    return convert(convert(digest, uint256) & convert(max_value(uint160), uint256), address)
