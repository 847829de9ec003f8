"""Questions to Jira's search. Times in them are whole minutes in the time zone of whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

MINUTE = "%Y-%m-%dT%H:%M"
"""How a cursor writes its time, in UTC."""
WEST = timedelta(hours=12)
"""Where the user's zone is not known: no place is further behind UTC."""


def zone_of(name: object) -> tzinfo | None:
    """The time zone of Jira's name for it; None where there is no such zone."""
    try:
        return ZoneInfo(str(name)) if name else None
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError, below
        return None
    except KeyError:
        return None


def literal(at: datetime, zone: tzinfo | None) -> str:
    """The moment as a search in that zone reads it, never later than it is.

    An hour that happens twice (the end of summer time) cannot be written: what comes before it is.
    """
    if zone is None:
        return (at.astimezone(UTC) - WEST).strftime("%Y-%m-%d %H:%M")
    local = at.astimezone(zone)
    for _ in range(4):
        if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
            break
        at -= timedelta(hours=1)
        local = at.astimezone(zone)
    return local.strftime("%Y-%m-%d %H:%M")


def in_projects(projects: Sequence[str]) -> str:
    """Always quoted: some project keys are words of the query language."""
    return "project in ({})".format(", ".join(f'"{key}"' for key in projects))


def changed(projects: Sequence[str], since: str, zone: tzinfo | None) -> str:
    """What changed at `since` (a cursor's minute, "" for the beginning) or later, oldest first."""
    parts = [in_projects(projects)]
    if since:
        parts.append(f'updated >= "{literal(read(since), zone)}"')
    return " AND ".join(parts) + " ORDER BY updated ASC, key ASC"


def ours_since(projects: Sequence[str], at: datetime | None, zone: tzinfo | None) -> str:
    """What our user created since then."""
    parts = [in_projects(projects), "creator = currentUser()"]
    if at is not None:
        parts.append(f'created >= "{literal(at, zone)}"')
    return " AND ".join(parts) + " ORDER BY created ASC, key ASC"


def readable(minute: str) -> bool:
    """Whether this is a cursor's minute, or the beginning."""
    try:
        return not minute or bool(read(minute))
    except ValueError:
        return False


def read(minute: str) -> datetime:
    return datetime.strptime(minute, MINUTE).replace(tzinfo=UTC)


def earlier(minute: str, minutes: int) -> str:
    """A cursor's minute, so many minutes before."""
    return (read(minute) - timedelta(minutes=minutes)).strftime(MINUTE)
