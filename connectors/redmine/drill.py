"""What the conformance kit asks of the Redmine on loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from connectors.redmine.sandbox import ANN, MARK, RedmineSandbox, Row
from connectors.sdk import Change, Delivery, Record
from connectors.sdk.records import Json
from connectors.sdk.sandbox import Drill, Inapplicable


class RedmineDrill(Drill):
    def __init__(self, redmine: RedmineSandbox) -> None:
        self.redmine = redmine
        self.page = redmine.page

    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        with self.redmine.lock:
            if object == "user":
                return [
                    str(self.redmine.add_user(f"user{len(self.redmine.users)}", at))
                    for _ in range(count)
                ]
            made = []
            for number in range(count):
                if object == "comment":
                    issue = self._some_issue(at)
                    made.append(
                        f"{issue}-{self.redmine.note(issue, f'Text {number}', ANN, at)['id']}"
                    )
                else:
                    fields = {"subject": f"Issue {number}", "description": f"Text {number}"}
                    made.append(str(self.redmine.create(fields, ANN, at)["id"]))
            return made

    def _some_issue(self, at: datetime | None = None) -> int:
        return next(iter(self.redmine.issues), 0) or int(self.seed("issue", 1, at=at)[0])

    def edit(self, object: str, id: str) -> None:
        with self.redmine.lock:
            if object == "user":
                row = self.redmine.users[int(id)]
                row |= {
                    "lastname": f"Edited {len(row['lastname'])}",
                    "updated_on": self.redmine.now(),
                }
            elif object == "comment":
                raise Inapplicable("an edited note shows with the next change of its issue only")
            else:
                fields = {"description": f"Edited {self.redmine.next('journal')}"}
                self.redmine.change(self.redmine.issues[int(id)], fields, ANN)

    def remove(self, object: str, id: str) -> None:
        with self.redmine.lock:
            if object == "user":
                del self.redmine.users[int(id)]
            elif object == "comment":
                self.redmine.edit_note(self.redmine.journals[_note_of(id)], "")
            else:
                self.redmine.delete(int(id))

    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        with self.redmine.lock:
            if object == "user":
                return {str(number): dict(row) for number, row in self.redmine.users.items()}
            if object == "comment":
                return {
                    f"{one['issue']}-{one['id']}": {**one, "notes": MARK.sub("", one["notes"])}
                    for one in self.redmine.journals.values()
                    if one["notes"]
                }
            return {str(number): _held(row) for number, row in self.redmine.issues.items()}

    def creation(self, object: str, key: str) -> Change:
        if object == "comment":
            parent = str(self._some_issue())
            return Change("create", object, key, {"notes": "Done."}, parent=parent)
        fields = {"subject": f"Made as {key}", "status_id": "1", "due_date": "2026-03-04"}
        return Change("create", object, key, fields | {"description": "Please look."})

    def alteration(self, record: Record, key: str) -> Change:
        fields = {"notes": "On second thought."} if record.object == "comment" else {
            "status_id": "2", "description": "Longer."}  # fmt: skip
        return Change(
            "update", record.object, key, fields, record.id, record.address, record.parent,
            record.data, record.version,
        )  # fmt: skip

    def refusal(self, object: str, key: str) -> Change:
        if object == "comment":
            return Change("create", object, key, {"notes": ""}, parent=str(self._some_issue()))
        return Change("create", object, key, {"subject": "", "due_date": "tomorrow"})

    def deliveries(self) -> Sequence[Delivery]:
        return list(self.redmine.sent)

    def ignore_writes(self, count: int) -> None:
        self.redmine.ignored = count

    def clock(self, ahead: float) -> None:
        self.redmine.ahead = timedelta(seconds=ahead)

    def sign(self, body: bytes, *, at: datetime, secret: str | None = None) -> Delivery:
        return self.redmine.sign(body, at=at, secret=secret)


def _note_of(id: str) -> int:
    return int(id.partition("-")[2])


def _held(row: Row) -> Row:
    """Under the names that writes use, references as text."""
    shown = {
        name: str(value) if name.endswith("_id") and value else value for name, value in row.items()
    }
    shown["description"] = MARK.sub("", row["description"] or "")
    return shown | {f"cf_{number}": value for number, value in row["cf"].items()}
