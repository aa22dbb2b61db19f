"""Numbers of a chain of coins as people write them, for many rows at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from strongroom_tracing.columns import Columns

AddressText: TypeAlias = Callable[[int], str]
Numbers: TypeAlias = Sequence[int] | npt.NDArray[np.int64]

NEW_MONEY: Final = "new money"
_TXID_DIGITS: Final = 64


class Names:
    """Txids, heights, outpoints and addresses by number; each txid and address is written once."""

    def __init__(self, columns: Columns, address_text: AddressText | None = None) -> None:
        """Without ``address_text`` (``Index.address_text``) no address is known."""
        self._columns = columns
        self._address_text = address_text
        self._addresses: dict[int, str | None] = {-1: None}

    def txids(self, txs: Numbers) -> list[str]:
        """Give txids, as ``Columns.txid_text`` does."""
        found, back = np.unique(_array(txs), return_inverse=True)
        digits = np.ascontiguousarray(self._columns.txid[found][:, ::-1]).tobytes().hex()
        texts = [digits[at : at + _TXID_DIGITS] for at in range(0, len(digits), _TXID_DIGITS)]
        return [texts[n] for n in back.tolist()]

    def heights(self, txs: Numbers) -> list[int]:
        """Give the heights of chain txs."""
        columns = self._columns
        blocks = np.searchsorted(columns.block_first_tx, _array(txs), side="right") - 1
        heights: list[int] = (blocks + columns.first_height).tolist()
        return heights

    def txs_of(self, places: Numbers) -> npt.NDArray[np.int64]:
        """Give the chain txs that made outputs; of fees (``Columns.outputs`` + n), those that paid them."""
        columns, numbers = self._columns, _array(places)
        makers = np.searchsorted(columns.tx_first_output, numbers, side="right") - 1
        return np.where(numbers >= columns.outputs, numbers - columns.outputs, makers)

    def places(self, places: Numbers) -> list[str]:
        """Give outputs as ``txid:vout``, and fees as ``fee of txid``."""
        columns, numbers = self._columns, _array(places)
        txs = self.txs_of(numbers)
        within = np.where(numbers >= columns.outputs, -1, numbers - columns.tx_first_output[txs])
        named = zip(self.txids(txs), within.tolist(), strict=True)
        return [f"{txid}:{vout}" if vout >= 0 else f"fee of {txid}" for txid, vout in named]

    def sources(self, codes: Numbers, made: str = NEW_MONEY) -> list[str]:
        """Say what moves spend; ``made``: what to call money that no output is spent for."""
        numbers = _array(codes)
        places = self.places(numbers[numbers >= 0])
        places.reverse()
        return [places.pop() if n >= 0 else made if n == -1 else "before the index" for n in numbers.tolist()]

    def sinks(self, codes: Numbers) -> list[str]:
        """Say where moves go: outputs, or the ``fee`` of the moves' own chain txs."""
        return self.sources(codes, made="fee")

    def addresses(self, places: Numbers) -> list[str | None]:
        """Give the addresses of outputs; of fees, and where nobody knows addresses, None."""
        numbers = _array(places)
        known = (numbers >= 0) & (numbers < self._columns.outputs)
        found = np.full(len(numbers), -1, np.int64)
        found[known] = self._columns.output_address[numbers[known]]
        return [self._address(number) for number in found.tolist()]

    def _address(self, number: int) -> str | None:
        if number not in self._addresses:
            self._addresses[number] = None if self._address_text is None else self._address_text(number)
        return self._addresses[number]


def _array(numbers: Numbers) -> npt.NDArray[np.int64]:
    return np.asarray(numbers, dtype=np.int64).reshape(-1)
