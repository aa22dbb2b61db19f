"""Why the console does not show what was asked for."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class LoginNeededError(StrongroomError):
    """Nobody is logged in, or no longer."""

    code = "login-needed"


class TooManyLoginsError(StrongroomError):
    """More attempts to log in than one address may make in a minute."""

    code = "login-rate-limited"


class ForeignOriginError(StrongroomError):
    """A form that another site sent in the name of whoever is logged in here."""

    code = "origin-refused"


class PageNotFoundError(StrongroomError):
    """No such page of this merchant."""

    code = "page-not-found"
