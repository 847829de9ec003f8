"""The sockets of connectors: every wait ends at the request's deadline, and only destinations that
the configuration named are connected to.

What a name resolves to is judged at the moment of connecting, and exactly that address is used, so
a name that changes its mind in between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

import httpcore
import httpx

from connectors.sdk.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

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
METADATA = [ipaddress.ip_network(text) for text in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32")]
"""Where clouds hand out credentials: never reached by a bare address."""


def is_public(address: Address) -> bool:
    """Whether anybody on the internet can reach it. A list of our own, since `is_global` counts
    multicast, NAT64 and 6to4 in, which may lead inside.
    """
    if isinstance(address, ipaddress.IPv6Address) and address not in PUBLIC_V6:
        return False
    return not any(address in network for network in NOT_PUBLIC)


class Destinations:
    """Where one connection may connect to.

    A host by name must resolve to public addresses, or to ones inside `networks`. An address
    written out, or `localhost`, is what an admin meant and is let through, except link-local ones:
    the metadata service of a cloud hands out credentials to whoever asks.
    """

    def __init__(self, networks: Collection[Network] = ()) -> None:
        self.networks = tuple(networks)

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses to try, in order. Raises ConfigError for a forbidden one, OSError where
        the name does not resolve.
        """
        written = _written(host)
        if written is not None:
            if not self._named(written) and any(written in network for network in METADATA):
                raise self._refused(host, written)
            return [str(written)]
        local = host.rstrip(".").lower() == "localhost"
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        for text in addresses:
            address = _written(text.partition("%")[0])
            if address is None or not (
                is_public(address) or self._named(address) or (local and address.is_loopback)
            ):
                raise self._refused(host, address or text)
        return list(dict.fromkeys(addresses))

    def _named(self, address: Address) -> bool:
        return any(address in network for network in self.networks)

    def _refused(self, host: str, address: object) -> ConfigError:
        leads = f"{host} is" if host == str(address) else f"{host} leads to"
        return ConfigError(
            f"{leads} {address}, inside a private network. If this is meant, allow it on the "
            f"connection: networks: [{address}]"
        )


def _written(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


class Transport(httpx.HTTPTransport):
    """httpx's transport over sockets that know the deadline and the destinations."""

    def __init__(self, destinations: Destinations | None = None) -> None:
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=10)
        super().__init__(verify=_certificates(), limits=limits)
        self._network = _Backend(destinations or Destinations())
        # httpx offers no public way to hand a network backend to its pool; httpcore does
        self._pool._network_backend = self._network

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
            addresses = self._destinations.addresses(host, port)
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
        left = self._network.left(timeout)
        if left is not None and left <= 0:
            raise httpcore.WriteTimeout("the deadline has passed")
        self._stream.write(buffer, left)

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
