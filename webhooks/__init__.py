"""HTTP intake: deliveries are routed, capped, verified, stored raw and answered, nothing more.

`from webhooks import …` is the public way in. Inbox and connections are handed in.
"""

from webhooks.app import WebhookApp
from webhooks.inbox import Connections, Endpoint, Inbox, Incoming, Out, Stored, Unsure, Verdict
from webhooks.noticed import Notice, Notices
from webhooks.server import DeadlineHttpProtocol, server_config

__all__ = [
    "Connections",
    "DeadlineHttpProtocol",
    "Endpoint",
    "Inbox",
    "Incoming",
    "Notice",
    "Notices",
    "Out",
    "Stored",
    "Unsure",
    "Verdict",
    "WebhookApp",
    "server_config",
]
