"""hub.yaml's `timezone`, `calendar` and `calendars`: when people work, in general and by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from hub import keys
from hub.process.calendar import WEEKDAYS, Calendar, parse_hours, supported_countries
from hub.process.calendars import Calendars as Calendars
from hub.reading import Reader, unknown
from mappings.keys import Keys
from mappings.source import Map, Place

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def load_calendars(reader: Reader, top: Map) -> tuple[str, Calendar, dict[str, Calendar]]:
    """The workspace's zone and calendar, and the calendars that have a name."""
    timezone = reader.text(top, "timezone") or "UTC"
    zone = _valid(reader, top.at("timezone"), {"timezone": timezone})
    section = reader.mapping(top, "calendar")
    known = timezone if zone else "UTC"
    calendar = zone or Calendar()
    if section is not None:
        calendar = _calendar(reader, section, known, keys.CALENDAR) or Calendar()
    named = {}
    several = reader.mapping(top, "calendars")
    for name in several or ():
        if several is None:
            break
        body = reader.mapping(several, name)
        if body is None:
            if several[name] is None:
                reader.error(several.key_at(name), f"'{name}' says nothing.", "Add hours: …")
            continue
        named[name] = _calendar(reader, body, known, keys.NAMED_CALENDAR) or Calendar()
    return timezone, calendar, named


def _calendar(reader: Reader, section: Map, timezone: str, allowed: Keys) -> Calendar | None:
    reader.only(section, allowed, "the calendar" if allowed is keys.CALENDAR else "a calendar")
    if "timezone" in allowed and (own := reader.text(section, "timezone")) is not None:
        if _valid(reader, section.at("timezone"), {"timezone": own}) is None:
            return None
        timezone = own
    settings: dict[str, object] = {"timezone": timezone}
    country, subdivision = reader.text(section, "country"), reader.text(section, "subdivision")
    countries = supported_countries() if country else {}
    if country is not None and country not in countries:
        message, hint = unknown(country, "country", countries)
        reader.error(
            section.at("country"), message, f"Write an ISO code such as CH. {hint}".strip()
        )
    elif country is not None:
        settings["country"] = country
    if subdivision is not None and country is None:
        reader.error(section.at("subdivision"), "a subdivision needs a 'country' beside it.")
    elif subdivision is not None and country in countries:
        if subdivision in countries[country]:
            settings["subdivision"] = subdivision
        else:
            reader.error(
                section.at("subdivision"),
                *unknown(subdivision, f"subdivision of {country}", countries[country]),
            )
    days = reader.texts(section, "workdays")
    for day, place in days:
        if day not in WEEKDAYS:
            reader.error(place, f"'{day}' is not a weekday.", f"Write {', '.join(WEEKDAYS)}.")
    if section.get("workdays") == []:
        reader.error(section.at("workdays"), "nobody ever works.", "Name at least one weekday.")
    good_days = [day for day, _ in days if day in WEEKDAYS]
    if good_days:
        settings["workdays"] = good_days
    hours = reader.text(section, "hours")
    if hours is not None:
        try:
            parse_hours(hours)
            settings["hours"] = hours
        except ValueError as error:
            reader.error(section.at("hours"), str(error))
    settings["closed"] = _closed(reader, section)
    return _valid(reader, section.place, settings)


def _closed(reader: Reader, section: Map) -> list[date]:
    closed = []
    for day, place in reader.texts(section, "closed"):
        try:
            if not _DATE.fullmatch(day):
                raise ValueError
            closed.append(date.fromisoformat(day))
        except ValueError:
            reader.error(place, f"'{day}' is not a date.", "Write 2026-12-24.")
    return closed


def _valid(reader: Reader, place: Place, settings: Mapping[str, object]) -> Calendar | None:
    try:
        return Calendar(**settings)  # type: ignore[arg-type] # each was checked by its caller
    except ValueError as error:
        reader.error(place, str(error))
        return None
