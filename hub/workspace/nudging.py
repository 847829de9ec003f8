"""`nudges` in hub.yaml: how much one person is written to before it is gathered."""

from __future__ import annotations

from hub import keys
from hub.participants.pacing import Pace
from hub.reading import Reader
from mappings.source import Map


def load_pace(reader: Reader, top: Map) -> Pace:
    """The section of hub.yaml; findings go to the reader."""
    section = reader.mapping(top, "nudges")
    if section is None:
        return Pace()
    reader.only(section, keys.NUDGES, "nudges")
    usual = Pace()
    return Pace(
        reader.integer(section, "per_day") or usual.per_day,
        reader.integer(section, "at_once") or usual.at_once,
    )
