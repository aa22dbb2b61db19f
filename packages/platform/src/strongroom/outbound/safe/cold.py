"""The transactions that the cold Safe's owners are asked to sign offline, as bytes and read back. Pure.

There are three: a refill of the hot Safe, a withdrawal of the house's money, a limit of the allowance. Whatever is not
exactly one of them is refused, since the books would not know what it moved.
"""

from __future__ import annotations

from collections.abc import Iterable

from strongroom.chains.ethereum.contracts import contract
from strongroom.outbound.errors import ColdTransactionError
from strongroom.outbound.safe.model import ColdKind, ColdMove, Contracts, token_of
from strongroom_core.abi import InvalidCallError, pair, read_pair
from strongroom_core.assets import Asset
from strongroom_core.evm import TRANSFER, ZERO_ADDRESS, Call, SafeTx, decode_transfer, encode_transfer


def safe_tx(places: Contracts, nonce: int, move: ColdMove) -> SafeTx:
    """Give the Safe transaction of a move. Raises ``ColdTransactionError`` where it would move nothing out of cold."""
    if move.kind is not ColdKind.LIMIT and (not move.amount or move.to in (ZERO_ADDRESS, places.cold_safe)):
        message = "a transfer moves something, and not to the cold Safe itself or to the zero address"
        raise ColdTransactionError(message)
    return SafeTx.of_calls(places.cold_safe, nonce, (_call(places, move),), places.multisend)


def transfer(places: Contracts, asset: Asset, amount: int, to: bytes) -> ColdMove:
    """Give the move of base units to an address; to the hot Safe it is a refill."""
    return ColdMove(ColdKind.REFILL if to == places.hot_safe else ColdKind.WITHDRAWAL, asset, amount, to)


def limit(places: Contracts, asset: Asset, per_day: int) -> ColdMove:
    """Give the move that sets the allowance of an asset: base units in 24 hours."""
    return ColdMove(ColdKind.LIMIT, asset, per_day, places.allowance)


def read(places: Contracts, held: Iterable[Asset], tx: SafeTx) -> ColdMove:
    """Read what a Safe transaction does. Raises ``ColdTransactionError`` where it is none that ``safe_tx`` makes."""
    by_token = {token_of(asset) or ZERO_ADDRESS: asset for asset in held}
    try:
        move = _guess(places, by_token, tx)
    except (InvalidCallError, KeyError):
        move = None
    if move is None or safe_tx(places, tx.nonce, move) != tx:
        message = (
            "this is no refill, withdrawal or limit of the cold Safe that the settings name, in an asset that they "
            "hold; make it with `strongroom cold propose`"
        )
        raise ColdTransactionError(message)
    return move


def _guess(places: Contracts, by_token: dict[bytes, Asset], tx: SafeTx) -> ColdMove:
    if not tx.data:
        return transfer(places, by_token[ZERO_ADDRESS], tx.value, tx.to)
    if tx.data.startswith(TRANSFER):
        to, amount = decode_transfer(tx.data)
        return transfer(places, by_token[tx.to], amount, to)
    token, per_day = read_pair(_set_limit(), tx.data)
    return limit(places, by_token[token], per_day)


def _call(places: Contracts, move: ColdMove) -> Call:
    token = token_of(move.asset)
    if move.kind is ColdKind.LIMIT:
        return Call(places.allowance, 0, pair(_set_limit(), token or ZERO_ADDRESS, move.amount))
    if token is None:
        return Call(move.to, move.amount, b"")
    return Call(token, 0, encode_transfer(move.to, move.amount))


def _set_limit() -> bytes:
    return contract("Allowance").selector("set_limit")
