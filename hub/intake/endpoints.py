"""The connections that take deliveries, as the newest revision has them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial

import structlog
from pydantic import SecretStr

from connectors.sdk import ConnectorError, Receiver
from hub.flow.proving import proving
from hub.hub import Hub
from hub.live import NoWorkspace, Snapshot
from hub.store import access, running
from webhooks import Endpoint, Out

log = structlog.get_logger("hub.intake")

REFRESH = 1.0
"""Seconds within which a newly applied revision is in force for intake."""


class LiveEndpoints:
    """The intake's connections: answers from memory, refreshed by a thread of its own."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._endpoints: dict[str, Endpoint] = {}
        self._seen: tuple[Snapshot, set[str]] | None = None
        self._told: Snapshot | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def get(self, name: str) -> Endpoint | None:
        """The endpoint of a connection whose connector takes webhooks."""
        return self._endpoints.get(name)

    def refresh(self) -> None:
        """Take over the newest revision, if there is one, and who captures."""
        try:
            snapshot = self.hub.live.current()
        except NoWorkspace:
            return
        with self.hub.database.read() as tx:
            capturing = running.capturing(tx)
        with self._lock:
            if self._seen is None or snapshot is not self._seen[0] or capturing != self._seen[1]:
                self._endpoints = dict(self._build(snapshot, capturing))
                self._seen = (snapshot, capturing)

    def prepare(self) -> None:
        """Have connectors get what they need to judge; each says itself when it is time."""
        for endpoint in list(self._endpoints.values()):
            _prepare(endpoint.connection, endpoint.receiver)

    def _build(self, snapshot: Snapshot, capturing: set[str]) -> Mapping[str, Endpoint]:
        found = {}
        for name in snapshot.workspace.connections:
            try:
                connector = snapshot.connector(name)
            except Exception as error:  # a sender that is told 404 never comes back
                told = isinstance(error, ConnectorError)
                why = str(error) if told else f"It cannot be built: {type(error).__name__}."
                log.warning("connection takes no webhooks", connection=name, error=why)
                if proving(snapshot, name) != "not taken":
                    found[name] = Endpoint(connection=name, receiver=Out(), out=why)
                continue
            webhook = connector.settings.webhook
            if isinstance(connector, Receiver) and webhook.receive:
                _prepare(name, connector)
                found[name] = Endpoint(
                    connection=name,
                    receiver=connector,
                    token_hash=_hash(webhook.token),
                    token_required=webhook.token is not None,
                    unsigned=webhook.unsigned,
                    capture=webhook.capture or name in capturing,
                    # nobody can sign such a handshake: the address must be a secret itself
                    on_secret=partial(self._take_secret, name)
                    if webhook.token and (webhook.subscribe or connector.awaits_secret)
                    else None,
                )
        return found

    def _take_secret(self, name: str, secret: str) -> None:
        """In force here when this returns, and in other processes within a second."""
        from hub.flow.subscriptions import take_secret  # rare, and the whole pipeline comes along

        take_secret(self.hub, name, secret)
        self.refresh()

    def tell(self) -> None:
        """Have a person told which addresses cannot be served, or not by all their secrets."""
        with self._lock:
            snapshot, endpoints = self._seen[0] if self._seen else None, self._endpoints
        if snapshot is None or snapshot is self._told:
            return
        from hub.flow import lacking  # with the pipeline, which intake need not wait for

        out = {name: one.out for name, one in endpoints.items() if one.out}
        partly = {name: snapshot.lacking(name) for name in endpoints if name not in out}
        for name, missing in partly.items():
            for one in missing:
                log.warning("a webhook secret is missing", connection=name, missing=one)
        lacking.tell(self.hub, out, partly)
        self._told = snapshot

    def start(self) -> None:
        self.refresh()
        self._thread = threading.Thread(target=self._run, name="endpoints", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(REFRESH):
            try:
                self.refresh()
                self.prepare()
                self.tell()
            except Exception:
                log.exception("endpoints could not be refreshed")

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)


def _prepare(name: str, receiver: Receiver) -> None:
    """One that fails judges with what it has; it is asked again soon, and the others go on."""
    try:
        receiver.prepare()
    except Exception as error:
        log.warning("connector could not prepare", connection=name, error=type(error).__name__)


def _hash(token: SecretStr | None) -> bytes | None:
    return bytes.fromhex(access.digest(token.get_secret_value())) if token else None
