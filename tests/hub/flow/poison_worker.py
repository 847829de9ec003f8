"""A process that takes deliveries in until nothing is due, to be killed by one of them: `python -m
tests.hub.flow.poison_worker FOLDER DATABASE_URL`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from connectors.sdk import Delivery, Parsed
from hub.flow.bring_in import bring_in
from hub.flow.intake import parse_deliveries
from hub.hub import open_hub
from hub.settings import Settings
from hub.store import inbox, queue
from hub.store.records import RECORDS
from tests.hub.flow.ledger import Book, LedgerConnector

KEY = b"a-key-of-tests-that-is-long-enough"


class DeadlyConnector(LedgerConnector):
    """Its `parse` ends the process where a body says so."""

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        if b"deadly" in delivery.body:
            os._exit(9)
        return super().parse(delivery)


def main(folder: str, database_url: str) -> None:
    LedgerConnector.books["ledger"] = Book()
    settings = Settings(Path(folder), database_url, None, KEY)
    hub = open_hub(settings, {"ledger": DeadlyConnector}, env={})
    with hub.database.write() as tx:  # as `hub up` does when it starts
        queue.recover(tx, inbox.DELIVERIES)
        queue.recover(tx, RECORDS)
    while parse_deliveries(hub) + bring_in(hub):
        pass
    hub.database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
