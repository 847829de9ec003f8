"""The query jobs of Bulk API 2.0 in the sandbox: made, waited for, read as CSV in parts."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.salesforce.sandbox_org import Org
from connectors.salesforce.sandbox_soql import SoqlError, parse
from connectors.salesforce.soql import id18


@dataclass(slots=True)
class Results:
    """One part of a job's results."""

    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Made:
    """One job. `wait` is how often it still says that it is not done."""

    shown: dict[str, Any]
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    wait: int = 0


class Jobs:
    """The sandbox holds its lock around every call. Results are those of the moment at which the
    job is done, in the order of ids.
    """

    def __init__(self, org: Org) -> None:
        self.org = org
        self.jobs: dict[str, Made] = {}
        self.wait = 1
        """How often a new job says InProgress before it is done."""
        self.fail = False
        """Whether new jobs end as Failed."""
        self.largest: int | None = None
        """Rows per part, however many are asked for."""

    def answer(
        self, method: str, parts: list[str], params: Mapping[str, str], content: Any
    ) -> tuple[int, Any]:
        """Status and body. Raises SoqlError."""
        if method == "POST" and not parts:
            return self._make(content)
        job = self.jobs.get(parts[0]) if parts else None
        if job is None:
            entry = {"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}
            return 404, [entry]
        if method == "DELETE" and len(parts) == 1:
            del self.jobs[parts[0]]
            return 204, None
        if method == "GET" and len(parts) == 1:
            self._move_on(job)
            return 200, job.shown
        if method == "GET" and parts[1:] == ["results"]:
            return self._results(job, params)
        entry = {
            "errorCode": "METHOD_NOT_ALLOWED",
            "message": f"HTTP Method '{method}' not allowed",
        }
        return 405, [entry]

    def _make(self, content: Any) -> tuple[int, Any]:
        known = {"operation", "query", "contentType", "columnDelimiter", "lineEnding"}
        wrong = set(content) - known if isinstance(content, dict) else {"body"}
        if wrong or content.get("operation") not in ("query", "queryAll"):
            entry = {"errorCode": "INVALIDJOB", "message": f"Unable to read {sorted(wrong)}"}
            return 400, [entry]
        query = parse(str(content.get("query")))
        if query.order or query.limit is not None:
            raise SoqlError("API_ERROR", "ORDER BY and LIMIT switch chunking off")
        self.org.select(content["query"], deleted=False)  # refused now, not later
        id = id18(f"7505g{len(self.jobs) + 1:010d}")
        shown = {
            **content,
            "id": id,
            "object": query.name,
            "createdById": self.org.integration,
            "createdDate": self.org.now(),
            "systemModstamp": self.org.now(),
            "state": "UploadComplete",
            "concurrencyMode": "Parallel",
            "apiVersion": 62.0,
        }
        self.jobs[id] = Made(shown, list(query.fields), wait=self.wait)
        return 200, shown

    def _move_on(self, job: Made) -> None:
        if job.shown["state"] not in ("UploadComplete", "InProgress"):
            return
        if job.wait > 0:
            job.wait -= 1
            job.shown["state"] = "InProgress"
        elif self.fail:
            job.shown["state"] = "Failed"
            job.shown["errorMessage"] = "InternalServerError: Retried more than 15 times"
        else:
            deleted = job.shown["operation"] == "queryAll"
            rows = self.org.select(job.shown["query"], deleted=deleted)
            # the order of ids, as the parts are cut; not that of changes
            rows.sort(key=lambda row: str(row["Id"]))
            job.rows = [[_text(_read(row, column)) for column in job.columns] for row in rows]
            job.shown["state"] = "JobComplete"
            job.shown["numberRecordsProcessed"] = len(rows)

    def _results(self, job: Made, params: Mapping[str, str]) -> tuple[int, Any]:
        if job.shown["state"] != "JobComplete":
            entry = {"errorCode": "INVALIDJOBSTATE", "message": "The job is not complete"}
            return 400, [entry]
        size = min(int(params.get("maxRecords", "50000")), self.largest or 1_000_000)
        try:
            begin = int(base64.b64decode(params.get("locator", ""))) if "locator" in params else 0
        except ValueError:
            return 400, [{"errorCode": "INVALID_LOCATOR", "message": "Invalid locator"}]
        page = job.rows[begin : begin + size]
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(job.columns)
        writer.writerows(page)
        following = begin + len(page)
        locator = "null"
        if following < len(job.rows):
            locator = base64.b64encode(str(following).encode()).decode()
        headers = {"sforce-locator": locator, "sforce-numberofrecords": str(len(page))}
        return 200, Results(text.getvalue().encode(), headers)


def _read(row: Mapping[str, Any], path: str) -> Any:
    parent, dot, name = path.partition(".")
    if not dot:
        return row.get(path)
    above = row.get(parent)
    return above.get(name) if isinstance(above, Mapping) else None


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text.replace(".000+0000", ".000Z") if text.endswith(".000+0000") else text
