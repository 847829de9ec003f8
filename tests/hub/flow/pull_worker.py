"""A process that pulls everything of one object, to be killed at any moment: `python -m
tests.hub.flow.pull_worker FOLDER DATABASE_URL CONNECTION OBJECT`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from connectors.rest.connector import RestConnector
from hub.flow.pull import pull
from hub.hub import open_hub
from hub.settings import Settings
from hub.store import cursors

KEY = b"a-key-of-tests-that-is-long-enough"
CLASSES = {"rest": RestConnector}


def main(folder: str, database_url: str, connection: str, object: str) -> None:
    settings = Settings(Path(folder), database_url, None, KEY)
    hub = open_hub(settings, CLASSES, env=dict(os.environ))
    with hub.database.write() as tx:  # as `hub up` does when it starts
        cursors.recover_pulls(tx)
    result = pull(hub, connection, object, full=True, force=True)
    hub.database.close()
    if result.error or result.busy or result.queued:
        sys.exit(f"The pull did not come to its end: {result}")


if __name__ == "__main__":
    main(*sys.argv[1:])
