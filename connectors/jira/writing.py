"""Writing: issues and comments one by one, looking first, the status by a transition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from connectors.jira.client import JiraClient, Row, one, reasons_of, rows
from connectors.jira.config import JiraConfig
from connectors.jira.reading import Reader
from connectors.jira.records import (
    PROPERTY,
    comment_record,
    fields_of,
    gone,
    issue_record,
    part,
)
from connectors.jira.transitions import Step, choose
from connectors.jira.values import Target, body_of, differing, outward
from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    ConflictError,
    ConnectorError,
    NotFoundError,
    Outcome,
    PayloadError,
    RateLimitError,
    Record,
    RejectedError,
    Result,
)
from connectors.sdk.pushing import result_of

_NOWHERE = "The comment does not say on which issue: it needs a parent."


@dataclass(frozen=True, slots=True)
class _Plan:
    """A create as it will be sent. `target` is the status to go to afterwards, and `brought` what
    may go with that transition.
    """

    change: Change
    body: dict[str, Any]
    target: Target | None
    brought: Mapping[str, Any]


class Writer:
    """Carries out single changes. Raises the SDK's errors while nothing was written."""

    def __init__(self, client: JiraClient, reader: Reader, settings: JiraConfig) -> None:
        self._client = client
        self._reader = reader
        self._settings = settings
        self._site = settings.base_url

    def push_one(self, change: Change) -> Result:
        if change.object == "issue":
            write = {
                "create": self._create_issue,
                "update": self._update_issue,
                "delete": self._delete_issue,
            }
        else:
            write = {
                "create": self._create_comment,
                "update": self._update_comment,
                "delete": self._delete_comment,
            }
        return write[change.op](change)

    def project(self, change: Change) -> str:
        """Where a create goes: as the change says, else the connection's first project."""
        wanted = change.fields.get("project") or change.address.get("project")
        key = wanted.get("key") if isinstance(wanted, Mapping) else wanted
        return str(key or self._settings.projects[0])

    # -------------------------------------------------------------------------------------- issues

    def create_issues(self, changes: Sequence[Change]) -> list[Result]:
        """Several at once, fifty at most. Raises only what concerns the connection, and that while
        nothing was written.
        """
        results: dict[int, Result] = {}
        plans: list[tuple[int, _Plan]] = []
        for number, change in enumerate(changes):
            try:
                plans.append((number, self._plan(change)))
            except RejectedError as error:
                results[number] = result_of(error, change)
        if plans:
            made = self._made([plan for _, plan in plans])
            results |= {number: one for (number, _), one in zip(plans, made, strict=True)}
        return [results[number] for number in range(len(changes))]

    def _made(self, plans: Sequence[_Plan]) -> list[Result]:
        asked = {"issueUpdates": [plan.body for plan in plans]}
        try:
            answer = self._client.send("POST", "/issue/bulk", json=asked, accept=(400,))
            whole = isinstance(answer, dict) and "issues" not in answer
            if reasons := reasons_of(answer if whole else None):
                told = " ".join(reasons.values())
                raise RejectedError(f"Jira refused all of the new issues. {told}", reasons)
            failed = _failures(answer, len(plans))
            numbers = [number for number in range(len(plans)) if number not in failed]
            issues = rows(answer, "issues", "/issue/bulk")
            if len(issues) != len(numbers):
                raise PayloadError("Jira does not say what became of each issue.", "/issue/bulk")
            records = {
                number: self._known(plans[number].change, one(issue, "a new issue"))
                for number, issue in zip(numbers, issues, strict=True)
            }
        except (AuthError, ConfigError, RateLimitError):
            raise
        except ConnectorError as error:
            return [result_of(error, plan.change) for plan in plans]
        try:
            found = self._reader.fetch("issue", [record.id for record in records.values()])
            fresh = {record.id: record for record in found if not record.deleted}
        except ConnectorError:
            fresh = {}
        results = []
        for number, plan in enumerate(plans):
            if number in failed:
                results.append(failed[number])
            elif records[number].id in fresh and plan.target is None:
                results.append(Result(Outcome.OK, fresh[records[number].id]))
            else:
                results.append(self._finished(plan, records[number]))
        return results

    def _plan(self, change: Change) -> _Plan:
        values, target = outward(change.fields, creating=True)
        # what is not set is left out: a screen may not have the field at all
        values = {name: value for name, value in values.items() if value not in (None, [])}
        along = {name: values.pop(name) for name in ("resolution",) if name in values}
        values.setdefault("project", {"key": self.project(change)})
        values.setdefault("issuetype", {"name": self._settings.issue_type})
        body = {"fields": values, "properties": _mark(change)}
        return _Plan(change, body, target, {**values, **along})

    def _create_issue(self, change: Change) -> Result:
        plan = self._plan(change)
        answer = one(self._client.send("POST", "/issue", json=plan.body), "a new issue")
        return self._finished(plan, self._known(change, answer))

    def _known(self, change: Change, answer: Row) -> Record:
        """All that is certain of an issue just made."""
        self._reader.remember(answer["id"])
        return Record(
            "issue",
            answer["id"],
            {**change.fields, "id": answer["id"], "key": str(answer.get("key"))},
            address={"key": str(answer.get("key")), "project": self.project(change)},
            url=f"{self._site}/browse/{answer.get('key')}",
            key=change.key,
        )

    def _finished(self, plan: _Plan, record: Record) -> Result:
        """It exists: nothing that goes wrong from here on may make that be forgotten."""
        target = plan.target
        try:
            row = self._reader.issue(record.id)
            record = issue_record(row, self._site)
            if target is None or target.reached(fields_of(row).get("status")):
                return Result(Outcome.OK, record)
            filled = self._settings.transition_fields
            step = choose(self._client, row, target, plan.brought, filled)
            self._transition(record.id, step)
            return Result(Outcome.OK, issue_record(self._reader.issue(record.id), self._site))
        except ConnectorError as error:
            return Result(Outcome.OK, record, f"Created, but not all was done: {error}")

    def _update_issue(self, change: Change) -> Result:
        wanted, target = outward(change.fields, creating=False)
        row = self._reader.issue(self._id(change))
        held = fields_of(row)
        missing, moved = differing(wanted, held, change.base)
        go = target is not None and not target.reached(held.get("status"))
        before = part(part(change.base, "status"), "id")
        if go and before is not None and before != part(held.get("status"), "id"):
            moved.append("status")
        if moved:
            told = f"Somebody changed {', '.join(moved)} of {row.get('key')} in Jira meanwhile."
            return Result(Outcome.CONFLICT, issue_record(row, self._site), told)
        step = None
        if go and target is not None:
            # before anything is written: a way that is not there leaves everything as it is
            step = choose(self._client, row, target, wanted, self._settings.transition_fields)
            missing = {n: value for n, value in missing.items() if n not in step.fields}
        if missing:
            self._put(row["id"], missing)
        if step is not None:
            try:
                self._transition(row["id"], step)
            except ConnectorError as error:
                if not missing:
                    raise
                return self._in_part(change, row, missing, error)
        if not missing and step is None:
            return Result(Outcome.OK, issue_record(row, self._site))
        return Result(Outcome.OK, issue_record(self._reader.issue(row["id"]), self._site))

    def _put(self, id: str, values: Mapping[str, Any]) -> None:
        quiet = None if self._settings.notify_users else {"notifyUsers": "false"}
        self._reader.remember(id)
        try:
            self._client.send("PUT", f"/issue/{id}", params=quiet, json={"fields": dict(values)})
        except RejectedError as error:
            if quiet and not error.field_errors.keys() - {"*"}:
                raise RejectedError(
                    f"{error} Where our user administers neither Jira nor the project, leave "
                    "`notify_users` true.",
                    error.field_errors,
                ) from None
            raise

    def _transition(self, id: str, step: Step) -> None:
        self._reader.remember(id)
        asked: dict[str, Any] = {"transition": {"id": step.id}}
        if step.fields:
            asked["fields"] = dict(step.fields)
        try:
            self._client.send("POST", f"/issue/{id}/transitions", json=asked)
        except RejectedError as error:
            reasons = error.field_errors or {"status": f"the transition '{step.name}' was refused"}
            raise RejectedError(str(error), reasons) from None
        except ConflictError:
            raise ConflictError(
                f"Somebody else moved the issue while '{step.name}' was on its way."
            ) from None

    def _in_part(
        self, change: Change, row: Row, written: Mapping[str, Any], error: ConnectorError
    ) -> Result:
        """The fields are written, the status is not: say so, and show what Jira holds now."""
        result = result_of(error, change)
        told = f"Written: {', '.join(sorted(written))}. Not written: status. {result.message}"
        reasons = dict(result.field_errors)
        if result.outcome is Outcome.REJECTED:
            reasons.setdefault("status", result.message)
        try:
            record = issue_record(self._reader.issue(row["id"]), self._site)
        except ConnectorError:
            record = None
        return replace(result, record=record, message=told, field_errors=reasons)

    def _delete_issue(self, change: Change) -> Result:
        """Without its subtasks: an issue that has some is refused."""
        self._reader.forget(self._id(change))
        try:
            self._client.send("DELETE", f"/issue/{quote(self._id(change), safe='')}")
        except NotFoundError:
            return Result(Outcome.OK, gone("issue", self._id(change)), "It was gone already.")
        return Result(Outcome.OK, gone("issue", self._id(change)))

    def _id(self, change: Change) -> str:
        """By number: a key changes when its issue moves."""
        id = change.id or change.address.get("key")
        if not id:
            raise RejectedError(f"The {change.object} has no id: nobody knows which is meant.")
        return str(id)

    # ------------------------------------------------------------------------------------ comments

    def _create_comment(self, change: Change) -> Result:
        values = body_of(change.fields)
        if "body" not in values:
            raise RejectedError("The comment has no text.", {"body": "is missing"})
        issue = self._issue_of(change)
        asked = {**values, "properties": _mark(change)}
        row = one(self._client.send("POST", f"/issue/{issue}/comment", json=asked), "a new comment")
        self._reader.remember(issue)
        record = replace(comment_record(row, self._site, issue), key=change.key)
        return Result(Outcome.OK, record)

    def _update_comment(self, change: Change) -> Result:
        wanted = body_of(change.fields)
        issue, id = self._issue_of(change), self._id(change)
        row = self._reader.comment(issue, id)
        missing, moved = differing(wanted, row, change.base)
        if moved:
            current = comment_record(row, self._site, issue)
            return Result(Outcome.CONFLICT, current, "Somebody changed the comment meanwhile.")
        if missing:
            # what a PUT leaves out it takes away
            asked = {**{n: row[n] for n in ("body", "visibility") if row.get(n)}, **missing}
            path = f"/issue/{issue}/comment/{quote(id, safe='')}"
            row = one(self._client.send("PUT", path, json=asked), "a comment")
            self._reader.remember(issue)
        record = comment_record(row, self._site, issue)
        return Result(Outcome.OK, record)

    def _delete_comment(self, change: Change) -> Result:
        issue, id = self._issue_of(change), self._id(change)
        record = replace(gone("comment", id), parent=issue)
        try:
            self._client.send("DELETE", f"/issue/{issue}/comment/{quote(id, safe='')}")
        except NotFoundError:
            return Result(Outcome.OK, record, "It was gone already.")
        self._reader.remember(issue)
        return Result(Outcome.OK, record)

    def _issue_of(self, change: Change) -> str:
        issue = change.parent or change.address.get("issue")
        if not issue:
            raise RejectedError(_NOWHERE)
        return quote(str(issue), safe="")


def _failures(answer: Any, count: int) -> dict[int, Result]:
    """Those of a batch that were refused, by their place in it. Raises PayloadError."""
    failed: dict[int, Result] = {}
    for error in rows(answer, "errors", "/issue/bulk"):
        number = error.get("failedElementNumber")
        if not isinstance(number, int) or not 0 <= number < count:
            raise PayloadError("Jira refuses an issue without saying which.", "/issue/bulk")
        reasons = reasons_of(error.get("elementErrors"))
        told = " ".join(f"{name}: {why}" for name, why in reasons.items())
        message = f"Jira refused the issue. {told}"
        failed[number] = Result(Outcome.REJECTED, message=message, field_errors=reasons)
    return failed


def _mark(change: Change) -> list[dict[str, Any]]:
    return [{"key": PROPERTY, "value": {"key": change.key}}]
