"""What of a record is not taken in: fields whose whole column is in quarantine, and defaults in
place of what a thin delivery only does not mention.
"""

from __future__ import annotations

from hub.flow.arrival import Arrival
from hub.unit import Unit
from mappings.compiler import CompiledMapping, Mapped
from mappings.spec import UNSET


def leave_out(unit: Unit, arrival: Arrival, mapped: Mapped) -> None:
    """Take out of a record's values what keeps ours. `arrival` is attached to its link."""
    row = arrival.row
    held = unit.snapshot.not_read(row["connection"], row["object"])
    for name in held:
        mapped.values.pop(name, None)
        mapped.raw.pop(name, None)
    if held:
        mapped.problems[:] = [one for one in mapped.problems if one.field not in held]
    if arrival.link is None or row.get("source") == "pull" or arrival.read_at is not None:
        return
    base = arrival.link["remote_base"]
    for name in _with_default(arrival.mapping):
        if name in mapped.values and name not in mapped.raw and base.get(name) is not None:
            # a webhook often carries less than a list does: what it leaves out was not emptied
            del mapped.values[name]


def _with_default(mapping: CompiledMapping) -> list[str]:
    """The fields that are given something where the record says nothing."""
    return [
        name
        for name, plan in mapping.plans.items()
        if plan.fallback is not UNSET and plan.read is not None and plan.condition is None
    ]
