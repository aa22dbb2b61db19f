"""Addresses and coins of ours: where an address is derived, what it was handed out for, where a coin stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from strongroom_core.ids import AddressId, MerchantId

COINS_CONSUMER: Final = "coins"  # the reader of chain events that keeps our record of coins
CHANGE_BRANCH: Final = 0  # change and sweeps; never a merchant's money
HOUSE_BRANCH: Final = 1  # the operator's own capital
FIRST_MERCHANT_BRANCH: Final = 2  # merchant n has branch 2 + n, in hot and cold alike


class KeySetKind(StrEnum):
    """Whether a key set's online signers sign by policy (hot) or only an offline ceremony does (cold)."""

    HOT = "hot"
    COLD = "cold"


class Purpose(StrEnum):
    """What an address was handed out for."""

    CHANGE = "change"
    HOUSE = "house"
    INVOICE = "invoice"
    STANDING = "standing"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class WalletAddress:
    """One address of ours; ``purpose`` is None while it waits in the pool.

    ``script`` is the output script's bytes, on an account chain the 20 bytes of the address. ``asset`` (CAIP-19) is
    what it was handed out to be paid in; None: whatever comes.
    """

    id: AddressId
    chain: str
    key_set: str
    kind: KeySetKind
    branch: int
    index: int
    script: bytes
    address: str
    purpose: Purpose | None
    merchant_id: MerchantId | None
    reference: str | None
    asset: str | None
    handed_out_at: datetime | None


@dataclass(frozen=True, slots=True)
class AddressRequest:
    """A wish for one fresh address of a merchant's branch.

    ``expected`` base units count against the hot band until ``expected_until`` where the answer is a hot address.
    ``asset`` (CAIP-19) is what it is to be paid in; None: whatever comes.
    """

    chain_id: str
    merchant_id: MerchantId
    purpose: Purpose
    reference: str
    expected: int = 0
    expected_until: datetime | None = None
    asset: str | None = None


@dataclass(frozen=True, slots=True)
class Coin:
    """One unspent or spent output of ours. ``amount`` in base units; ``height`` None: not in a block now.

    ``own`` says that the chain tx that made it spends our coins, so it is change of ours (on the change branch).
    """

    chain: str
    txid: str
    vout: int
    amount: int
    script: bytes
    address_id: AddressId
    kind: KeySetKind
    branch: int
    index: int
    height: int | None
    coinbase: bool
    own: bool
    spent_by_txid: str | None


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a key set holds by our own record of the chain, in base units: in blocks, and still unconfirmed."""

    confirmed: int
    unconfirmed: int


@dataclass(frozen=True, slots=True)
class KeyOrigin:
    """A public key of an address, as a PSBT names it (BIP 174): 33 bytes, 4 bytes of fingerprint, the full path."""

    public_key: bytes
    fingerprint: bytes
    path: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScanDescriptor:
    """One branch as an output descriptor with checksum (BIP 380), for scans of indices 0 to ``last_index``."""

    descriptor: str
    last_index: int


@dataclass(frozen=True, slots=True)
class OwnPayment:
    """An output of a chain tx of ours that an intent paid; where it pays one of our merchants it is a deposit."""

    txid: str
    vout: int
    reference: str


@dataclass(frozen=True, slots=True)
class KeySet:
    """A recorded key set: three account xpubs (BIP 32) with their origins, such as ``[d34db33f/48h/1h/0h/2h]``."""

    chain: str
    name: str
    kind: KeySetKind
    xpubs: tuple[str, str, str]
    origins: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Forwarders:
    """What an account chain's addresses are derived from: keyless contracts that one factory makes, for one treasury.

    Both are 20 bytes. The address at (branch, index) is theirs by CREATE2; it can pay the treasury only, the cold Safe.
    """

    chain: str
    factory: bytes
    treasury: bytes


Scheme = KeySet | Forwarders


@dataclass(frozen=True, slots=True)
class Branch:
    """How far a branch is derived: ``next_index`` is the first not derived, ``low_index`` not above any that waits.

    Once ``refill_index`` is handed out the pool is refilled; where it equals ``next_index`` a refill goes on. From
    ``disputed_index`` on a signer derives other addresses than we do, and nothing is handed out.
    """

    chain: str
    kind: KeySetKind
    branch: int
    merchant_id: MerchantId | None
    next_index: int
    low_index: int
    refill_index: int
    pool_target: int
    refilled_at: datetime | None
    disputed_index: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedAsset:
    """An asset that was held at some time; ``code`` and ``decimals`` as the settings first said."""

    id: str
    chain: str
    code: str
    decimals: int
