"""A vendor's row as a record: id, time, version, address and the rest, by the description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.rest.objects import ObjectWords
from connectors.rest.templates import Scope, compile_template
from connectors.rest.times import moment_of, stamp
from connectors.sdk import PayloadError, Record, RejectedError
from connectors.sdk.paths import compile_condition, compile_path
from connectors.sdk.records import Json
from connectors.sdk.versions import comparable

Row = Mapping[str, Any]


class Shape:
    """One object of a service. `scope` is what gaps of the address for people know besides."""

    def __init__(self, name: str, words: ObjectWords, scope: Scope) -> None:
        self.name = name
        self.words = words
        self._scope = scope

    def id(self, row: Row) -> str:
        """Raises PayloadError."""
        found = compile_path(self.words.id).get(row)
        if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
            place = f"{self.name}.{self.words.id}"
            raise PayloadError(f"A {self.name} has no id at `{self.words.id}`.", place)
        return str(found)

    def stamp(self, row: Row) -> str:
        """The time of its last change as text that sorts; "" where the description names none."""
        if not self.words.updated_at:
            return ""
        found = compile_path(self.words.updated_at).get(row)
        place = f"{self.name}.{self.words.updated_at}"
        return stamp(moment_of(found, place, self.words.zone))

    def version(self, row: Row) -> str | None:
        """Text that sorts; None where what stands there has no order."""
        if not self.words.version:
            return self.stamp(row) or None
        return comparable(compile_path(self.words.version).get(row))

    def raw_version(self, row: Row | None) -> Json:
        """The version as the vendor wrote it, to be sent back."""
        path = self.words.version or self.words.updated_at
        return compile_path(path).get(row or {}) if path else None

    def record(
        self, row: Row, *, parent: str | None = None, deleted: bool = False, part: bool = False
    ) -> Record:
        """Raises PayloadError. `part`: a row that need not hold more than its id."""
        words = self.words
        id = self.id(row)
        timed = bool(words.updated_at) and not (
            part and compile_path(words.updated_at or "$").get(row) is None
        )
        moment = (
            moment_of(
                compile_path(words.updated_at or "$").get(row),
                f"{self.name}.{words.updated_at}",
                words.zone,
            )
            if timed
            else None
        )
        if words.parent:
            parent = _text(compile_path(words.parent).get(row)) or parent
        return Record(
            self.name,
            id,
            dict(row),
            address=self._address(row),
            version=self.version(row) if timed or words.version else None,
            updated_at=moment,
            url=self._url(row, id),
            deleted=deleted or bool(words.deleted and compile_condition(words.deleted).holds(row)),
            parent=parent,
            actor=_text(compile_path(words.actor).get(row)) if words.actor else None,
            key=self.key(row),
        )

    def gone(self, id: str) -> Record:
        """A record of which only is known that it is no more."""
        return Record(self.name, id, {}, deleted=True)

    def key(self, row: Row) -> str | None:
        """Our idempotency key, where the row carries one."""
        key = self.words.key
        found = compile_path(key.field).get(row) if key and key.field else None
        return _text(found[0] if isinstance(found, list) and len(found) == 1 else found)

    def _address(self, row: Row) -> dict[str, Json]:
        found = {name: compile_path(path).get(row) for name, path in self.words.address.items()}
        return {name: value for name, value in found.items() if value is not None}

    def _url(self, row: Row, id: str) -> str | None:
        if not self.words.url:
            return None
        scope = {**self._scope, "id": id, "record": row, "address": self._address(row)}
        template = compile_template(self.words.url)
        try:
            if template.text.startswith("{record."):
                return template.fill(scope)  # an address that the vendor wrote itself
            if template.text.startswith("{base_url}"):
                rest = compile_template(template.text.removeprefix("{base_url}"))
                return f"{self._scope['base_url']}{rest.path(scope)}"
            return template.path(scope)
        except RejectedError:
            return None  # this row does not hold what its address needs


def _text(value: Json) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return str(value)
