"""The chain txs of relayers: EIP-1559, type 2, no value and no access list."""

from __future__ import annotations

from strongroom.outbound.ethereum.keys import RelayerKey
from strongroom.outbound.ethereum.model import RelayNonce, RelayVersion
from strongroom_core.assets import chain_by_id


def sign(key: RelayerKey, nonce: RelayNonce, version: RelayVersion) -> tuple[bytes, str]:
    """Sign one version of a nonce; its raw bytes and its txid, always the same for the same version."""
    fees, access_list = version.fees, ()
    chain = chain_by_id(nonce.chain).evm_id
    return key.sign(
        (chain, nonce.nonce, fees.tip, fees.max_fee, version.gas_limit, version.to, 0, version.data, access_list)
    )
