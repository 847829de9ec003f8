"""GitHub as a connector: issues and their comments, both ways.

What GitHub lacks is made up for here: no idempotency key (a hidden mark in the text), no
conditional write (we read just before), no get by global id (so `fetch` is not offered), no
redelivery of webhooks (`pull` finds what was missed).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any, ClassVar

from connectors.github import app, events, hooks, marker
from connectors.github.changes import changes, count, order
from connectors.github.client import API, HEADERS, PAGE, GithubClient, explain, one
from connectors.github.config import GithubConfig
from connectors.github.fields import COMMENT_FIELDS, ISSUE_FIELDS, OBJECTS
from connectors.github.places import Places
from connectors.github.records import (
    Row,
    comment_record,
    differing,
    issue_number,
    issue_record,
    outward,
)
from connectors.sdk import (
    AuthError,
    Bearer,
    Change,
    ConfigError,
    ConflictError,
    ConnectionConfig,
    Connector,
    ConnectorError,
    Delivery,
    Field,
    NotFoundError,
    ObjectSpec,
    Outcome,
    Page,
    Parsed,
    RateLimitError,
    Receiver,
    Record,
    RejectedError,
    Reply,
    Result,
    Sink,
    Source,
    Subscriber,
    Subscription,
    Tier,
    UnsupportedError,
)
from connectors.sdk.pushing import push_each
from connectors.sdk.records import Cursor

OVERLAP = timedelta(minutes=5)
"""How far before a lost create `find` begins: clocks differ."""


class GithubConnector(Connector, Source, Sink, Receiver, Subscriber):
    name: ClassVar[str] = "github"
    proofs: ClassVar[Sequence[str]] = ("secret",)
    title: ClassVar[str] = "GitHub"
    config: ClassVar[type[ConnectionConfig]] = GithubConfig
    sandbox: ClassVar[str] = "connectors.github.sandbox:GithubSandbox"
    tier: ClassVar[Tier] = Tier.GOLD
    objects: ClassVar[Mapping[str, ObjectSpec]] = OBJECTS
    # 900 points a minute, of which a read takes one and a write five; 80 writes that make content
    # https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    rates: ClassVar[Mapping[str, str]] = {
        "all": "5000/hour",
        "read": "500/minute",
        "write": "80/minute",
    }
    settings: GithubConfig

    def setup(self) -> None:
        self._settings = self.settings
        base, auth = self.settings.base_url or API, self.settings.auth
        credentials: Bearer | app.Installation
        if auth.token is not None:
            credentials = Bearer(auth.token)
        else:
            mint = self.http(base, headers=HEADERS, explain=app.explain)
            credentials = app.Installation(self.connection, auth, self.host.vault, mint)
            self._closing.callback(credentials.close)
        self._client = GithubClient(
            self.http(base, auth=credentials, headers=HEADERS, explain=explain)
        )
        self._places = Places()

    # ------------------------------------------------------------------------------------------
    # reading

    def check(self) -> None:
        missing, forbidden, off = [], [], []
        for repository in self._settings.repositories:
            try:
                answer = one(self._client.get(f"/repos/{repository}"))
            except NotFoundError:
                missing.append(repository)
            except RateLimitError:
                raise
            except AuthError as error:
                if "may not" not in str(error):
                    raise
                forbidden.append(repository)
            else:
                if answer.get("has_issues") is False:
                    off.append(repository)
        problems = []
        if missing:
            problems.append(
                f"GitHub does not show us {', '.join(missing)}: correct the name under "
                "`repositories`, or give the token access to it."
            )
        if forbidden:
            problems.append(
                f"The token may not read {', '.join(forbidden)}: give it the permission "
                "Issues: read and write there."
            )
        if off:
            problems.append(f"Issues are switched off in {', '.join(off)}: switch them on.")
        if problems:
            raise (AuthError if forbidden and not missing and not off else ConfigError)(
                " ".join(problems)
            )

    def discover(self, object: str) -> Sequence[Field]:
        self.spec(object)
        if object == "comment":
            return COMMENT_FIELDS
        people = self._choices("assignees", "login")
        choices = {
            "labels": self._choices("labels", "name"),
            "assignees": people,
            "assignee": people,
            "milestone": self._choices("milestones", "number"),
        }
        return [
            replace(field, choices=choices[field.name]) if field.name in choices else field
            for field in ISSUE_FIELDS
        ]

    def _choices(self, list_name: str, key: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for repository in self._settings.repositories:
            for page in self._client.pages(f"/repos/{repository}/{list_name}", {}):
                found.update(dict.fromkeys(str(row.get(key, "")) for row in page))
        return tuple(sorted(name for name in found if name))

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        """Every repository in turn; one that is gone is reported after the others were read."""
        self.spec(object)
        place = "issues" if object == "issue" else "issues/comments"
        position = {name: cursor[name] for name in self._settings.repositories if name in cursor}
        gone: list[str] = []
        first, total = not position, None
        for repository in self._settings.repositories:
            path = f"/repos/{repository}/{place}"
            try:
                for found, after in changes(self._client, path, position.get(repository)):
                    records = self._records(object, repository, found)
                    position = {**position, repository: after}
                    if first and len(found) >= PAGE:
                        first = False
                        total = count(self._client, object, self._settings.repositories)
                    yield Page(records, position, total)
            except NotFoundError as error:
                gone.append(f"{repository} ({error})")
        if gone:
            raise ConfigError(f"Not everything could be read: {'; '.join(gone)}")

    def covers(self, object: str, address: Mapping[str, Any]) -> bool:
        """Only what is in the repositories that are listed now."""
        listed = {name.casefold() for name in self._settings.repositories}
        return self._repository(address).casefold() in listed

    def _records(self, object: str, repository: str, found: Sequence[Row]) -> list[Record]:
        if object == "issue":
            records = [issue_record(row, repository) for row in found]
            for record in records:
                self._places.remember(repository, record.address["number"], record.id)
            return records
        comments = []
        for row in found:
            try:
                parent = self._issue_id(repository, issue_number(row))
            except NotFoundError:
                continue  # its issue was deleted or transferred meanwhile, and the comment with it
            comments.append(comment_record(row, repository, parent=parent))
        return comments

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        """Looks through what was changed since the first of the creates, in plain lists: GitHub's
        search lags. Of several copies of a mark (people copy texts) the oldest is ours.
        """
        self.spec(object)
        places: dict[str, list[Change]] = {}
        for change in changes:
            places.setdefault(self._list_path(change), []).append(change)
        found: dict[str, Record] = {}
        for path, group in places.items():
            wanted = {change.key for change in group}
            try:
                for row, repository in self._since(path, group):
                    for key in marker.keys(row.get("body")):
                        if key in wanted and key not in found:
                            found[key] = self._record(object, repository, row)
                    if wanted <= found.keys():
                        break
            except NotFoundError:
                continue  # the place itself is gone, and with it whatever we may have put there
        return [found.get(change.key) for change in changes]

    def _since(self, path: str, group: Sequence[Change]) -> Iterator[tuple[Row, str]]:
        params: dict[str, str | int] = {**order(path, "created")}
        moments = [change.created_at for change in group if change.created_at is not None]
        if len(moments) == len(group):
            first = (min(moments) - OVERLAP).astimezone(UTC)
            params["since"] = first.strftime("%Y-%m-%dT%H:%M:%SZ")
        repository = "/".join(path.split("/")[2:4])
        for page in self._client.pages(path, params):
            for row in page:
                yield row, repository

    def _list_path(self, change: Change) -> str:
        repository = self._repository(change.address)
        if change.object == "issue":
            return f"/repos/{repository}/issues"
        place = self._issue_place(change)
        return (
            f"/repos/{place[0]}/issues/{place[1]}/comments"
            if place
            else (f"/repos/{repository}/issues/comments")
        )

    # ------------------------------------------------------------------------------------------
    # writing

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Serially, as GitHub asks. A repeated update or delete is harmless (it looks first), so
        only a create can end as `unknown`.
        """
        for change in changes:
            if change.op not in self.spec(change.object).push:
                raise UnsupportedError(f"GitHub cannot {change.op} a {change.object}.")
        return push_each(changes, self._push_one)

    def _push_one(self, change: Change) -> Result:
        if change.op == "create":
            return self._create(change)
        if change.op == "delete":
            return self._delete(change)
        return self._update(change)

    def _create(self, change: Change) -> Result:
        values = outward(change.object, change.fields)
        # a milestone or state that is not set is left out; GitHub creates every issue open
        state: dict[str, Any] = {
            name: values.pop(name) for name in ("state", "state_reason") if name in values
        }
        if first := values.pop("assignee", None):
            values["assignees"] = [first, *values.get("assignees", ())]
        values = {name: value for name, value in values.items() if value is not None}
        values["body"] = marker.mark(values.get("body"), change.key)
        parent = change.parent
        if change.object == "comment":
            place = self._issue_place(change)
            if place is None:
                raise RejectedError(
                    "The comment does not say on which issue: its address needs owner, repo and "
                    "number."
                )
            path, repository = f"/repos/{place[0]}/issues/{place[1]}/comments", place[0]
            # asked before the write: a failure after it must never look like "not written"
            parent = parent or self._issue_id(*place)
        else:
            repository = self._repository(change.address)
            path = f"/repos/{repository}/issues"
        row = self._client.write("POST", path, values)
        record = self._record(change.object, repository, row, parent)
        if state.get("state") != "closed":
            return Result(Outcome.OK, record)
        try:
            row = self._client.write("PATCH", self._path(record), state)
        except ConnectorError as error:
            # it exists: that must not be forgotten. The record shows that it is still open.
            return Result(Outcome.OK, record, f"Created, but not closed: {error}")
        return Result(Outcome.OK, self._record(change.object, repository, row))

    def _update(self, change: Change) -> Result:
        values = outward(change.object, change.fields)
        repository, path = self._repository(change.address), self._path(change)
        row = one(self._client.get(path))
        try:
            values = differing(change.object, values, row, change.base)
        except ConflictError as error:
            current = self._record(change.object, repository, row, change.parent)
            return Result(Outcome.CONFLICT, current, str(error))
        if "body" in values:
            values["body"] = marker.keep(values["body"], row.get("body"))
        if "state_reason" in values and "state" not in values:
            values["state"] = row.get("state")  # a reason alone is ignored
        if values:
            row = self._client.write("PATCH", path, values)
        return Result(Outcome.OK, self._record(change.object, repository, row, change.parent))

    def _delete(self, change: Change) -> Result:
        repository, path = self._repository(change.address), self._path(change)
        try:
            row = one(self._client.get(path))
            self._client.delete(path)
        except NotFoundError:
            return Result(Outcome.OK, message="It was gone already.")
        number = issue_number(row)
        parent = change.parent or self._places.id(repository, number)
        return Result(Outcome.OK, comment_record(row, repository, parent=parent, deleted=True))

    def _record(self, object: str, repository: str, row: Row, parent: str | None = None) -> Record:
        if object == "issue":
            record = issue_record(row, repository)
            self._places.remember(repository, record.address["number"], record.id)
            return record
        parent = parent or self._issue_id(repository, issue_number(row))
        return comment_record(row, repository, parent=parent)

    # ------------------------------------------------------------------------------------------
    # webhooks

    def verify(self, delivery: Delivery) -> str | None:
        return events.verify(delivery, self._settings.webhook)

    def sign(self, delivery: Delivery, *, id: str = "") -> Delivery:
        return events.sign(delivery, self._settings.webhook, id)

    def handshake(self, delivery: Delivery) -> Reply | None:
        """GitHub's `ping`, sent when the webhook is created; 200 makes its green tick."""
        if delivery.method.upper() != "POST" or events.event_of(delivery) != "ping":
            return None
        body = json.dumps({"status": "pong"}).encode()
        return Reply(200, body, {"content-type": "application/json"})

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return events.parse(delivery)

    def subscribe(self, url: str) -> Subscription:
        """Signed with the configured secret, or with a new one where there is none."""
        known = next(iter(self._settings.webhook.secret), None)
        secret = known.get_secret_value() if known else secrets.token_urlsafe(32)
        return hooks.subscribe(self._client, self._settings.repositories, url, secret)

    def renew(self, subscription: Subscription) -> Subscription:
        return hooks.renew(self._client, subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        hooks.unsubscribe(self._client, subscription)

    # ------------------------------------------------------------------------------------------
    # where things are

    def _repository(self, address: Mapping[str, Any]) -> str:
        owner, name = address.get("owner"), address.get("repo")
        return f"{owner}/{name}" if owner and name else self._settings.repositories[0]

    def _path(self, of: Change | Record) -> str:
        repository = self._repository(of.address)
        if of.object == "comment":
            if not (of.id or "").isdecimal():
                raise NotFoundError("GitHub has no comment under this id.")
            return f"/repos/{repository}/issues/comments/{of.id}"
        number = of.address.get("number")
        if number is None:
            repository, number = self._places.place(of.id) or (repository, None)
        if number is None:
            raise RejectedError("The issue's address lacks its number; pull the issue once more.")
        return f"/repos/{repository}/issues/{number}"

    def _issue_place(self, change: Change) -> tuple[str, int] | None:
        number = change.address.get("number")
        if number is not None:
            return self._repository(change.address), int(number)
        return self._places.place(change.parent)

    def _issue_id(self, repository: str, number: int) -> str:
        """The record id of an issue, which comments name only by number. It never changes."""
        known = self._places.id(repository, number)
        if known is None:
            row = one(self._client.get(f"/repos/{repository}/issues/{number}"))
            known = issue_record(row, repository).id
            self._places.remember(repository, number, known)
        return known
