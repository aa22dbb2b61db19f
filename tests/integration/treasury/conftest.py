"""The treasury is tested on a whole platform: the world of the outbound tests."""

from tests.integration.outbound.conftest import signer_processes, world

__all__ = ["signer_processes", "world"]
