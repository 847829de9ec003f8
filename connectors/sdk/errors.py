"""What can go wrong with a vendor, grouped by what the hub must do about it.

    ConnectorError
    ├── ConfigError        pause the connection, tell a person what to change
    ├── AuthError          pause the connection, tell a person to renew the credentials
    ├── TransientError     try again later; a write may have happened
    │   ├── NotSentError       try again later; nothing left this machine
    │   └── RateLimitError     try again after `retry_after` seconds; nothing happened
    ├── RejectedError      this record was refused: an exception for its owner
    ├── NotFoundError      this record does not exist (any more)
    ├── ConflictError      this record changed underneath us: read it again
    ├── PayloadError       we cannot read what was sent: quarantine, replay after a fix
    ├── SignatureError     not genuine: 401, nothing is stored
    └── UnsupportedError   the hub asked for something this connector never promised: our bug

Messages are shown to people and stored: they name the place and the remedy, never a secret or a
response body.
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Root of everything a connector raises on purpose. `code` names the cause for programs, where
    one is worth naming: `destination_forbidden`, `redirect_refused`.
    """

    code: str = ""


class ConfigError(ConnectorError):
    """The connection is configured wrongly; the message says which key and what to write
    instead.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class AuthError(ConnectorError):
    """The vendor does not accept our credentials; the message says which person must renew what."""


class TransientError(ConnectorError):
    """Worth another attempt: network trouble, a 5xx, a locked file. The effect may have
    happened. `retry_after` is in seconds, where the vendor named it.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotSentError(TransientError):
    """Network trouble before the request left: nothing happened, repeating is safe."""


class RateLimitError(TransientError):
    """The vendor asks us to slow down; nothing happened. `retry_after` is in seconds."""

    retry_after: float

    def __init__(self, message: str, retry_after: float = 60.0) -> None:
        super().__init__(message, retry_after)


class RejectedError(ConnectorError):
    """The vendor understood and refused. `field_errors` maps vendor field to the vendor's
    reason.
    """

    def __init__(
        self, message: str, field_errors: dict[str, str] | None = None, code: str = ""
    ) -> None:
        super().__init__(message)
        self.field_errors = field_errors or {}
        self.code = code


class NotFoundError(ConnectorError):
    """The record, or the container it lives in, is not there."""


class ConflictError(ConnectorError):
    """The record's version moved between our read and our write."""


class PayloadError(ConnectorError):
    """A genuine message we cannot parse; `place` says where in it."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.place = place


class SignatureError(ConnectorError):
    """A delivery that is not genuine. `code` is `signature_invalid`, `timestamp_out_of_window` or,
    where the proof stands in XML, `xml_dtd_forbidden`.
    """

    def __init__(self, message: str, code: str = "signature_invalid") -> None:
        super().__init__(message)
        self.code = code


class UnsupportedError(ConnectorError):
    """A capability that the connector does not declare was called."""
