"""Reconciliation of an EVM chain is tested on a whole platform: the world of outbound's Safe tests."""

from tests.integration.outbound.safe.conftest import place, safe_signers, world

__all__ = ["place", "safe_signers", "world"]
