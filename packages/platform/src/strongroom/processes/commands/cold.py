"""`cold propose` and `cold send`: what only the cold Safe's offline owners can decide, exported and brought back."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.chains import service as chains
from strongroom.chains.ethereum.keccak import keccak
from strongroom.chains.ethereum.node import EthereumNode
from strongroom.demo.environment import DEFAULT_FOLDER
from strongroom.infra.settings import ChainSettings, Settings
from strongroom.outbound.errors import ColdSignatureError, ColdTransactionError
from strongroom.outbound.ethereum.model import Relayed
from strongroom.outbound.safe import service as safes
from strongroom.outbound.safe.model import ColdKind, ColdMove, Funds, SafeBuilt
from strongroom.processes.commands.context import (
    AsJson,
    Config,
    Folder,
    print_object,
    run,
    settings_of,
    transaction_as,
)
from strongroom_core.abi import InvalidCallError, address_text, parse_address
from strongroom_core.amounts import Amount
from strongroom_core.assets import Asset, choose_asset
from strongroom_core.errors import StrongroomError
from strongroom_core.evm import SafeTx

cold = typer.Typer(no_args_is_help=True, help="The cold Safe of an EVM chain: what its offline owners sign.")
propose = typer.Typer(no_args_is_help=True, help="Write a transaction for the owners to sign offline; nothing is sent.")
cold.add_typer(propose, name="propose")

AssetName = Annotated[str, typer.Argument(help="Its code, or its CAIP-19 id.", metavar="ASSET")]
ChainName = Annotated[str | None, typer.Option("--chain", help="CAIP-2, where several chains have the code.")]
OutFile = Annotated[Path, typer.Option("--out", help="Where to write it, as hex text; nothing is overwritten.")]
Nonce = Annotated[
    int | None, typer.Option("--nonce", min=0, help="A later nonce than the next one, to sign several together.")
]


class NoChainError(StrongroomError):
    """No EVM chain of that id, or of that Safe, is in the settings."""

    code = "chain-unknown"


@propose.command("transfer")
def transfer(
    asset: AssetName,
    amount: Annotated[str, typer.Argument(help="Whole units, such as 2500.5.")],
    *,
    out: OutFile,
    to: Annotated[str | None, typer.Option("--to", help="Out of the house, to this address; else a refill.")] = None,
    chain: ChainName = None,
    nonce: Nonce = None,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Refill the hot Safe beyond its allowance, or withdraw the house's money with --to."""

    async def body() -> None:
        settings = settings_of(config, directory)
        at, named = _chosen(settings, asset, chain)
        wanted = Amount.parse(amount, named).base_units
        async with _node(at) as node:
            safe = safes.cold_safe(at, node)
            move = safe.transfer(named, wanted, parse_address(to, keccak) if to else None)
            built = await safe.propose(move, nonce)
            warning = await _warning(settings, at, await safe.funds(named), move)
        _write(at, move, built, out, warning, as_json=as_json)

    run(body())


@propose.command("limit")
def limit(
    asset: AssetName,
    per_day: Annotated[str, typer.Argument(help="Whole units in 24 hours; 0 stops draws.")],
    *,
    out: OutFile,
    chain: ChainName = None,
    nonce: Nonce = None,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Change what the hot Safe may draw of an asset in 24 hours."""

    async def body() -> None:
        settings = settings_of(config, directory)
        at, named = _chosen(settings, asset, chain)
        wanted = Amount.parse(per_day, named).base_units
        async with _node(at) as node:
            safe = safes.cold_safe(at, node)
            move = safe.limit(named, wanted)
            built = await safe.propose(move, nonce)
            warning = await _warning(settings, at, await safe.funds(named), move)
        _write(at, move, built, out, warning, as_json=as_json)

    run(body())


@cold.command("send")
def send(
    file: Annotated[Path, typer.Argument(help="What `cold propose` wrote.")],
    signatures: Annotated[list[str], typer.Argument(help="As `strongroom-signer owner-sign` prints them; two.")],
    *,
    chain: ChainName = None,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Have the relayer execute what two owners signed; again tells how it stands."""

    async def body() -> None:
        settings, tx = settings_of(config, directory), _read(file)
        raw_signatures = [_signature(number, text) for number, text in enumerate(signatures, 1)]
        at = _chain_of(settings, tx, chain)
        async with _node(at) as node:
            safe = safes.cold_safe(at, node)
            move, built = safe.read(tx), safe.named(tx)
            async with transaction_as(settings, "treasury") as connection:
                stands = await safes.find_cold(connection, at, built.hash_text)
            if stands is None:
                raw = await safe.checked(tx, raw_signatures)
                async with transaction_as(settings, "treasury") as connection:
                    stands = await safes.send_cold(connection, at, move, built, raw)
        print_object(_shown(at, move, built) | _standing(stands), as_json=as_json)

    run(body())


def _chosen(settings: Settings, name: str, chain: str | None) -> tuple[ChainSettings, Asset]:
    offered = [item for item in settings.chains if item.is_evm and chain in (None, item.id)]
    if not offered:
        message = f"no EVM chain {chain or ''} is in the settings".replace("  ", " ")
        raise NoChainError(message)
    asset = choose_asset(name, [held.asset for item in offered for held in item.held_assets])
    return next(item for item in offered if item.id == asset.chain_id), asset


def _chain_of(settings: Settings, tx: SafeTx, chain: str | None) -> ChainSettings:
    """Find the chain whose cold Safe this is of; the same Safe may stand on several."""
    evm = [item for item in settings.chains if item.ethereum is not None and chain in (None, item.id)]
    found = [item for item in evm if item.ethereum and bytes.fromhex(item.ethereum.cold_safe[2:]) == tx.safe]
    if len(found) == 1:
        return found[0]
    safe = address_text(tx.safe, keccak)
    why = "is the cold Safe of several chains: name one with --chain" if found else "is no cold Safe of the settings"
    message = f"{safe} {why}"
    raise NoChainError(message)


@asynccontextmanager
async def _node(at: ChainSettings) -> AsyncIterator[EthereumNode]:
    node = chains.connect_ethereum(at)
    try:
        yield node
    finally:
        await node.close()


async def _warning(settings: Settings, at: ChainSettings, funds: Funds, move: ColdMove) -> str | None:
    """Say what would go wrong with it later, though the chain would take it."""
    async with transaction_as(settings, "treasury") as connection:
        capital = await safes.house_capital(connection, move.asset)
    own = f"the house's own {Amount(move.asset, capital)}"
    if move.kind is not ColdKind.LIMIT and move.amount > funds.cold:
        return f"the cold Safe has {Amount(move.asset, funds.cold)} now: gather first, or it will fail"
    if move.kind is ColdKind.WITHDRAWAL and move.amount > capital:
        return f"this is more than {own}: it will not be sent"
    after = {ColdKind.REFILL: funds.hot + move.amount + funds.left, ColdKind.LIMIT: funds.hot + move.amount}
    if after.get(move.kind, 0) > capital:
        reach = Amount(move.asset, after[move.kind])
        return f"online keys could then reach {reach}, more than {own}: draws stop until that is enough again"
    if move.kind is ColdKind.REFILL and funds.hot + move.amount > at.asset_settings(move.asset.id).band.high:
        return "the hot Safe would be above its band: what is above goes back to cold"
    return None


def _write(
    at: ChainSettings, move: ColdMove, built: SafeBuilt, file: Path, warning: str | None, *, as_json: bool
) -> None:
    with file.open("x", encoding="ascii") as stream:
        stream.write(built.safe_tx.encode().hex() + "\n")
    hand = f"strongroom-signer owner-sign --dir FOLDER --chain {at.id} --safe-tx {shlex.quote(str(file))}"
    told = {"file": str(file), "WARNING": warning, "each owner": f"{hand}, and again with --hash {built.hash_text}"}
    print_object(_shown(at, move, built) | told, as_json=as_json)


def _shown(at: ChainSettings, move: ColdMove, built: SafeBuilt) -> dict[str, Any]:
    return {
        "chain": f"{at.chain.name} ({at.id})",
        "cold Safe": address_text(built.safe_tx.safe, keccak),
        "nonce": built.safe_tx.nonce,
        "hash": built.hash_text,
        "does": _words(move),
    }


def _words(move: ColdMove) -> str:
    amount, to = Amount(move.asset, move.amount), address_text(move.to, keccak)
    return {
        ColdKind.REFILL: f"moves {amount} from the cold Safe to the hot Safe {to}",
        ColdKind.WITHDRAWAL: f"WITHDRAWS {amount} OUT OF THE HOUSE to {to}",
        ColdKind.LIMIT: f"lets the hot Safe draw {amount} in 24 hours",
    }[move.kind]


def _standing(stands: Relayed | None) -> dict[str, Any]:
    return {"state": stands.state if stands else None, "txid": stands.txid if stands else None}


def _read(file: Path) -> SafeTx:
    try:
        return SafeTx.decode(bytes.fromhex(file.read_text(encoding="ascii", errors="replace").strip()))
    except (InvalidCallError, ValueError) as error:
        message = f"{file} is no Safe transaction in hex: {error}"
        raise ColdTransactionError(message) from None


def _signature(number: int, text: str) -> bytes:
    try:
        return bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        message = f"signature {number} is not hex text"
        raise ColdSignatureError(message) from None
