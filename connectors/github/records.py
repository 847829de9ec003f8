"""GitHub's JSON to records, and a change's fields to GitHub's JSON. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from connectors.github import marker
from connectors.sdk import ConflictError, PayloadError, Record, RejectedError

Row = dict[str, Any]

_ISSUE_URL = re.compile(r"/repos/([^/]+)/([^/]+)/issues/([0-9]+)$")


def issue_record(
    row: Row, repository: str, *, actor: str | None = None, deleted: bool = False
) -> Record:
    """An issue (or pull request, which GitHub lists among them) of `owner/name`.

    Raises PayloadError where the row is not an issue.
    """
    owner, _, name = repository.partition("/")
    return Record(
        object="issue",
        id=_id(row, "issue"),
        data=_without_mark(row),
        address={"owner": owner, "repo": name, "number": _whole(row, "number", "issue")},
        version=_text(row, "updated_at", "issue"),
        updated_at=moment(_text(row, "updated_at", "issue")),
        url=row.get("html_url"),
        deleted=deleted,
        actor=actor or _author_if_new(row),
        key=next(iter(marker.keys(row.get("body"))), None),
    )


def comment_record(
    row: Row,
    repository: str,
    *,
    parent: str | None,
    actor: str | None = None,
    deleted: bool = False,
) -> Record:
    """A comment of `owner/name`; `parent` is the record id of its issue."""
    owner, _, name = repository.partition("/")
    return Record(
        object="comment",
        id=_id(row, "comment"),
        data=_without_mark(row),
        address={"owner": owner, "repo": name, "number": issue_number(row)},
        version=_text(row, "updated_at", "comment"),
        updated_at=moment(_text(row, "updated_at", "comment")),
        url=row.get("html_url"),
        deleted=deleted,
        parent=parent,
        actor=actor or _author_if_new(row),
        key=next(iter(marker.keys(row.get("body"))), None),
    )


def issue_number(comment: Row) -> int:
    """The number of the issue that a comment belongs to; GitHub names it only in an address."""
    match = _ISSUE_URL.search(str(comment.get("issue_url", "")))
    if not match:
        raise PayloadError("A comment without the address of its issue.", "comment.issue_url")
    return int(match[3])


def moment(text: str) -> datetime:
    """One of GitHub's timestamps. Raises PayloadError."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise PayloadError("Not a timestamp.", "updated_at") from None
    if value.tzinfo is None:
        raise PayloadError("A timestamp without a zone.", "updated_at")
    return value


def _id(row: Row, place: str) -> str:
    return str(_whole(row, "id", place))


def _whole(row: Row, key: str, place: str) -> int:
    value = row.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PayloadError(f"{place}.{key} is not a whole number.", f"{place}.{key}")
    return value


def _text(row: Row, key: str, place: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise PayloadError(f"{place}.{key} is not text.", f"{place}.{key}")
    return value


def _without_mark(row: Row) -> Row:
    body = row.get("body")
    if body is not None and not isinstance(body, str):
        raise PayloadError("The body is not text.", "body")
    return {**row, "body": marker.strip(body)}


def _author_if_new(row: Row) -> str | None:
    """REST names no last editor; only of an untouched record do we know who it was."""
    user = row.get("user")
    if isinstance(user, dict) and row.get("created_at") == row.get("updated_at"):
        login = user.get("login")
        return login if isinstance(login, str) else None
    return None


# ------------------------------------------------------------------------------------------ outward


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ValueError("must be text")


def _as_body(value: Any) -> str | None:
    return marker.strip(_as_text(value))


def _as_milestone(value: Any) -> int | None:
    value = value.get("number") if isinstance(value, Mapping) else value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError("must be the number of a milestone")


def _as_login(value: Any) -> str | None:
    names = _logins(value)
    if len(names) > 1:
        raise ValueError("must be one login; `assignees` takes several")
    return names[0] if names else None


def _names(key: str) -> Callable[[Any], list[str]]:
    def names(value: Any) -> list[str]:
        entries = value if isinstance(value, list) else [value]
        found: list[str] = []
        for entry in entries:
            name = entry.get(key) if isinstance(entry, Mapping) else entry
            if name is None or name == "":
                continue  # an emptied place in the list
            if not isinstance(name, str):
                raise ValueError(f"must be a list of texts or of objects with '{key}'")
            if name.casefold() not in {other.casefold() for other in found}:
                found.append(name)
        return found

    return names


_logins = _names("login")

WRITABLE: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "issue": {
        "title": _as_text,
        "body": _as_body,
        "state": _as_text,
        "state_reason": _as_text,
        "labels": _names("name"),
        "assignees": _logins,
        "assignee": _as_login,
        "milestone": _as_milestone,
    },
    "comment": {"body": _as_body},
}


def outward(object: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in the form GitHub's write calls take. Raises RejectedError that names every field
    which cannot be written so.
    """
    values: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for name, value in fields.items():
        convert = WRITABLE[object].get(name)
        if convert is None:
            refused[name] = f"cannot be written; {object} takes {', '.join(WRITABLE[object])}"
            continue
        try:
            values[name] = convert(value)
        except ValueError as error:
            refused[name] = str(error)
    if refused:
        told = "; ".join(f"{name} {reason}" for name, reason in refused.items())
        raise RejectedError(f"The {object} was not sent: {told}.", refused)
    return values


def differing(
    object: str, wanted: Mapping[str, Any], current: Row, base: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Those of the `wanted` fields (as `outward` gives them) that GitHub does not hold yet.

    Raises ConflictError where somebody else moved a field since `base`, to a value other than ours:
    GitHub has no conditional write, so we look just before. Repeating a lost update is harmless
    this way: what took effect the first time no longer differs.

    Lists are merged: what we add is added and what we take away from `base` is taken away, so that
    what others added meanwhile stays. `assignee` exchanges one person among the assignees.
    """
    missing: dict[str, Any] = {}
    moved: list[str] = []
    for name, value in wanted.items():
        before = base[name] if base is not None and name in base else None
        known = base is not None and name in base
        if name == "assignee":
            if not _moved_on(value, current, base):
                people = _exchanged(value, current, base)
                name, value, known = "assignees", people, False
        elif isinstance(value, list) and known:
            value, known = _merged(WRITABLE[object][name], value, current.get(name), before), False
        now = _comparable(object, name, current.get(name))
        if _comparable(object, name, value) == now:
            continue
        if known and _comparable(object, name, before) != now:
            moved.append(name)
        missing[name] = value
    if moved:
        raise ConflictError(f"Somebody changed {', '.join(moved)} at GitHub meanwhile.")
    return missing


def _merged(convert: Callable[[Any], list[str]], wanted: list[str], now: Any, base: Any) -> Any:
    """`now` with what `wanted` has and `base` had not, without what `base` had and `wanted` has
    not.
    """
    ours, before = set(_folded(wanted)), set(_folded(convert(base)))
    added = [name for name in wanted if name.casefold() not in before]
    kept = [name for name in convert(now) if name.casefold() not in before - ours]
    return list({name.casefold(): name for name in [*kept, *added]}.values())


def _first(row: Mapping[str, Any]) -> str | None:
    return _as_login(row.get("assignee")) or next(iter(_logins(row.get("assignees"))), None)


def _moved_on(wanted: str | None, current: Row, base: Mapping[str, Any] | None) -> bool:
    """Whether somebody else gave the issue to another person since `base`."""
    if base is None or not {"assignee", "assignees"} & base.keys():
        return False
    known, now = _first(base), _folded(_logins(current.get("assignees")))
    if wanted is None or wanted.casefold() in now:
        return False
    return bool(now) if known is None else known.casefold() not in now


def _exchanged(wanted: str | None, current: Row, base: Mapping[str, Any] | None) -> list[str]:
    """The assignees once the first one that `base` names has made way for `wanted`."""
    told = base is not None and bool({"assignee", "assignees"} & base.keys())
    known = _first(base) if told and base is not None else _first(current)
    leaving = set(_folded([name for name in (known, wanted) if name]))
    others = [name for name in _logins(current.get("assignees")) if name.casefold() not in leaving]
    return [*([wanted] if wanted else []), *others]


def _folded(names: list[str]) -> list[str]:
    return [name.casefold() for name in names]


def _comparable(object: str, name: str, value: Any) -> Any:
    value = WRITABLE[object][name](value)
    if isinstance(value, list):
        return sorted(entry.casefold() for entry in value)  # GitHub ignores case and order here
    if isinstance(value, str):
        return value.replace("\r\n", "\n")
    return value
