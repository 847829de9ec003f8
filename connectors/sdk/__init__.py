"""The connector contract: records, roles, configuration, errors, signatures and sandboxes.

`from connectors.sdk import …` is the public way in; the modules behind it may move.
"""

from connectors.sdk.config import ConnectionConfig, PullConfig, WebhookConfig
from connectors.sdk.connector import Connector, Receiver, Sink, Source, Subscriber
from connectors.sdk.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    ConnectorError,
    NotFoundError,
    NotSentError,
    PayloadError,
    RateLimitError,
    RejectedError,
    SignatureError,
    TransientError,
    UnsupportedError,
)
from connectors.sdk.records import (
    Answer,
    Change,
    Delivery,
    Fetch,
    Field,
    ObjectSpec,
    Outcome,
    Page,
    Parsed,
    PullHint,
    Record,
    Reply,
    Result,
    Subscription,
)

__all__ = [
    "Answer",
    "AuthError",
    "Change",
    "ConfigError",
    "ConflictError",
    "ConnectionConfig",
    "Connector",
    "ConnectorError",
    "Delivery",
    "Fetch",
    "Field",
    "NotFoundError",
    "NotSentError",
    "ObjectSpec",
    "Outcome",
    "Page",
    "Parsed",
    "PayloadError",
    "PullConfig",
    "PullHint",
    "RateLimitError",
    "Receiver",
    "Record",
    "RejectedError",
    "Reply",
    "Result",
    "SignatureError",
    "Sink",
    "Source",
    "Subscriber",
    "Subscription",
    "TransientError",
    "UnsupportedError",
    "WebhookConfig",
]
