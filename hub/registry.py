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
    names = sorted({point.name for point in entry_points(group=GROUP)})
    return {name: found for name in names if (found := connector_class(name)) is not None}


@lru_cache(maxsize=256)
def connector_class(name: str) -> type[Connector] | None:
    """One of them, without loading the others: all of them take a second and 30 MB."""
    _bring_transforms()
    found = None
    for point in entry_points(group=GROUP, name=name):
        try:
            loaded = point.load()
        except Exception as error:
            log.error("connector does not load", connector=name, error=str(error))
            continue
        if isinstance(loaded, type) and issubclass(loaded, Connector):
            found = loaded
        else:
            log.error("not a connector", connector=name, value=point.value)
    return found


_bring_transforms = lru_cache(maxsize=1)(brought_transforms)
