"""What the two conversations of a mail account have in common: who may be connected to, how long
one exchange may take, and how to sign in.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from connectors.email.config import ServerConfig, tls_context
from connectors.sdk import AuthError, OAuth2
from connectors.sdk.network import Destinations
from connectors.sdk.sockets import TimedSocket, TimedTls, dial, secure

T = TypeVar("T")
Wire = TimedSocket | TimedTls


@dataclass(frozen=True)
class Access:
    """How a connection reaches its servers. `deadline`: seconds for one exchange, a message or a
    command with its answer, however many packets that takes.
    """

    deadline: float = 30.0
    destinations: Destinations = field(default_factory=Destinations)
    oauth: OAuth2 | None = None

    def until(self) -> float:
        """When an exchange that begins now must be over."""
        return time.monotonic() + self.deadline

    def connect(self, server: ServerConfig, key: str, *, tls: bool) -> Wire:
        """A connection, inside TLS if asked for. Raises ConfigError, ssl.SSLError, OSError."""
        plain = dial(server.host, server.port, self.destinations, self.until())
        if not tls:
            return plain
        try:
            return secure(plain, tls_context(server, key), server.host)
        except BaseException:
            plain.close()
            raise

    def sign_in(self, with_token: Callable[[str], bool]) -> bool:
        """Try a token, and once more a new one where it is refused. `with_token` tells which."""
        if self.oauth is None:
            raise AuthError("There is no auth, and so no token.")
        token = self.oauth.token()
        return with_token(token.access) or with_token(self.oauth.renew(token).access)


def xoauth2(username: str, token: str) -> str:
    """What a client says first (https://developers.google.com/gmail/imap/xoauth2-protocol)."""
    return f"user={username}\x01auth=Bearer {token}\x01\x01"


def tls_reason(error: ssl.SSLError) -> str:
    """Why a connection is not secure, in a few words."""
    return str(getattr(error, "verify_message", "") or error.reason or "no TLS")
