"""What every step of the story works with, and how it looks at what happened: through API, chain, books and files."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from strongroom.demo.commands import run_command
from strongroom.demo.environment import Environment
from strongroom.demo.errors import ObservationError
from strongroom.demo.ethereum import EthereumWorld
from strongroom.demo.outside import Outside
from strongroom.demo.progress import Progress
from strongroom.demo.supervisor import Supervisor
from strongroom.infra.database import Connection, connect
from strongroom.infra.settings import Role, Settings
from strongroom_client.api import Api
from strongroom_client.errors import AddressUnattestedError
from strongroom_client.pins import Pins, read_pins
from strongroom_client.secrets_input import from_file
from strongroom_client.transport import Transport

Seen = TypeVar("Seen")
WAIT_SECONDS: Final = 45.0
LOOK_SECONDS: Final = 0.05


@dataclass(slots=True)
class Scene:
    """One environment that is up, and the world outside it."""

    environment: Environment
    settings: Settings
    outside: Outside
    ethereum: EthereumWorld
    progress: Progress
    supervisor: Supervisor

    @property
    def merchant_folder(self) -> Path:
        """The merchant's own folder."""
        return self.environment.root / "merchant"

    @property
    def pins_file(self) -> Path:
        """The merchant's note of both signers' keys."""
        return self.merchant_folder / "pins.toml"

    def fact(self, name: str) -> str:
        """Give what an earlier step found."""
        return str(self.environment.facts[name])

    async def api(self, call: Callable[[Api], Seen]) -> Seen:
        """Call the REST API with the merchant's token, without blocking the loop."""
        return await asyncio.to_thread(self._call, call)

    async def verified(self, call: Callable[[Api], Seen]) -> Seen:
        """Call it as the merchant does before it shows an address: by the keys that it pinned of both signers.

        ``call`` is repeated while the signers' word is still to come.
        """
        pins = read_pins(self.pins_file)

        async def attested() -> Seen | None:
            try:
                return await asyncio.to_thread(self._call, call, pins)
            except AddressUnattestedError:
                return None

        return await until("both signers' word for the address", attested)

    def _call(self, call: Callable[[Api], Seen], pins: Pins | None = None) -> Seen:
        token = from_file(self.environment.token_file, "API token").decode("ascii")
        with Transport(self.environment.api_url, token) as transport:
            return call(Api(transport, pins))

    @asynccontextmanager
    async def database(self, role: Role) -> AsyncIterator[Connection]:
        """Open one transaction as a role of the platform."""
        async with await connect(self.settings.dsn(role), name="demo") as connection, connection.transaction():
            yield connection

    async def command(self, *argv: str, secret: Path | None = None) -> Any:
        """Run a command of ours with this environment's settings, and read the JSON that it prints."""
        return json.loads(await run_command(*argv, secret=secret, settings=self.environment.settings_file))


async def until(what: str, look: Callable[[], Awaitable[Seen | None]], seconds: float = WAIT_SECONDS) -> Seen:
    """Look again and again until something is seen. Raises ``ObservationError`` where it never is."""
    deadline = time.monotonic() + seconds
    while (seen := await look()) is None:
        if time.monotonic() > deadline:
            message = f"not seen within {seconds:g} s: {what}"
            raise ObservationError(message)
        await asyncio.sleep(LOOK_SECONDS)
    return seen


def seconds_between(earlier: str, later: str) -> float:
    """Give the seconds between two RFC 3339 times."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
