"""What the commands of account chains share: options, sources, services from the lists, amounts as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, asset_by_id
from strongroom_core.errors import InvalidValueError
from strongroom_tracing.accounts.cases import Case
from strongroom_tracing.accounts.genuine import Genuine, coin_asset
from strongroom_tracing.accounts.model import Question
from strongroom_tracing.accounts.transfers import Transfers
from strongroom_tracing.cli.errors import UsageError
from strongroom_tracing.tags.services import stops_by_text
from strongroom_tracing.tags.store import TagStore
from strongroom_tracing.taint.model import Direction, Policy

FOLDER_DEFAULT: Final = Path("trace-evm")
Folder = Annotated[Path, typer.Option("--index", "-i", help="Folder of the index of an account chain.")]
Folders = Annotated[list[Path], typer.Option("--index", "-i", help="Folder of an index; once for each chain.")]
CaseFile = Annotated[Path, typer.Option("--case", "-c", help="File of the case (JSON); docs/tracing-accounts.md.")]
Hops = Annotated[int | None, typer.Option("--hops", min=0, help="Follow so many moves; no limit where left out.")]
Smallest = Annotated[
    str,
    typer.Option(
        "--smallest", help="Do not follow less marked coin (as ether) than this, in coins; of tokens the case says it."
    ),
]
Block = Annotated[int | None, typer.Option("--block", min=0, help="Look at no block above this (backward: below).")]
Busy = Annotated[int | None, typer.Option("--busy", min=0, help="Follow no address with more transfers than this.")]
SwapEvents = Annotated[
    bool, typer.Option("--swap-events", help="Follow swaps at whatever emits a known exchange's event.")
]
_COIN_DECIMALS: Final = 18  # of the coin of an EVM chain that core does not know


def question_of(
    case: Case, transfers: Transfers, policy: Policy, direction: Direction, store: TagStore | None, smallest: str,
    *, absent: list[str] | None = None, **limits: Any,
) -> Question:  # fmt: skip
    """Make the question of a case, with the services of the lists as stops and ``smallest`` (coins) as text.

    ``absent``: takes the names of what the chain does not have (now), where that is no error. Raises
    ``InvalidAmountError``, ``QuestionError``, ``UnknownTransferError``.
    """
    stops: dict[str, str] = {}
    for chain in transfers.chains:
        if store is not None:
            stops |= {f"{chain}:{address}": label for address, label in stops_by_text(store, chain).items()}
    least = {coin.id: Amount.parse(smallest, coin).base_units for coin in coins_of(transfers)} if smallest else {}
    return case.question(transfers, policy, direction, stops=stops, smallest=least, absent=absent, **limits)


def url_in(file: Path) -> str:
    """Read the URL of a node from a file. Raises ``UsageError``, which repeats nothing of it: it may hold a key."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        message = f"{file} holds no text: it should hold the URL of a node"
        raise UsageError(message) from None


def coins_of(transfers: Transfers) -> list[Asset]:
    """Give the coin of each chain."""
    found = []
    for chain in transfers.chains:
        try:
            found.append(asset_by_id(coin_asset(chain)))
        except InvalidValueError:
            found.append(Asset(coin_asset(chain), "ETH", _COIN_DECIMALS))
    return found


class Names:
    """Writes amounts with the code of their asset."""

    def __init__(self, genuine: Genuine) -> None:
        """Know the tokens that are believed."""
        self._known: Mapping[str, tuple[str, int]] = {
            token.asset: (token.symbol, token.decimals) for token in genuine.tokens
        }

    def money(self, asset: str, value: int) -> str:
        """Write base units as whole units; as they are, with the asset's id, where its decimals are not known."""
        try:
            if asset in self._known:
                return str(Amount(Asset(asset, *self._known[asset]), value))
            return str(Amount(asset_by_id(asset), value))
        except InvalidValueError:
            return f"{value} of {asset}"
