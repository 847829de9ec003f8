"""Redmine as a connector: issues and their notes both ways, and the people."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic import Field as Setting

from connectors.redmine import shape
from connectors.redmine.client import PAGE, Api, explain, part, place, rows
from connectors.sdk import (
    ApiKey,
    Change,
    ConfigError,
    ConnectionConfig,
    Connector,
    Delivery,
    Fetch,
    Field,
    NotFoundError,
    ObjectSpec,
    Outcome,
    Page,
    Parsed,
    PayloadError,
    Receiver,
    Record,
    Result,
    Sink,
    Source,
    Tier,
    UnsupportedError,
)
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.paging import Counting, Listed, Mark, Row, walk
from connectors.sdk.pushing import push_each
from connectors.sdk.records import Cursor, Json
from connectors.sdk.senders import sign_hmac, with_default
from connectors.sdk.signatures import REDMINE

Ask = Callable[[str, Json], Listed]
LATE = timedelta(seconds=60)
"""How much later than its `updated_on` a change may show: transactions take their time."""
SKEW = timedelta(hours=1)
"""How far Redmine's clock may be from ours, when a lost create is looked for."""


class RedmineAuth(BaseModel):
    """How the hub signs in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: SecretStr = Setting(description="API key of the hub's user, from My account.")


class RedmineConfig(ConnectionConfig):
    """What a connection to Redmine may say in hub.yaml, beside what every connection may."""

    base_url: str = Setting(description="Where Redmine lives: https://redmine.example.com.")
    auth: RedmineAuth = Setting(description="How the hub signs in.")
    project: str | None = Setting(
        None, description="Identifier of the project that new issues go to; needed to create any."
    )
    key_field: int | None = Setting(
        None,
        description="Id of a text custom field that keeps the hub's key of an issue. Without it "
        "the key is a comment at the end of the description.",
        gt=0,
    )
    people: bool = Setting(
        False, description="Pull users as well; the API key must be an administrator's."
    )
    private_notes: bool = Setting(
        False, description="Pull private notes too. What is pulled may be shown in other tools."
    )


class RedmineConnector(Connector, Source, Sink, Receiver):
    name: ClassVar[str] = "redmine"
    proofs: ClassVar[Sequence[str]] = ("secret",)
    title: ClassVar[str] = "Redmine"
    config: ClassVar[type[ConnectionConfig]] = RedmineConfig
    sandbox: ClassVar[str] = "connectors.redmine.sandbox:RedmineSandbox"
    tier: ClassVar[Tier] = Tier.GOLD
    objects: ClassVar[Mapping[str, ObjectSpec]] = {
        "issue": ObjectSpec(
            title="Issue",
            pull=True,
            fetch=True,
            push=frozenset({"create", "update", "delete"}),
            webhook=True,
            find=True,
            conclusive=True,
            deletes="swept",
        ),
        "comment": ObjectSpec(
            title="Note",
            pull=True,
            fetch=True,
            push=frozenset({"create", "update"}),
            webhook=True,
            find=True,
            conclusive=True,
            deletes="swept",
            parent="issue",
        ),
        "user": ObjectSpec(title="User", pull=True, fetch=True, deletes="swept"),
    }

    settings: RedmineConfig

    @classmethod
    def offers(cls, settings: Mapping[str, Json]) -> Mapping[str, ObjectSpec]:
        people = bool(settings.get("people"))
        return {name: spec for name, spec in cls.objects.items() if people or name != "user"}

    def setup(self) -> None:
        self.site = self.settings.base_url.rstrip("/")
        key = ApiKey(self.settings.auth.api_key, "x-redmine-api-key")
        self.api = Api(self.http(self.site, auth=key, explain=explain))

    # ---------------------------------------------------------------------------------- source

    def check(self) -> None:
        if not isinstance(part(self.api.get("/users/current.json"), "user"), dict):
            raise ConfigError("This is not Redmine. Check `base_url`.")

    def discover(self, object: str) -> Sequence[Field]:
        self.spec(object)
        if object == "comment":
            return shape.COMMENT_FIELDS
        if object == "user":
            return shape.USER_FIELDS
        statuses = self._choices("/issue_statuses.json", "issue_statuses")
        priorities = self._choices("/enumerations/issue_priorities.json", "issue_priorities")
        return [
            *shape.ISSUE_FIELDS,
            Field("status_id", "choice", "Status", statuses),
            Field("priority_id", "choice", "Priority", priorities),
            Field("assigned_to_id", "user", "Assignee", self._assignable()),
            *self._custom_fields(),
        ]

    def _choices(self, path: str, name: str) -> list[str]:
        return [shape.id_of(row) for row in rows(self.api.get(path), name)]

    def _assignable(self) -> list[str]:
        """The people and groups of the project; nobody may list those of all projects."""
        if not self.settings.project:
            return []
        found = {
            shape.id_of(one)
            for row in self.api.all(f"/projects/{self.settings.project}/memberships.json", {})
            if isinstance(one := row.get("user") or row.get("group"), dict)
        }
        return sorted(found, key=int)

    def _custom_fields(self) -> Iterator[Field]:
        """As they are defined, which only administrators may see; else as issues show them."""
        answer = self.api.http.request("GET", "/custom_fields.json", accept=(403,))
        if answer.status == 403:
            some = rows(self.api.get("/issues.json", {"status_id": "*", "limit": PAGE}), "issues")
            found = [one for row in some for one in row.get("custom_fields") or ()]
        else:
            found = rows(answer.json(), "custom_fields")
        for id, row in {shape.id_of(row): row for row in found}.items():
            ours = int(id) == self.settings.key_field
            if row.get("customized_type", "issue") == "issue" and not ours:
                choices = [str(one.get("value")) for one in row.get("possible_values") or ()]
                required = bool(row.get("is_required"))
                label = str(row.get("name", ""))
                yield Field(f"cf_{id}", "choice" if choices else "text", label, choices, required)

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        self.spec(object)
        notes: dict[str, list[Record]] = {}
        ask = self._everybody() if object == "user" else self._changed
        if object == "comment":
            ask = self._with_notes(notes)
        asked = Counting(ask)
        steps = walk(
            asked,
            Mark.of(cursor),
            id=shape.id_of,
            stamp=shape.stamp_of,
            back=lambda since: shape.earlier(since, LATE),
            place=f"Redmine's list of {object}s",
            drifts=object != "user",
            counted=True,
        )
        for page, mark in steps:
            if object == "comment":
                found = [one for row in page for one in notes[shape.id_of(row)]]
            else:
                found = [self._record(object, row) for row in page]
            # what is counted are issues, however many notes they have
            yield Page(found, mark.stored(), None if object == "comment" else asked.total)

    def _with_notes(self, notes: dict[str, list[Record]]) -> Ask:
        """Issues with their notes in them: a note of the same second leaves `updated_on` as it
        was, and shows only there. `notes` gets those of the page, by issue.
        """

        def ask(since: str, offset: Json) -> Listed:
            page = self._changed(since, offset)
            notes.clear()
            notes.update((id, self._notes(id) or []) for id in map(shape.id_of, page.rows))
            told = {id: [dict(one.data) for one in some] for id, some in notes.items()}
            return Listed(
                [{**row, "notes": told[shape.id_of(row)]} for row in page.rows], page.next
            )

        return ask

    def _changed(self, since: str, offset: Json) -> Listed:
        """Issues, closed ones too, by the time of their last change. Notes move it as well."""
        params: dict[str, str | int] = {"status_id": "*", "sort": "updated_on,id"}
        if since:
            params["updated_on"] = f">={since}"
        return self.api.page("/issues.json", params, offset)

    def _everybody(self) -> Ask:
        """Users, whom Redmine sorts by nothing useful: all of them, then in order."""
        read: list[Row] = []

        def ask(since: str, offset: Json) -> Listed:
            if offset is None:
                found = [
                    row
                    for status in (1, 3)
                    for row in self.api.all("/users.json", {"status": status})
                ]
                bare = [{k: v for k, v in row.items() if k not in shape.VOLATILE} for row in found]
                read[:] = sorted(bare, key=shape.stamp_of)
            shown = [row for row in read if shape.stamp_of(row) >= since]
            start = offset or 0
            return Listed(
                shown[start : start + PAGE],
                start + PAGE if shown[start + PAGE :] else None,
                len(shown),
            )

        return ask

    def _record(self, object: str, row: Row) -> Record:
        return self._user(row) if object == "user" else self._issue(row)

    def _issue(self, row: Row) -> Record:
        return shape.issue(row, self.site, self.settings.key_field)

    def _user(self, row: Row) -> Record:
        return shape.user(row, self.site)

    def _notes(self, issue: str, *, private: bool = False) -> list[Record] | None:
        """The notes of an issue, oldest first; None where there is no such issue (any more).
        `private`: private ones too, wanted or not.
        """
        private = private or self.settings.private_notes
        row = self.api.one("issue", issue, {"include": "journals"})
        if row is None:
            return None
        wanted = [
            shape.comment(issue, one, self.site)
            for one in rows(row, "journals")
            if one.get("notes") and (private or not one.get("private_notes"))
        ]
        return sorted(wanted, key=lambda one: int(one.data["id"]))

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        self.spec(object)
        gone = {id: Record(object, id, {}, deleted=True) for id in ids}
        return [self._fetched(object, id) or gone[id] for id in ids]

    def _fetched(self, object: str, id: str) -> Record | None:
        if object == "comment":
            return self._note(id)
        row = self.api.one(object, id)
        return self._record(object, row) if row is not None else None

    def _note(self, id: str, *, private: bool = False) -> Record | None:
        notes = self._notes(id.partition("-")[0], private=private) or ()
        return next((one for one in notes if one.id == id), None)

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        """Notes are looked for in their issue, issues among those that the hub's user has made
        since: both lists are up to date, and need no filter that some Redmines do not have.
        """
        self.spec(object)
        if object == "comment":
            return [self._noted(change) for change in changes]
        params = {"status_id": "*", "author_id": "me", "sort": "id"}
        times = [change.created_at for change in changes]
        if (first := min((one for one in times if one), default=None)) and all(times):
            params["created_on"] = f">={(first - SKEW).strftime('%Y-%m-%dT%H:%M:%SZ')}"
        made = [self._issue(row) for row in self.api.all("/issues.json", params)]
        return [_made(change, made) for change in changes]

    def _noted(self, change: Change) -> Record | None:
        notes = self._notes(str(change.parent), private=True) or ()
        return next((one for one in notes if one.key == change.key), None)

    # ------------------------------------------------------------------------------------ sink

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        spec = self.spec(changes[0].object)
        if not spec.push:
            raise UnsupportedError("Redmine's users are only read.")
        one = self._push_note if changes[0].object == "comment" else self._push_issue
        return push_each(changes, one)

    def _push_issue(self, change: Change) -> Result:
        path = place("issues", change.id) if change.op != "create" else "/issues.json"
        if change.op == "delete":
            self.api.http.request("DELETE", path)
            return Result(Outcome.OK, Record("issue", str(change.id), {}, deleted=True))
        fields = shape.written(change.fields)
        if change.op == "update":
            if "description" in fields and not self.settings.key_field:
                held = part(self.api.get(path), "issue").get("description")
                fields["description"] = shape.marked(fields["description"], shape.key_in(held))
            self.api.http.request(
                "PUT", path, json={"issue": fields}
            )  # answers 204, whatever it did
            return Result(Outcome.OK, self._issue(part(self.api.get(path), "issue")))
        if not (self.settings.project or "project_id" in fields):
            raise ConfigError("Redmine makes issues in a project only. Name it under `project`.")
        if self.settings.key_field:
            key = {"id": self.settings.key_field, "value": change.key}
            fields["custom_fields"] = [*fields.get("custom_fields", ()), key]
        else:
            fields["description"] = shape.marked(fields.get("description"), change.key)
        answer = self.api.http.request(
            "POST", path, json={"issue": {"project_id": self.settings.project, **fields}}
        )
        return Result(Outcome.OK, self._issue(part(answer.json(), "issue")))

    def _push_note(self, change: Change) -> Result:
        text = change.fields.get("notes")
        if not text:  # Redmine answers 204 and keeps nothing, or takes an old note away
            return Result(
                Outcome.REJECTED, message="A note needs text.", field_errors={"notes": "is empty"}
            )
        if change.op == "create":
            private = bool(change.fields.get("private_notes"))
            note = {"notes": shape.marked(text, change.key), "private_notes": private}
            self.api.http.request("PUT", place("issues", change.parent), json={"issue": note})
            held = self._noted(change)
        else:
            path = place("journals", str(change.id).partition("-")[2])  # has no GET
            before = self._note(str(change.id), private=True)
            if before is None:
                raise NotFoundError("Redmine has no such note any more.")
            note = {"notes": shape.marked(text, before.key)}
            self.api.http.request("PUT", path, json={"journal": note})
            held = self._note(str(change.id), private=True)
        if held is None:
            return Result(
                Outcome.REJECTED,
                message="Redmine said yes and kept no note. May the hub's user add notes?",
            )
        return Result(Outcome.OK, held)

    # -------------------------------------------------------------------------------- receiver

    def verify(self, delivery: Delivery) -> str | None:
        """Redmine names no delivery and signs no time, but two that say the same are one, and what
        is sent again by a stranger is known.
        """
        REDMINE.check(delivery, self.settings.webhook.secret)
        return hashlib.sha256(delivery.body).hexdigest()

    def sign(self, delivery: Delivery, *, id: str = "") -> Delivery:
        delivery = with_default(delivery, "content-type", "application/json")
        return sign_hmac(REDMINE, delivery, self.settings.webhook.secret)

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        """Only what to read: the content is what the webhook's owner may see, was taken when the
        job was queued, and two of one second cannot be told apart.
        """
        body = decode_json(delivery.body, "the delivery")
        event = body.get("type") if isinstance(body, dict) else None
        if not isinstance(event, str):
            raise PayloadError("A delivery without its type.", "type")
        if not event.startswith("issue."):
            return []  # wiki pages, time entries, news, versions
        data = body.get("data")
        row = part(data, "issue")
        id = shape.id_of(row)
        if event == "issue.deleted":
            return [Record("issue", id, {}, deleted=True)]
        journal = data.get("journal")
        if isinstance(journal, dict) and journal.get("notes"):
            return [Fetch("issue", [id]), Fetch("comment", [f"{id}-{shape.id_of(journal)}"])]
        return [Fetch("issue", [id])]


def _made(change: Change, made: Sequence[Record]) -> Record | None:
    """The issue that carries the change's key. None proves that there is none, unless Redmine drops
    the keys: then a person has to look.
    """
    if found := next((one for one in made if one.key == change.key), None):
        return found
    for one in made:
        if one.key is None and one.data["subject"] == change.fields.get("subject"):
            raise ConfigError(
                f"Issue #{one.id} may be one that the hub made, but Redmine kept no key on it. Let "
                "its tracker have a description, or name a field of all trackers under `key_field`."
            )
    return None
