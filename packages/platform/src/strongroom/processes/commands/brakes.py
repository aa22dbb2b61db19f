"""`halt` and `resume`: the brake, and the way to let go of each of its parts again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from strongroom.demo.environment import DEFAULT_FOLDER, SIGNERS, Environment
from strongroom.infra import stops
from strongroom.infra.settings import Settings
from strongroom.outbound import jobs as outbound
from strongroom.processes.commands import signers
from strongroom.processes.commands.context import (
    Config,
    Folder,
    folder_option,
    operator_name,
    out,
    print_table,
    run,
    settings_of,
    transaction_as,
)
from strongroom_core.assets import chain_by_id
from strongroom_core.errors import StrongroomError
from strongroom_core.ids import RequestId
from strongroom_core.messages import HaltRequest, Status

NOT_ALL: Final = 1
EVERYONE: Final = "*"


class NotStoppedError(StrongroomError):
    """There is no such stop to clear."""

    code = "not-stopped"


def halt(
    reason: Annotated[str, typer.Argument(help="Kept in both journals and in the books.")],
    *,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
) -> None:
    """Stop all signing at once, and payouts with it. Anyone may; resuming needs a hand on each signer."""

    async def body() -> int:
        settings = settings_of(config, directory)
        # Signers first: they are what moves money, and they answer also where the database does not.
        answers = [await _halt_signer(signer, reason) for signer in outbound.connect_signers(settings.signers)]
        async with transaction_as(settings, "treasury") as connection:
            await stops.set_stop(connection, stops.Stop.PAYOUTS, reason, operator_name())
        print_table("Halted", ("signer", "state"), [tuple(answer.values()) for answer in answers])
        _print_way_back(directory)
        return 0 if all(answer["state"] == "halted" for answer in answers) else NOT_ALL

    run(body())


def resume(
    reason: Annotated[str, typer.Argument(help="Kept on record.")],
    *,
    what: Annotated[
        str, typer.Option("--what", help=f"Which stop to clear, as `status` names it: {', '.join(stops.Stop)}.")
    ] = stops.Stop.PAYOUTS,
    chain: Annotated[
        str, typer.Option("--chain", help="For whom, as `status` shows it: a chain's CAIP-2 id; * is everyone.")
    ] = EVERYONE,
    config: Config = None,
    directory: Folder = DEFAULT_FOLDER,
) -> None:
    """Clear a stop: of payouts after a `halt`, of crediting after a reorg beyond the horizon. It resumes no signer."""

    async def body() -> int:
        settings = settings_of(config, directory)
        if what == stops.Stop.PAYOUTS and chain == EVERYONE:
            return await _let_payouts_go_on(settings, directory, reason)
        # What stands is cleared by its texts, before they are asked to mean something to this release.
        if not await _clear(settings, what, reason, chain):
            name = EVERYONE if chain == EVERYONE else chain_by_id(chain).name
            message = f"{what} is not stopped for {name}; `strongroom status` names what is, and for whom"
            raise NotStoppedError(message)
        out.print(f"The stop of {what} for {chain} is cleared.", markup=False)
        return 0

    run(body())


async def _clear(settings: Settings, what: str, reason: str, scope: str) -> bool:
    async with transaction_as(settings, "worker") as connection:
        return await stops.clear_stop(connection, what, reason, operator_name(), scope)


async def _let_payouts_go_on(settings: Settings, directory: Path, reason: str) -> int:
    halted = [row["signer"] for row in signers.rows(await signers.ask(settings)) if row["state"] != "ok"]
    await _clear(settings, stops.Stop.PAYOUTS, reason, EVERYONE)
    if not halted:
        out.print("Payouts go on.")
        return 0
    out.print(f"The stop is cleared, but these signers do not sign: {', '.join(halted)}")
    _print_way_back(directory)
    return NOT_ALL


async def _halt_signer(signer: Any, reason: str) -> dict[str, str]:
    try:
        answer = await signer.ask(HaltRequest(RequestId.new(), reason))
    except StrongroomError as error:
        return {"signer": signer.name, "state": f"NOT halted: {error.message}"}
    halted = isinstance(answer, Status) and answer.halted
    return {"signer": signer.name, "state": "halted" if halted else "NOT halted: it answered otherwise"}


def _print_way_back(directory: Path) -> None:
    environment = Environment.read(directory)
    out.print("\nOnly a hand on each signer's own host resumes it:")
    if environment.exists:
        for name in SIGNERS:
            folder, secret = environment.key_folder(name), environment.passphrase_file(name)
            command = f"strongroom-signer resume --dir {folder} --passphrase-fd 3 3<{secret}"
            out.print(f"  {command}", highlight=False, soft_wrap=True)
    else:
        out.print("  strongroom-signer resume --dir DIR")
    out.print(f'Then: strongroom resume "reason"{folder_option(directory)}', highlight=False, soft_wrap=True)
