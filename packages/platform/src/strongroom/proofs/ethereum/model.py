"""What is found on an EVM chain to be proven."""

from __future__ import annotations

from dataclasses import dataclass

from strongroom_core.ids import AddressId


@dataclass(frozen=True, slots=True)
class Found:
    """One log that signers have to be shown, and where it stands; ``log_index`` counts in its block.

    Of a sweep ``address_id`` is the forwarder's, of an execution ``effect`` is the safeTxHash (``0x`` and 64 digits).
    """

    height: int
    block_hash: str
    txid: str
    log_index: int
    address_id: AddressId | None = None
    effect: str = ""

    @property
    def subject(self) -> str:
        """Its name among all that is proven."""
        return f"log-{self.block_hash.removeprefix('0x')}-{self.log_index}"
