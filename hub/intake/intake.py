"""The intake of a hub: the webhook floor with what it is handed, started and stopped together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hub.failpoints import reach
from hub.hub import Hub
from hub.intake.endpoints import LiveEndpoints
from hub.intake.noticing import Noticing
from hub.store.arrivals import Arrivals, DiskFailed
from webhooks import Incoming, Stored, WebhookApp


class StoreInbox:
    """The intake's inbox: rows in the hub's database."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._arrivals = Arrivals(hub.database)
        self.on_disk_failure: Callable[[DiskFailed], None] = lambda error: None

    def store(self, batch: Sequence[Incoming]) -> Sequence[Stored]:
        """Store a batch in one transaction."""
        try:
            stored = self._arrivals.store(batch)
        except DiskFailed as error:
            self.on_disk_failure(error)
            raise
        reach("intake.stored")
        self.hub.wake("intake")
        return stored

    def close(self) -> None:
        """After the last batch."""
        self._arrivals.close()


class Intake:
    """Deliveries are checked and stored; `app` answers everything under `/webhooks/`."""

    def __init__(self, hub: Hub, public_url: str) -> None:
        self.endpoints = LiveEndpoints(hub)
        self.noticing = Noticing(hub, public_url)
        self.inbox = StoreInbox(hub)
        self.app = WebhookApp(
            self.endpoints,
            self.inbox,
            public_url=public_url,
            now=hub.clock,
            notices=self.noticing,
        )

    def start(self) -> None:
        """Be ready to take deliveries."""
        self.endpoints.start()
        self.noticing.start()
        self.app.start()

    def settle(self) -> None:
        """Do now what is else done within a second: take over what was changed about connections,
        and write down what was refused.
        """
        self.endpoints.refresh()
        self.noticing.flush()

    def stop(self) -> None:
        """Store what was taken in, then stop."""
        if self.app.stop():
            self.inbox.close()
        self.noticing.stop()
        self.endpoints.stop()
