"""The intake of a hub behind a real server."""

from __future__ import annotations

from hub.hub import Hub
from hub.intake.intake import Intake
from tests.webhooks.intake_support import PUBLIC, MemoryInbox, Served


class HubServed(Served):
    """`intake` has no threads of its own: a test refreshes its endpoints itself."""

    def __init__(self, hub: Hub) -> None:
        super().__init__({}, MemoryInbox())
        self.intake = Intake(hub, PUBLIC)
        self.intake.endpoints.refresh()
        self.app = self.intake.app

    def stop(self) -> None:
        super().stop()
        self.intake.inbox.close()
