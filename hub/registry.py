"""The connectors that are installed: found by entry point, so that one in somebody else's
package is a full citizen.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points

import structlog

from connectors.sdk import Connector
from hub.transforms import brought_transforms

GROUP = "hub.connectors"
log = structlog.get_logger("hub.registry")


@lru_cache(maxsize=1)
def connector_classes() -> dict[str, type[Connector]]:
    """Connector classes by name. One that does not load is logged and left out; the rest works.
    The transforms that packages bring come along, as the mappings of a connector may name them.
    """
    brought_transforms()
    found: dict[str, type[Connector]] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            loaded = point.load()
        except Exception as error:
            log.error("connector does not load", connector=point.name, error=str(error))
            continue
        if isinstance(loaded, type) and issubclass(loaded, Connector):
            found[point.name] = loaded
        else:
            log.error("not a connector", connector=point.name, value=point.value)
    return found
