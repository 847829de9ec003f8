"""The transforms that other packages bring: found by entry point like connectors, and registered
before a mapping is read. A name of the group is the transform's; its value is a `Transform`, or a
function of one value, which then has no way back.

    [project.entry-points."hub.transforms"]
    vat = "acme_mappings:VAT"
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

import structlog

from mappings.transforms import register, registrable, unavailable

GROUP = "hub.transforms"
log = structlog.get_logger("hub.transforms")


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of one entry point. `problem` is why there is no transform of this name."""

    name: str
    distribution: str
    problem: str = ""


@lru_cache(maxsize=1)
def brought_transforms() -> tuple[Brought, ...]:
    """Register what the installed packages bring. One that is broken is logged and left out; a
    mapping that names it is told why.
    """
    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        one = _register(point)
        found.append(one)
        if one.problem:
            log.error(
                "transform does not load",
                transform=one.name,
                distribution=one.distribution,
                error=one.problem,
            )
            unavailable(one.name, f"the package {one.distribution} brings it, but {one.problem}")
    return tuple(found)


def _register(point: EntryPoint) -> Brought:
    distribution = point.dist.name if point.dist else "?"
    try:
        register(registrable(point.name, point.load()))
    except Exception as error:
        # whatever a stranger's module does when it is imported must not take the hub down
        told = str(error) or type(error).__name__
        return Brought(point.name, distribution, f"it does not load: {told[:300].rstrip('.')}")
    return Brought(point.name, distribution)
