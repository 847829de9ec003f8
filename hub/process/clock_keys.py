"""Reads what files say of clocks: whose calendar they go by, and when they stand still."""

from __future__ import annotations

from collections.abc import Collection

from hub.process.who import Who
from hub.reading import Reader, unknown
from mappings.canonical import WaitingOn
from mappings.source import Map, did_you_mean


def read_calendar(reader: Reader, where: Map, known: Collection[str] | None) -> str | None:
    """The `calendar` of a person, a role, a process or a step: the name of one in hub.yaml."""
    name = reader.text(where, "calendar")
    if name is not None and known is not None and name not in known:
        message, hint = unknown(name, "calendar", sorted(known))
        if not known:
            hint = f"Add it to hub.yaml: calendars: {{{name}: {{hours: …}}}}"
        reader.error(where.at("calendar"), message, hint)
        return None
    return name


def read_pause(reader: Reader, where: Map) -> tuple[WaitingOn, ...]:
    """The `pause` of a process or a step: for whom its clock stands still."""
    found: list[WaitingOn] = []
    for name, place in reader.texts(where, "pause"):
        if name not in tuple(WaitingOn):
            hint = did_you_mean(name, tuple(WaitingOn))
            reader.error(place, f"nothing waits on '{name}'.", hint or "Write [external].")
        elif name in found:
            reader.warn(place, f"'{name}' is listed twice.", "Remove one of them.")
        else:
            found.append(WaitingOn(name))
    if found and "due" not in where:
        reader.error(
            where.key_at("pause"), "there is no clock that could stand still.", "Add a 'due'."
        )
    if len(found) == len(WaitingOn):
        reader.error(where.at("pause"), "this clock would never run.", "Leave one of them out.")
    return tuple(found)


def stands_from_the_start(
    reader: Reader,
    where: Map,
    pause: Collection[WaitingOn],
    waiting_on: WaitingOn,
    responsible: Who | None,
) -> None:
    """Say so where a step waits from the start for whom its clock stands still."""
    begins = waiting_on
    if responsible is not None and responsible.kind == "external":
        begins = WaitingOn.EXTERNAL
    if begins in pause:
        reader.warn(
            where.at("pause"),
            f"this step waits on '{begins}' from the start, so its clock stands, and nobody is"
            " reminded, until somebody changes that.",
            f"Remove '{begins}' from 'pause' if the {begins} side is to be reminded.",
        )
