"""`retention` in hub.yaml: how long what has been dealt with is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from hub import keys
from hub.reading import Reader
from mappings.source import Map

DAYS_PATTERN = r"^[1-9][0-9]{0,4}d$"


@dataclass(frozen=True, slots=True)
class Retention:
    """`deliveries`: how long one that was processed can be looked at and replayed."""

    deliveries: timedelta = timedelta(days=90)


def load_retention(reader: Reader, top: Map) -> Retention:
    """The section of hub.yaml; findings go to the reader."""
    section = reader.mapping(top, "retention")
    if section is None:
        return Retention()
    reader.only(section, keys.RETENTION, "retention")
    said = reader.text(section, "deliveries")
    if said is None:
        return Retention()
    if not re.fullmatch(DAYS_PATTERN, said):
        reader.error(
            section.at("deliveries"), f"'{said}' is no number of days.", "Write 90d, or 365d."
        )
        return Retention()
    return Retention(timedelta(days=int(said[:-1])))
