"""Dates, moments, and what a due is in the tool's own form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from mappings.transforms.step import (
    TIMES,
    Example,
    Fault,
    Param,
    ParamError,
    Scope,
    Step,
    Transform,
    Usual,
)
from mappings.transforms.times import (
    SERIALS,
    TimeError,
    is_canonical,
    moment_text,
    read_time,
    write_date,
    write_moment,
    zone,
)


def canonical_time(value: Any) -> date | datetime:
    """A due, date or moment as the canonical model writes it. Raises Fault."""
    if isinstance(value, dict):
        value = value.get("at") or value.get("date")
    return _time(value, None, None)


def _time(value: Any, form: str | None, zone_name: str | None) -> date | datetime:
    try:
        return read_time(value, form, zone_name)
    except TimeError as error:
        raise Fault(str(error)) from None


def _date(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    form, zone_name = params.get("format"), params.get("zone")

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        if form is None and value.__class__ is str and len(value) == 10 and is_canonical(value):
            return value
        found = _time(value, form, zone_name)
        if isinstance(found, datetime):
            # without a zone of its own the day is the one the vendor wrote
            found = (found.astimezone(zone(zone_name)) if zone_name else found).date()
        return found.isoformat()

    def outward(value: Any, scope: Scope) -> Any:
        if form is None and value.__class__ is dict and value.get("date"):
            return value["date"]
        found = canonical_time(value)
        if isinstance(found, datetime):
            found = found.astimezone(zone(zone_name or scope.zone)).date()
        return write_date(found, form)

    return inward, outward


def _datetime(params: Mapping[str, Any]) -> tuple[Step, Step | None]:
    form, zone_name = params.get("format"), params.get("zone")
    clock = params.get("time")
    if clock is not None:
        try:
            moment = datetime.strptime(clock, "%H:%M").time()
        except ValueError:
            raise ParamError("'time' of 'datetime' is a time of day.", "Write '17:00'.") from None

    def inward(value: Any, scope: Scope) -> Any:
        if value == "":
            return None
        if form is None and value.__class__ is str and len(value) == 20 and is_canonical(value):
            return value
        found = _time(value, form, zone_name)
        if not isinstance(found, datetime) and form in SERIALS:
            # a whole number is midnight where a time of day is meant: so we write it ourselves
            found = datetime.combine(found, time(), zone(zone_name) if zone_name else UTC)
        if not isinstance(found, datetime):
            raise Fault(f"{found.isoformat()} is a date without a time; read it with as: date")
        return moment_text(found)

    def outward(value: Any, scope: Scope) -> Any:
        if form is None and value.__class__ is dict and value.get("at"):
            return value["at"]
        found = canonical_time(value)
        if not isinstance(found, datetime):
            if clock is None:
                raise Fault(
                    f"{found.isoformat()} is a date, and this tool wants a time of day too; say "
                    "which with as: {datetime: {time: '17:00'}}"
                )
            found = datetime.combine(found, moment, zone(zone_name or scope.zone))
        return write_moment(found, form, zone_name)

    return inward, outward


_TIME = {
    "format": Param("format", about="the form that is written, and read where it could be another"),
    "zone": Param("zone", about="of a text without one, and of a day: UTC, or the workspace's"),
}

DATES = (
    Transform(
        "date",
        "a calendar date",
        _date,
        _TIME,
        "format",
        takes=TIMES,
        gives="date",
        usual=Usual(
            "{value} if {value}.__class__ is str and len({value}) == 10"
            " and {is_canonical}({value}) else None",
            {"is_canonical": is_canonical},
        ),
        usual_back=Usual("{value}.get('date') or None if {value}.__class__ is dict else None"),
        usual_despite=("zone",),
        examples=(
            Example("04.03.2026", "2026-03-04", {"format": "%d.%m.%Y"}),
            Example("1772582400000", "2026-03-04", {"format": "epoch_ms_text"}),
        ),
    ),
    Transform(
        "datetime",
        "a moment",
        _datetime,
        {**_TIME, "time": Param("text", about="the time of day of a due without one")},
        "format",
        takes=("text", "number", "decimal", "moment"),
        gives="moment",
        usual=Usual(
            "{value} if {value}.__class__ is str and len({value}) == 20"
            " and {is_canonical}({value}) else None",
            {"is_canonical": is_canonical},
        ),
        usual_back=Usual("{value}.get('at') or None if {value}.__class__ is dict else None"),
        usual_despite=("zone", "time"),
        examples=(
            Example(
                "2026-03-01T10:00:00.000+0000", "2026-03-01T10:00:00Z", {"format": "iso_offset"}
            ),
            Example(
                "2026-03-01 11:00:00",
                "2026-03-01T10:00:00Z",
                {"format": "sql", "zone": "Europe/Zurich"},
            ),
        ),
    ),
)
