"""A first load of a large object through a query job of Bulk API 2.0.

A job takes minutes; nobody waits for it. The cursor holds the job, each pull asks whether it is
done, and reads on where the last one stopped. Rows come in the order of their ids, cut into parts
by Salesforce itself. What changes meanwhile is left to the ordinary pull, which begins at the last
change before the job.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.salesforce.client import Row, SalesforceClient
from connectors.sdk import NotFoundError, PayloadError
from connectors.sdk.http import HttpResponse

PART = 5000
"""Rows of one part; at two kilobytes a row it stays well below what one answer may hold."""
_LOCATOR = re.compile(r"[\x21-\x7e]{1,500}")
_NUMBERS = frozenset({"double", "currency", "percent"})


class JobLost(Exception):
    """The job failed, was aborted, or is no longer kept: begin in the ordinary way."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the cursor holds it. `part` names the next part, "" the first. `mark` is the last
    change before it began.
    """

    id: str
    mark: str
    part: str = ""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Job:
        return cls(str(stored.get("id")), str(stored.get("mark")), str(stored.get("part") or ""))

    def stored(self) -> dict[str, str]:
        return {"id": self.id, "mark": self.mark, "part": self.part}


def count(client: SalesforceClient, name: str) -> int:
    """About how many records an object has; costs Salesforce nothing, unlike COUNT()."""
    path = f"{client.root}/limits/recordCount"
    answer = client.http.request("GET", path, params={"sObjects": name}).json()
    entries = answer.get("sObjects") if isinstance(answer, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name:
            return int(entry.get("count") or 0)
    return 0


def begin(client: SalesforceClient, soql: str, mark: str) -> Job:
    """Start a job. Raises what says that this user may not."""
    body = {
        "operation": "query",
        "query": soql,
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }
    answer = client.http.request("POST", f"{client.root}/jobs/query", json=body).json()
    return Job(_text(answer, "id"), mark)


def done(client: SalesforceClient, job: Job) -> int | None:
    """How many rows the results have, once they can be read. Raises JobLost."""
    answer = _ask(client, f"/jobs/query/{job.id}").json()
    state = _text(answer, "state")
    if state in ("Failed", "Aborted"):
        raise JobLost
    count = answer.get("numberRecordsProcessed")
    return (count if isinstance(count, int) else 0) if state == "JobComplete" else None


def parts(
    client: SalesforceClient, job: Job, fields: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[list[Row], Job | None]]:
    """The rest of the results, each part with the job as it stands after it (None: at its end).

    Raises JobLost, and PayloadError for parts in a circle.
    """
    known = {job.part}
    while True:
        params: dict[str, str | int] = {"maxRecords": PART}
        if job.part:
            params["locator"] = job.part
        response = _ask(client, f"/jobs/query/{job.id}/results", params)
        rows = read(response.body, fields)
        following = response.headers.get("sforce-locator", "null")
        if following == "null":
            yield rows, None
            return
        if not _LOCATOR.fullmatch(following) or following in known:
            raise PayloadError("The parts of a query job lead in a circle.", "sforce-locator")
        known.add(following)
        job = Job(job.id, job.mark, following)
        yield rows, job


def forget(client: SalesforceClient, job: Job) -> None:
    """Let Salesforce clear the results away; it would by itself after seven days."""
    try:
        client.http.request("DELETE", f"{client.root}/jobs/query/{job.id}")
    except NotFoundError:
        return


def _ask(
    client: SalesforceClient, path: str, params: Mapping[str, str | int] | None = None
) -> HttpResponse:
    try:
        return client.http.request("GET", client.root + path, params=params)
    except NotFoundError:
        raise JobLost from None


def _text(answer: Any, name: str) -> str:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value:
        raise PayloadError(f"Salesforce's answer about a query job has no {name}.", name)
    return value


def read(body: bytes, fields: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows of a CSV part, as the REST API would have sent them. Raises PayloadError."""
    types = {str(field["name"]): str(field["type"]) for field in fields}
    try:
        table = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
        header = next(table, [])
        if "Id" not in header:
            raise PayloadError("The results of a query job have no Id.", "results")
        rows = []
        for line in table:
            if len(line) != len(header):
                raise PayloadError("The results of a query job are cut off.", "results")
            rows.append(_row(header, line, types))
    except (UnicodeDecodeError, csv.Error, ValueError):
        raise PayloadError("The results of a query job are not CSV.", "results") from None
    return rows


def _row(header: Sequence[str], line: Sequence[str], types: Mapping[str, str]) -> Row:
    row: Row = {}
    for name, text in zip(header, line, strict=True):
        parent, dot, field = name.partition(".")
        if not dot:
            row[name] = _value(types.get(name, "string"), text)
        elif text:
            inner = row.get(parent)
            row[parent] = {**(inner if isinstance(inner, dict) else {}), field: text}
        else:
            row.setdefault(parent, None)
    for name in header:  # an empty field of a parent that is there
        parent, dot, field = name.partition(".")
        if dot and isinstance(row[parent], dict):
            row[parent].setdefault(field, None)
    return row


def _value(type: str, text: str) -> Any:
    if text == "":
        return False if type == "boolean" else None
    if type == "boolean":
        return text == "true"
    if type in ("int", "long"):
        return int(text)
    if type in _NUMBERS:
        return float(text)
    # a moment is written with Z here, and with +0000 in the REST API
    return text[:-1] + "+0000" if type == "datetime" and text.endswith("Z") else text
