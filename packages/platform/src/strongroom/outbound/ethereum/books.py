"""What gas costs in the books: an expense, paid out of money that the operator gave to its relayers."""

from __future__ import annotations

from strongroom.chains.ethereum.model import Receipt
from strongroom.infra.database import Connection
from strongroom.ledger import service as ledger
from strongroom.ledger.model import Account, AccountType, LedgerTransaction, Posting
from strongroom.outbound.ethereum.model import RelayNonce
from strongroom_core.amounts import Amount
from strongroom_core.assets import chain_by_id, native_asset


async def post_gas(connection: Connection, nonce: RelayNonce, receipt: Receipt) -> None:
    """Post a final nonce's gas, in wei, once: network fees against house capital.

    Relayers' gas is outside of the books until it is spent, so that spending it is the operator giving it.
    """
    if not receipt.fee:
        return
    asset = native_asset(chain_by_id(nonce.chain))
    fees, capital = (Account(kind, asset) for kind in (AccountType.NETWORK_FEES, AccountType.HOUSE_CAPITAL))
    memo = {"txid": receipt.txid, "relayer": f"0x{nonce.relayer.hex()}", "gas": str(receipt.gas_used)}
    key = f"relay:{nonce.chain}:0x{nonce.relayer.hex()}:{nonce.nonce}"
    transaction = LedgerTransaction("relay-gas", key, (Posting(fees, capital, Amount(asset, receipt.fee)),), memo)
    await ledger.post(connection, [transaction])
