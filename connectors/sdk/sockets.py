"""Sockets for libraries that speak something else than HTTP (smtplib, imaplib): connected only to
where the configuration allows, and under a deadline for the whole of an operation.

A timeout limits the single read, so that a byte a second would hold a thread for hours.
"""

from __future__ import annotations

import io
import selectors
import socket
import ssl
import time
from typing import Any

from connectors.sdk.network import Destinations


class _Timed:
    """Everything ends at `until` (of `time.monotonic`; None: only the timeout counts)."""

    until: float | None = None
    reader: io.BufferedReader | None = None
    """What was read ahead lies here, where polling the socket does not see it."""

    def left(self) -> None:
        """Raises TimeoutError once the deadline has passed."""
        if self.until is None:
            return
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        self.settimeout(left)  # type: ignore[attr-defined] # of the socket that this is mixed into

    def arrives(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until there is something to read, if only the first part of
        a TLS record: whoever reads then may still have to wait for the rest.
        """
        if self._pending():
            return True
        sock: Any = self
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            return bool(selector.select(max(timeout, 0)))

    def _pending(self) -> bool:
        if self.reader is None:
            return False
        sock: Any = self
        sock.setblocking(False)
        try:
            return bool(self.reader.peek(1))
        except OSError:  # nothing there; TLS says so in an error of its own
            return False
        finally:
            sock.setblocking(True)


class TimedSocket(_Timed, socket.socket):
    """A plain socket."""

    def makefile(self, mode: str = "r", *rest: Any, **options: Any) -> Any:
        file = super().makefile(mode, *rest, **options)  # type: ignore[call-overload]
        if isinstance(file, io.BufferedReader):
            self.reader = file
        return file

    def recv(self, *rest: Any) -> bytes:
        self.left()
        return super().recv(*rest)

    def recv_into(self, *rest: Any) -> int:
        self.left()
        return super().recv_into(*rest)

    def send(self, *rest: Any) -> int:
        self.left()
        return super().send(*rest)

    def sendall(self, *rest: Any) -> None:
        self.left()
        super().sendall(*rest)


class TimedTls(_Timed, ssl.SSLSocket):
    """The same inside TLS. `sendall` and `recv` come down to these two."""

    def makefile(self, mode: str = "r", *rest: Any, **options: Any) -> Any:
        file = super().makefile(mode, *rest, **options)  # type: ignore[call-overload]
        if isinstance(file, io.BufferedReader):
            self.reader = file
        return file

    def read(self, *rest: Any) -> Any:
        self.left()
        return super().read(*rest)

    def send(self, *rest: Any) -> int:
        self.left()
        return super().send(*rest)


def dial(host: str, port: int, destinations: Destinations, until: float) -> TimedSocket:
    """A connection to one of the addresses of `host`, under the deadline `until`.

    Raises ConfigError for a forbidden destination, OSError where nobody answers in time.
    """
    failed: OSError = OSError("the name has no address")
    try:
        addresses = destinations.addresses(host, port, until - time.monotonic())
    except UnicodeError:
        raise OSError("the name is no host name") from None
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = TimedSocket(family, socket.SOCK_STREAM)
        made.until = until
        try:
            made.left()
            made.connect((address, port))
        except OSError as error:
            made.close()
            failed = error
        else:
            return made
    raise failed


def secure(plain: TimedSocket, context: ssl.SSLContext, host: str) -> TimedTls:
    """The same connection inside TLS, under the same deadline. Raises ssl.SSLError, OSError."""
    until = plain.until
    plain.left()
    context.sslsocket_class = TimedTls
    made = context.wrap_socket(plain, server_hostname=host)
    assert isinstance(made, TimedTls)  # noqa: S101 - what sslsocket_class promises
    made.until = until
    return made
