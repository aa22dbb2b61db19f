"""Why there is no price. No price is never guessed: an invoice is refused instead."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class RateUnavailableError(StrongroomError):
    """No source, or too few, has a price for this pair."""

    code = "rate-unavailable"


class RateStaleError(RateUnavailableError):
    """The last prices are too old to sell by."""

    code = "rate-stale"


class RateDeviatingError(RateUnavailableError):
    """The sources disagree by more than is allowed."""

    code = "rate-deviating"


class RateDepeggedError(RateUnavailableError):
    """A stablecoin is too far from the currency that it stands for; nothing is sold for it as if it were at par."""

    code = "rate-depegged"


class SourceAnswerError(StrongroomError):
    """A source answered with something that is no price."""

    code = "rate-source-answer"
