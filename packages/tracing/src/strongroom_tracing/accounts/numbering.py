"""Numbers for the addresses and assets that a trace comes to, given as it comes to them."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom_tracing.accounts.columns import NONE
from strongroom_tracing.accounts.errors import QuestionError
from strongroom_tracing.accounts.genuine import coin_asset, token_asset
from strongroom_tracing.accounts.model import ADDRESS_BYTES, NOBODY


class Numbers:
    """Assets begin with each chain's coin, so that a coin's number is that of its chain.

    Nothing may follow from the order of the others: it is that in which they were met.
    """

    def __init__(self, chains: Sequence[str]) -> None:
        """Number the coins."""
        self._chains = tuple(chains)
        self._addresses: list[bytes] = []
        self._address: dict[bytes, int] = {}
        self._assets = [(chain, NOBODY, coin_asset(name)) for chain, name in enumerate(self._chains)]
        self._asset = {(chain, contract): number for number, (chain, contract, _) in enumerate(self._assets)}

    def address(self, address: bytes) -> int:
        """Give the number of an address."""
        found = self._address.get(address)
        if found is None:
            found = self._address[address] = len(self._addresses)
            self._addresses.append(address)
        return found

    def address_bytes(self, number: int) -> bytes:
        """Give an address."""
        return self._addresses[number]

    def find_address(self, text: str) -> int:
        """Give the number of an address written in any case. Raises ``QuestionError``."""
        try:
            raw = bytes.fromhex(text.lower().removeprefix("0x"))
        except ValueError:
            raw = b""
        if len(raw) != ADDRESS_BYTES:
            message = f"{text!r:.80} is no address: 0x and 40 hex digits are"
            raise QuestionError(message)
        return self.address(raw)

    def asset_of(self, chain: int, contract: bytes) -> int:
        """Give the number of a contract's token; of the zero address: the chain's coin."""
        found = self._asset.get((chain, contract))
        if found is None:
            found = self._asset[chain, contract] = len(self._assets)
            name = token_asset(self._chains[chain], "0x" + contract.hex())
            self._assets.append((chain, contract, name))
        return found

    def asset(self, number: int) -> str:
        """Give an asset's CAIP-19 id."""
        return self._assets[number][2]

    def chain_of_asset(self, number: int) -> int:
        """Give the number of an asset's chain."""
        return self._assets[number][0]

    def contract_bytes(self, number: int) -> bytes:
        """Give the contract of an asset; the zero address for a coin."""
        return self._assets[number][1]

    def contract_of(self, number: int) -> int:
        """Give the address number of an asset's contract, ``NONE`` for a coin."""
        return NONE if number < len(self._chains) else self.address(self._assets[number][1])

    def find_asset(self, text: str) -> int | None:
        """Give the number of an asset by its CAIP-19 id; None for one that cannot be on these chains."""
        for chain, name in enumerate(self._chains):
            if text == coin_asset(name):
                return chain
            contract = text.removeprefix(token_asset(name, "0x"))
            if len(contract) == 2 * ADDRESS_BYTES and contract == contract.lower():
                try:
                    return self.asset_of(chain, bytes.fromhex(contract))
                except ValueError:
                    return None
        return None

    def rank(self, number: int) -> tuple[int, str]:
        """Say where an asset stands among others: coins first, in the order of chains, then tokens by their ids."""
        return (number, "") if number < len(self._chains) else (len(self._chains), self.asset(number))
