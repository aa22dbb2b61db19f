"""What can go wrong on the merchant's side, each with a stable code."""

from __future__ import annotations

from strongroom_core.errors import InvalidValueError, StrongroomError


class KeyFileError(StrongroomError):
    """The key file cannot be made, read or trusted."""

    code = "key-file"


class KeyFileExistsError(KeyFileError):
    """A file stands where the new key should go; a key is never overwritten."""

    code = "key-file-exists"


class KeyFileInvalidError(KeyFileError):
    """The file is no merchant's key, or was damaged."""

    code = "key-file-invalid"


class KeyFileExposedError(KeyFileError):
    """Other users of this machine may read the key."""

    code = "key-file-exposed"


class PassphraseNeededError(KeyFileError):
    """The key is encrypted, and no passphrase was given."""

    code = "passphrase-needed"


class PassphraseWrongError(KeyFileError):
    """The passphrase does not open the key, or the file was altered."""

    code = "passphrase-wrong"


class SecretInputError(StrongroomError):
    """A token or passphrase could not be read from where it should come."""

    code = "secret-unreadable"


class SignatureInvalidError(InvalidValueError):
    """The signature is not that of this key over these bytes."""

    code = "intent-signature-invalid"


class WebhookInvalidError(InvalidValueError):
    """A request that claims to be our webhook and is not, or is too old; answer it with 400 and do nothing."""

    code = "webhook-invalid"


class SettingsError(InvalidValueError):
    """The client was set up in a way that cannot work or would not be safe."""

    code = "client-settings"


class AddressUnattestedError(StrongroomError):
    """A pinned signer has not attested the address yet. Show it to nobody; the same call may give it in a moment."""

    code = "address-unattested"


class AddressForgedError(StrongroomError):
    """The address, or its payment link, is not what the pinned signers attest. Somebody may sit in the API's host."""

    code = "address-forged"


class CheckoutError(StrongroomError):
    """A page opens where an open invoice's checkout should be, and is none by which a shopper could pay."""

    code = "checkout-unreadable"


class UnreachableError(StrongroomError):
    """No answer came. A write may have happened: repeat it with the same idempotency key to learn so."""

    code = "api-unreachable"


class ProtocolError(StrongroomError):
    """The answer is not what the API documents; something else may stand at this address."""

    code = "api-protocol"


class ApiError(StrongroomError):
    """The API said no (RFC 9457). ``code`` is the API's stable code, ``status`` the HTTP status."""

    code = "api-error"

    def __init__(self, status: int, code: str, message: str, *, request_id: str = "", retry_after: int = 0) -> None:
        """``request_id`` names the request in the operator's logs; ``retry_after`` is in seconds, 0 where not said."""
        super().__init__(message)
        # The class has a code of its own so that every error of ours has one; the instance carries the API's.
        self.code = code  # type: ignore[misc]  # a ClassVar, which the instance's own value hides on purpose
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Give the code, the sentence and the request's id, for people."""
        trace = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.code}: {self.message}{trace}"


class UnauthorizedError(ApiError):
    """401: the token is missing, wrong or revoked."""


class ForbiddenError(ApiError):
    """403: the token lacks a scope."""


class NotFoundError(ApiError):
    """404: no such object of this merchant."""


class ConflictError(ApiError):
    """409: the object's state does not allow it, or the idempotency key was used with other input."""


class RejectedError(ApiError):
    """Any other 4xx: the input breaks a rule that the code names."""


class RateLimitedError(ApiError):
    """429: too many requests; ``retry_after`` says when to come back."""


class ServerError(ApiError):
    """5xx: the API failed. A write may have happened: repeat it with the same idempotency key to learn so."""
