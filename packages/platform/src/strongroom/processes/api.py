"""The API process: a server on the address that the settings name, and workers that serve `faces`.

The application is imported by the workers only; the process that watches over them stays small and starts at once.
"""

from __future__ import annotations

from typing import Final

from granian.constants import Interfaces
from granian.server import Server

from strongroom.infra.settings import load_settings
from strongroom.infra.telemetry import configure_logging

# An answer that takes longer to end is cut off; its transaction rolls back.
STOP_SECONDS: Final = 5


def main() -> None:
    """Serve until told to stop."""
    configure_logging("api")
    settings = load_settings()
    Server(
        "strongroom.processes.faces:build",
        factory=True,
        address=settings.api.host,
        port=settings.api.port,
        interface=Interfaces.ASGI,
        workers=settings.api.workers,
        log_access=False,
        websockets=False,
        workers_kill_timeout=STOP_SECONDS,
    ).serve()


if __name__ == "__main__":
    main()
