"""The sockets of connectors: every wait ends at the request's deadline, and only destinations that
the configuration named are connected to.

What a name resolves to is judged at the moment of connecting, and exactly that address is used, so
a name that changes its mind in between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from connectors.sdk.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FORBIDDEN = "destination_forbidden"
"""The code of an address that nothing is sent to."""
MAX_BODY = 32 * 1024 * 1024
"""Decoded bytes of one answer; more is refused, so a compressed bomb ends here."""
PIECE = 16 * 1024
"""Bytes that are sent or unpacked at a time."""

_SENDABLE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
"""What a header may hold: nothing, or text without control characters and blanks around it."""

PRIVATE = [
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "::1", "fc00::/7")
]
"""What an admin may mean by a bare address inside: this machine, and the networks of offices."""
PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
NOT_PUBLIC = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, where clouds put their own services
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: the metadata services of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "2001::/23",  # Teredo and protocol assignments: they carry other addresses
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address
    )
]
METADATA = [
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",  # Amazon
        "fd20:ce::/32",  # Google
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure; a public number
        # these carry an IPv4 address, which may be one of the above
        "::/96",
        "64:ff9b::/32",
        "2001::/32",
        "2002::/16",
    )
]
"""Where clouds hand out credentials: never reached by a bare address."""


def is_public(address: Address) -> bool:
    """Whether anybody on the internet can reach it. A list of our own, since `is_global` counts
    multicast, NAT64 and 6to4 in, which may lead inside.
    """
    if isinstance(address, ipaddress.IPv6Address) and address not in PUBLIC_V6:
        return False
    return not any(address in network for network in (*NOT_PUBLIC, *METADATA))


def hands_out_credentials(address: Address) -> bool:
    """Whether a cloud's metadata service may be there."""
    return not address.is_loopback and any(address in network for network in METADATA)


def may_be_meant(address: Address) -> bool:
    """Whether an address that is written out needs no more leave: public, of this machine, or of a
    private network. The metadata services of clouds, carrier-grade NAT, multicast and addresses
    that carry another one inside do.
    """
    if hands_out_credentials(address):
        return False
    return is_public(address) or any(address in network for network in PRIVATE)


def check_address(url: str, networks: Collection[Network] = ()) -> None:
    """What can be known of an address before anything is looked up. Raises ConfigError
    `destination_forbidden`.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ConfigError(f"{url[:200]!r} is no address.", FORBIDDEN) from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(
            f"{parts.scheme or url[:200]}: is not asked for anything; write https://… instead.",
            FORBIDDEN,
        )
    written = _written(host)
    if written is None:
        with suppress(OSError):  # 127.1, 2130706433, 0x7f.1: what resolvers take for an address
            packed = ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
            if not (is_public(packed) or any(packed in network for network in networks)):
                raise _refused(host, packed)
    elif not (may_be_meant(written) or any(written in network for network in networks)):
        raise _refused(host, written)


def _refused(host: str, address: object) -> ConfigError:
    leads = f"{host} is" if host == str(address) else f"{host} leads to"
    return ConfigError(
        f"{leads} {address}, inside a private network. If this is meant, allow it on the "
        f"connection: networks: [{address}]",
        FORBIDDEN,
    )


class Destinations:
    """Where one connection may connect to.

    A host by name must resolve to public addresses, or to ones inside `networks`. An address
    written out, or `localhost`, is what an admin meant and is let through where it is public, this
    machine's or a private network's: see `may_be_meant`.
    """

    def __init__(self, networks: Collection[Network] = ()) -> None:
        self.networks = tuple(networks)

    def addresses(self, host: str, port: int, timeout: float | None = None) -> list[str]:
        """The addresses to try, in order. Raises ConfigError for a forbidden one, OSError where
        the name does not resolve, TimeoutError where that takes longer than `timeout` (seconds).
        """
        written = _written(host)
        if written is not None:
            if not (may_be_meant(written) or self._named(written)):
                raise _refused(host, written)
            return [str(written)]
        local = host.rstrip(".").lower() == "localhost"
        addresses = _resolved(host, port, timeout)
        for text in addresses:
            address = _written(text.partition("%")[0])
            if address is None or not (
                is_public(address) or self._named(address) or (local and address.is_loopback)
            ):
                raise _refused(host, address or text)
        return list(dict.fromkeys(addresses))

    def _named(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def _written(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _resolved(host: str, port: int, timeout: float | None) -> list[str]:
    """What a name stands for. The system's resolver knows no timeout but its own of a minute or
    so: a thread that it holds for longer than we wait is left behind.
    """
    ask, answer = socket.getaddrinfo, Future[list[Any]]()

    def run() -> None:
        try:
            answer.set_result(ask(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="resolver", daemon=True).start()
    try:
        return [str(entry[4][0]) for entry in answer.result(timeout)]
    except TimeoutError:
        raise TimeoutError("no name server answered in time") from None


class Transport(httpx.HTTPTransport):
    """httpx's transport over sockets that know the deadline and the destinations. An answer comes
    unpacked, a piece at a time, and ends in httpx.ReadError where it has more than `most` bytes.
    """

    def __init__(self, destinations: Destinations | None = None, most: int = MAX_BODY) -> None:
        self._most = most
        # as many kept as there may be: a surplus one is closed even after it was given to a thread
        # that has not begun to write to it (encode/httpcore#1110)
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=20)
        super().__init__(verify=_certificates(), limits=limits)
        self._network = _Backend(destinations or Destinations())
        # httpx offers no public way to hand a network backend to its pool; httpcore does
        self._pool._network_backend = self._network

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["accept-encoding"] = "gzip, deflate"
        if not all(_SENDABLE.fullmatch(value) for _, value in request.headers.raw):
            # h11 would say so too, in the log and with the value, which may be a secret
            raise httpx.LocalProtocolError("a header holds what HTTP does not allow")
        response = super().handle_request(request)
        packed = response.headers.pop("content-encoding", "").strip().lower()
        response.stream = _Unpacked(response.stream, packed, self._most)
        return response

    def until(self, deadline: float) -> Until:
        """Everything this thread sends inside ends at `deadline` (of `time.monotonic`)."""
        return Until(self._network.request, deadline)


@cache
def _certificates() -> ssl.SSLContext:
    """Whom we trust, read once: it takes 40 ms, and there is a transport for every connection."""
    return httpx.create_ssl_context(trust_env=True)


class _Backend(httpcore.NetworkBackend):
    """httpx alone limits only the single read, so a byte a second would hold a thread for hours."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._backend = httpcore.SyncBackend()
        self.request = threading.local()

    def left(self, timeout: float | None) -> float | None:
        """The smaller of `timeout` and the time left; 0 or less means that it is over."""
        deadline: float | None = getattr(self.request, "deadline", None)
        if deadline is None:
            return timeout
        left = deadline - time.monotonic()
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._destinations.addresses(host, port, self.left(timeout))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name does not resolve ({error})") from error
        failed: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            left = self.left(timeout)
            if left is not None and left <= 0:
                raise httpcore.ConnectTimeout("no time left to connect")
            try:
                stream = self._backend.connect_tcp(
                    address, port, left, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(stream, self)
        raise failed


class Until:
    """The deadline of what this thread is carrying out. The inner of two nested ones may only
    be earlier.
    """

    def __init__(self, request: threading.local, deadline: float) -> None:
        self._request = request
        self._deadline = deadline
        self._outer: float | None = None

    def __enter__(self) -> None:
        self._outer = getattr(self._request, "deadline", None)
        self._request.deadline = min(self._deadline, self._outer or self._deadline)

    def __exit__(self, *_: object) -> None:
        self._request.deadline = self._outer


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, network: _Backend) -> None:
        self._stream = stream
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._network.left(timeout)
        if left is not None and left <= 0:
            raise httpcore.ReadTimeout("the deadline has passed")
        return self._stream.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), PIECE):  # a timeout is good for one send only
            left = self._network.left(timeout)
            if left is not None and left <= 0:
                raise httpcore.WriteTimeout("the deadline has passed")
            self._stream.write(buffer[start : start + PIECE], left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._network.left(timeout)
        if left is not None and left <= 0:
            raise httpcore.ConnectTimeout("no time left to connect")
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Unpacked(httpx.SyncByteStream):
    """An answer's body, unpacked and counted: httpx unpacks whatever one read brought at once, and
    a few kilobytes may hold gigabytes.
    """

    def __init__(self, stream: Any, packed: str, most: int) -> None:
        self._stream = stream
        self._packed = packed
        self._most = most

    def __iter__(self) -> Iterator[bytes]:
        size, held = 0, bytearray()
        for part in self._parts():
            size += len(part)
            if size > self._most:
                raise httpx.ReadError(f"the answer has more than {self._most // 1024**2} MiB")
            held += part  # thousands of tiny chunks would weigh more than what they hold
            if len(held) >= PIECE:
                yield bytes(held)
                held.clear()
        yield bytes(held)

    def _parts(self) -> Iterator[bytes]:
        if self._packed in ("", "identity"):
            return iter(self._stream)
        if self._packed in ("gzip", "x-gzip", "deflate"):
            return _inflated(self._stream, self._packed)
        raise httpx.DecodingError("the answer is compressed in a way that was not asked for")

    def close(self) -> None:
        self._stream.close()


def _inflated(packed: Iterable[bytes], form: str) -> Iterator[bytes]:
    """At most a piece at a time. gzip may have several members; deflate comes with the header of
    zlib, and from some vendors without.
    """
    inflate: Any = None
    for data in packed:
        while data:
            if inflate is None:
                bare = form == "deflate" and data[0] & 0x0F != 8
                inflate = zlib.decompressobj(-15 if bare else 47)
            try:
                yield inflate.decompress(data, PIECE)
            except zlib.error as error:
                raise httpx.DecodingError(f"the answer is not {form}") from error
            data = inflate.unconsumed_tail
            if inflate.eof:
                data = inflate.unused_data if inflate.unused_data[:1] == b"\x1f" else b""
                inflate = None if data else inflate
    if inflate is not None:
        yield inflate.flush()
        if not inflate.eof:
            raise httpx.DecodingError("the answer ends before its time")
