"""What can go wrong with the demonstration, each with a stable code and what to do."""

from __future__ import annotations

from strongroom_core.errors import StrongroomError


class DemoError(StrongroomError):
    """The demonstration cannot go on; the message says what to do."""

    code = "demo-failed"


class EnvironmentBusyError(DemoError):
    """Another `strongroom up` runs in this folder."""

    code = "environment-busy"


class EnvironmentUnusableError(DemoError):
    """The folder is no environment of this release."""

    code = "environment-unusable"


class CommandFailedError(DemoError):
    """A command of ours ended with an error; the message repeats what it said."""

    code = "command-failed"


class ProcessStartError(DemoError):
    """A process ended, or was not ready in time; the message ends with its last log lines."""

    code = "process-start-failed"


class CheckoutError(DemoError):
    """The shopper found nothing to pay at the address it was given."""

    code = "checkout-unusable"


class ObservationError(DemoError):
    """Something that the main job promises was not seen in time."""

    code = "not-observed"
