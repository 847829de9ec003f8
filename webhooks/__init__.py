"""HTTP intake: deliveries are routed, capped, verified, stored raw and answered, nothing more.

`from webhooks import …` is the public way in. Inbox and connections are handed in. The settings of
a server are in `webhooks.server`: only who serves needs one.
"""

from webhooks.app import WebhookApp
from webhooks.inbox import Connections, Endpoint, Inbox, Incoming, Out, Stored, Unsure, Verdict
from webhooks.noticed import Notice, Notices

__all__ = [
    "Connections",
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
]
