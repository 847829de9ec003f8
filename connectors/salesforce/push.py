"""Carrying out one batch of writes through the collection endpoints, with a result per change.

Creates go in by external id: an upsert that is repeated finds what the first one made. Salesforce
keeps no version to compare with on these endpoints, so a change is never a `conflict` here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.salesforce.client import (
    RETRY_CODES,
    Row,
    SalesforceClient,
    Unanswered,
    first_error,
)
from connectors.salesforce.soql import id18, is_id
from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    ConnectorError,
    NotFoundError,
    Outcome,
    PayloadError,
    RateLimitError,
    Record,
    RejectedError,
    Result,
    TransientError,
)
from connectors.sdk.pushing import result_of

Send = Callable[[Sequence[Change]], Sequence[Row]]
GONE_CODES = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND", "MALFORMED_ID"})


class Batch:
    """One push: which results are known so far, and whether anything was written yet."""

    def __init__(
        self,
        client: SalesforceClient,
        name: str,
        changes: Sequence[Change],
        hub_key: str | None,
        known: Callable[[Sequence[Change]], Sequence[Record | None]],
        read: Callable[[Sequence[str]], Sequence[Record]],
    ) -> None:
        """`known` looks creates up by key, `read` reads records back."""
        self.client = client
        self.name = name
        self.changes = changes
        self.hub_key = hub_key
        self.known = known
        self.read = read
        self.results: dict[int, Result] = {}
        self.ids: dict[int, str] = {}
        """Which record each written change ended up in, by position."""
        self.doubtful: set[int] = set()
        """Updates refused for a reference that may be the record itself."""
        self.written = False

    def run(self) -> list[Result]:
        """Raises what concerns the whole connection, only while nothing is written."""
        try:
            self._refuse_unwritable()
            creates = self._open("create")
            if creates and self.hub_key:
                creates = self._without_known(creates)
        except RateLimitError:
            raise
        except (TransientError, PayloadError) as error:  # only reads so far
            return [_later(error) for _ in self.changes]
        self._send(creates, self._upsert if self.hub_key else self._insert)
        for wave in self._waves(self._open("update")):
            self._send(wave, self._update)
        for wave in self._waves(self._open("delete")):
            self._send(wave, self._delete)
        self._read_back()
        return [self.results[position] for position in range(len(self.changes))]

    # -------------------------------------------------------------------------------- planning

    def _open(self, op: str) -> list[int]:
        return [
            position
            for position, change in enumerate(self.changes)
            if change.op == op and position not in self.results
        ]

    def _refuse_unwritable(self) -> None:
        """Name unknown and read-only fields ourselves: Salesforce would refuse the whole batch for
        one of them.
        """
        fields = self._fields()
        for position, change in enumerate(self.changes):
            if wrong := self._unwritable(change, fields):
                self.results[position] = Result(
                    Outcome.REJECTED, message=" ".join(wrong.values()), field_errors=wrong
                )
        if any(change.op == "create" for change in self.changes) and self.hub_key:
            key = fields.get(self.hub_key)
            if not (key and key["externalId"] and key["unique"] and key["createable"]):
                self.client.forget(self.name)
                raise ConfigError(
                    f"{self.client.connection}: {self.name} needs a text field {self.hub_key}, "
                    "marked unique and external id and visible to the integration user. Add it in "
                    "Setup, name another in hub_key_field, or set hub_key_field: null."
                )

    def _fields(self) -> dict[str, Row]:
        return {field["name"]: field for field in self.client.describe(self.name)["fields"]}

    def _unwritable(self, change: Change, fields: Mapping[str, Row]) -> dict[str, str]:
        """Which of a change's fields are not there or read-only, each with what is told of it."""
        if change.op == "delete":
            return {}
        right = "createable" if change.op == "create" else "updateable"
        wrong = {}
        for name in change.fields:
            if name not in fields:
                wrong[name] = f"{self.name} has no field {name} that this user can see."
            elif not fields[name][right]:
                wrong[name] = f"{self.name}.{name} cannot be written by this user."
        return wrong

    def _named(self, change: Change) -> dict[str, str]:
        """The fields that a change was refused for without being told which: the object may have
        changed since it was described.
        """
        self.client.forget(self.name)
        try:
            return self._unwritable(change, self._fields())
        except ConnectorError:
            return {}

    def _without_known(self, positions: Sequence[int]) -> list[int]:
        """Creates that have not happened yet. One that has is left alone: upserting it again would
        undo what people changed since.
        """
        found = self.known([self.changes[position] for position in positions])
        rest = []
        for position, record in zip(positions, found, strict=True):
            if record is None:
                rest.append(position)
            else:
                self.results[position] = Result(Outcome.OK, record=record)
        return rest

    def _waves(self, positions: Sequence[int]) -> list[list[int]]:
        """A record may stand only once in a collection; later changes of it go in a later one."""
        waves: list[list[int]] = []
        turns: dict[str, int] = {}
        for position in positions:
            id = id18(self.changes[position].id or "")
            if not is_id(id):
                self.results[position] = Result(
                    Outcome.MISSING, message=f"{id or 'nothing'!r} is not a Salesforce id."
                )
                continue
            turn = turns.get(id, 0)
            turns[id] = turn + 1
            if turn == len(waves):
                waves.append([])
            waves[turn].append(position)
        return waves

    # ------------------------------------------------------------------------------- the calls

    def _row(self, change: Change, **extra: str) -> dict[str, Any]:
        return {"attributes": {"type": self.name}, **change.fields, **extra}

    def _collection(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {"allOrNone": False, "records": rows}

    def _upsert(self, changes: Sequence[Change]) -> Sequence[Row]:
        key = self.hub_key or ""
        rows = [self._row(change, **{key: change.key}) for change in changes]
        path = f"composite/sobjects/{self.name}/{key}"
        return self.client.write("PATCH", path, self._collection(rows))

    def _insert(self, changes: Sequence[Change]) -> Sequence[Row]:
        rows = [self._row(change) for change in changes]
        return self.client.write("POST", "composite/sobjects", self._collection(rows))

    def _update(self, changes: Sequence[Change]) -> Sequence[Row]:
        rows = [self._row(change, id=id18(change.id or "")) for change in changes]
        return self.client.write("PATCH", "composite/sobjects", self._collection(rows))

    def _delete(self, changes: Sequence[Change]) -> Sequence[Row]:
        ids = ",".join(id18(change.id or "") for change in changes)
        return self.client.write(
            "DELETE", "composite/sobjects", params={"ids": ids, "allOrNone": "false"}
        )

    def _send(self, positions: Sequence[int], send: Send) -> None:
        if not positions:
            return
        try:
            rows = send([self.changes[position] for position in positions])
            if len(rows) != len(positions):
                raise Unanswered(f"Salesforce answered {len(rows)} of {len(positions)} writes.")
        except (AuthError, ConfigError, RateLimitError) as error:
            if not self.written:
                raise  # nothing happened: it concerns the whole connection
            self._all(positions, _later(error))
        except Unanswered as error:
            self.written = True
            for position in positions:
                self.results[position] = result_of(error, self.changes[position])
        except TransientError as error:
            self._all(positions, _later(error))
        except (RejectedError, NotFoundError) as error:
            # the request as a whole was refused for one of its records: halve until it is alone
            self.client.forget(self.name)
            half = len(positions) // 2
            if half:
                self._send(positions[:half], send)
                self._send(positions[half:], send)
                return
            errors = error.field_errors if isinstance(error, RejectedError) else {}
            errors = errors or self._named(self.changes[positions[0]])
            refused = Result(Outcome.REJECTED, message=str(error), field_errors=errors)
            self._all(positions, refused)
        else:
            self.written = True
            for position, row in zip(positions, rows, strict=True):
                self._settle(position, row)

    def _all(self, positions: Sequence[int], result: Result) -> None:
        self.results.update(dict.fromkeys(positions, result))

    # --------------------------------------------------------------------------------- answers

    def _settle(self, position: int, row: Row) -> None:
        change = self.changes[position]
        id = str(row.get("id") or change.id or "")
        if row.get("success"):
            self.ids[position] = id18(id)
            self.results[position] = Result(Outcome.OK)
            return
        code, message, _ = first_error(row.get("errors"))
        text = f"{code}: {message}"
        if code in RETRY_CODES:
            self.results[position] = Result(Outcome.RETRY, message=text)
        elif self.hub_key and code == "DUPLICATE_VALUE" and self.hub_key in message:
            # another attempt of the same create won the race; the next one finds its record
            self.results[position] = Result(Outcome.RETRY, message=text)
        elif code in GONE_CODES:
            done = change.op == "delete"
            self.results[position] = Result(Outcome.OK if done else Outcome.MISSING, message=text)
        else:
            errors = {
                name: why
                for entry in row.get("errors") or ()
                for _, why, names in [first_error(entry)]
                for name in names
            }
            if code.startswith("INVALID_FIELD") and not errors:
                errors = self._named(change)
            self.results[position] = Result(Outcome.REJECTED, message=text, field_errors=errors)
            if code == "INVALID_CROSS_REFERENCE_KEY" and not errors and change.op != "create":
                self.ids[position] = id18(id)
                self.doubtful.add(position)

    def _read_back(self) -> None:
        """Fill in what Salesforce now holds. The writes stand even if this fails."""
        if not self.ids:
            return
        try:
            found = {record.id: record for record in self.read(sorted(set(self.ids.values())))}
        except ConnectorError:
            return
        for position, id in self.ids.items():
            record = found.get(id)
            if position not in self.doubtful:
                self.results[position] = Result(Outcome.OK, record=record)
            elif record is None or record.deleted:
                message = self.results[position].message
                self.results[position] = Result(Outcome.MISSING, message=message)


def _later(error: ConnectorError) -> Result:
    wait = error.retry_after if isinstance(error, TransientError) else None
    return Result(Outcome.RETRY, message=str(error), retry_after=wait)
