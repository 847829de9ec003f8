"""The little of Jira's query language that the sandbox understands; the rest it refuses."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.jira.sandbox_site import Refused, Row, Site, utc

_PROJECTS = re.compile(r'project in \(("[A-Z][A-Z0-9_]*"(?:, ?"[A-Z][A-Z0-9_]*")*)\)')
_TIME = re.compile(r'(updated|created) >= "(\d{4}-\d\d-\d\d \d\d:\d\d)"')
_ORDER = re.compile(r" ORDER BY (updated|created) ASC, key ASC$")
_BODY = frozenset(
    {
        "jql",
        "nextPageToken",
        "maxResults",
        "fields",
        "expand",
        "properties",
        "fieldsByKeys",
        "failFast",
        "reconcileIssues",
    }
)


def search(site: Site, body: Any, me: str, lag: float, most: int, age: int) -> Row:
    """The answer to POST /search/jql. Tokens of another `age` have ended. Raises Refused."""
    if not isinstance(body, dict) or body.keys() - _BODY or not isinstance(body.get("jql"), str):
        raise Refused(400, "Invalid request payload. Refer to the REST API documentation.")
    fresh = body.get("reconcileIssues", [])
    if not all(isinstance(id, int) for id in fresh) or len(fresh) > 50:
        raise Refused(400, "reconcileIssues takes up to 50 issue ids.")
    found = _found(site, body["jql"], me, lag, {str(id) for id in fresh})
    begin = _begin(body.get("nextPageToken"), f"{age}|{body['jql']}")
    size = min(int(body.get("maxResults", 50)), most)
    page = found[begin : begin + size]
    answer: Row = {
        "issues": [
            shown(row, body.get("fields") or ["id"], body.get("properties") or []) for row in page
        ],
        "isLast": begin + size >= len(found),
    }
    if not answer["isLast"]:
        token = f"{begin + size}|{age}|{body['jql']}"
        answer["nextPageToken"] = base64.urlsafe_b64encode(token.encode()).decode()
    return answer


def count(site: Site, body: Any, me: str, lag: float) -> Row:
    """The answer to POST /search/approximate-count. Raises Refused."""
    if not isinstance(body, dict) or body.keys() != {"jql"} or not isinstance(body["jql"], str):
        raise Refused(400, "Invalid request payload. Refer to the REST API documentation.")
    return {"count": len(_found(site, body["jql"], me, lag, set()))}


def _begin(token: Any, jql: str) -> int:
    if token is None:
        return 0
    try:
        begin, _, question = base64.urlsafe_b64decode(token).decode().partition("|")
        if question != jql:
            raise ValueError
        return int(begin)
    except ValueError:
        raise Refused(400, "The provided next page token is invalid or expired.") from None


def _found(site: Site, jql: str, me: str, lag: float, fresh: set[str]) -> list[Row]:
    order = _ORDER.search(jql)
    clauses = jql[: order.start()].split(" AND ") if order else [jql]
    found = site.indexed(lag, fresh)
    bounded = False
    for clause in clauses:
        if projects := _PROJECTS.fullmatch(clause):
            keys = re.findall(r'"([^"]+)"', projects[1])
            for key in keys:
                if key not in site.projects:
                    text = f"The value '{key}' does not exist for the field 'project'."
                    raise Refused(400, text)
            found = [row for row in found if row["fields"]["project"]["key"] in keys]
            bounded = True
        elif time := _TIME.fullmatch(clause):
            since = _moment(time[2], site.zone)
            found = [row for row in found if utc(row["fields"][time[1]]) >= since]
            bounded = True
        elif clause == "creator = currentUser()":
            found = [row for row in found if row["fields"]["creator"]["accountId"] == me]
            bounded = True
        else:
            raise Refused(400, f"Error in the JQL Query: '{clause[:60]}' is not understood here.")
    if not bounded:
        raise Refused(400, "Unbounded JQL queries are not allowed here. Add a restriction.")
    if order:
        found.sort(key=lambda row: (utc(row["fields"][order[1]]), row["key"]))
    return found


def _moment(text: str, zone: str) -> datetime:
    # of an hour that happens twice, the later one: whoever relies on the earlier one loses records
    at = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone), fold=1)
    return at.astimezone(ZoneInfo("UTC"))


def shown(row: Row, fields: Sequence[str], properties: Sequence[str]) -> Row:
    """An issue with the fields asked for: none but the id unless named."""
    answer: Row = {"id": row["id"]}
    if list(fields) != ["id"]:
        every = "*all" in fields or "*navigable" in fields
        held = {**row["fields"], "comment": _comments(row)}
        chosen = {
            name: value
            for name, value in held.items()
            if (every or name in fields) and f"-{name}" not in fields
        }
        answer |= {"key": row["key"], "expand": "operations,editmeta", "fields": chosen}
    if properties:
        answer["properties"] = {
            name: row["properties"][name] for name in properties if name in row["properties"]
        }
    return answer


def _comments(row: Row) -> Row:
    """Of the comments a search shows the first twenty, without their properties."""
    kept = [{n: v for n, v in one.items() if n != "properties"} for one in row["comments"][:20]]
    return {"comments": kept, "maxResults": 20, "total": len(row["comments"]), "startAt": 0}
