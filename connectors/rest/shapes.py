"""A vendor's row as a record: id, time, version, address and the rest, by the description."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.rest.objects import ObjectWords
from connectors.rest.templates import Scope, compile_template
from connectors.rest.times import Timed, timed
from connectors.sdk import PayloadError, Record, RejectedError
from connectors.sdk.paths import Path, compile_condition, compile_path
from connectors.sdk.records import Json
from connectors.sdk.versions import comparable

Row = Mapping[str, Any]


class Shape:
    """One object of a service. `scope` is what gaps of the address for people know besides.

    Every row passes here several times, so all that the description says is compiled at once.
    """

    def __init__(self, name: str, words: ObjectWords, scope: Scope) -> None:
        self.name = name
        self.words = words
        self._id = compile_path(words.id).read
        self._updated = compile_path(words.updated_at) if words.updated_at else None
        self._version = compile_path(words.version) if words.version else None
        self._parent = compile_path(words.parent) if words.parent else None
        self._actor = compile_path(words.actor) if words.actor else None
        self._deleted = compile_condition(words.deleted) if words.deleted else None
        self._key = compile_path(words.key.field) if words.key and words.key.field else None
        self._address = [(name, compile_path(path)) for name, path in words.address.items()]
        self._web = _WebAddress(words.url, scope) if words.url else None

    def id(self, row: Row) -> str:
        """Raises PayloadError."""
        found = self._id(row)
        if isinstance(found, str) and found:
            return found
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        place = f"{self.name}.{self.words.id}"
        raise PayloadError(f"A {self.name} has no id at `{self.words.id}`.", place)

    def stamp(self, row: Row) -> str:
        """The time of its last change as text that sorts; "" where the description names none.
        Raises PayloadError.
        """
        return "" if self._updated is None else self._timed(row, self._updated)[1]

    def moment(self, row: Row) -> datetime | None:
        """The time of its last change; None where the description names none. Raises
        PayloadError.
        """
        return None if self._updated is None else self._timed(row, self._updated)[0]

    def _timed(self, row: Row, path: Path) -> Timed:
        found = timed(path.get(row), self.words.zone)
        if found is None:
            place = f"{self.name}.{path.text}"
            raise PayloadError(
                f"There is no time at {place}: correct the path `updated_at`.", place
            )
        return found

    def version(self, row: Row) -> str | None:
        """Text that sorts; None where what stands there has no order."""
        if self._version is None:
            return self.stamp(row) or None
        return comparable(self._version.get(row))

    def raw_version(self, row: Row | None) -> Json:
        """The version as the vendor wrote it, to be sent back."""
        path = self._version or self._updated
        return path.get(row or {}) if path else None

    def record(
        self, row: Row, *, parent: str | None = None, deleted: bool = False, part: bool = False
    ) -> Record:
        """Raises PayloadError. `part`: a row that need not hold more than its id."""
        id = self.id(row)
        at: Timed | None = None
        if self._updated is not None and not (part and self._updated.get(row) is None):
            at = self._timed(row, self._updated)
        version = at[1] if at else None
        if self._version is not None:
            version = comparable(self._version.get(row))
        if self._parent is not None:
            parent = _text(self._parent.get(row)) or parent
        found = [(name, path.get(row)) for name, path in self._address]
        address = {name: value for name, value in found if value is not None}
        return Record(
            self.name,
            id,
            dict(row),
            address=address,
            version=version,
            updated_at=at[0] if at else None,
            url=self._web.of(row, id, address) if self._web else None,
            deleted=deleted or (self._deleted is not None and self._deleted.holds(row)),
            parent=parent,
            actor=_text(self._actor.get(row)) if self._actor is not None else None,
            key=self.key(row),
        )

    def gone(self, id: str) -> Record:
        """A record of which only is known that it is no more."""
        return Record(self.name, id, {}, deleted=True)

    def key(self, row: Row) -> str | None:
        """Our idempotency key, where the row carries one."""
        if self._key is None:
            return None
        found = self._key.get(row)
        return _text(found[0] if isinstance(found, list) and len(found) == 1 else found)


class _WebAddress:
    """The address of a record for people."""

    def __init__(self, text: str, scope: Scope) -> None:
        self._scope = scope
        # one that the vendor wrote itself is taken as it is
        self._whole = text.startswith("{record.")
        self._below = text.startswith("{base_url}")
        self._template = compile_template(text.removeprefix("{base_url}"))

    def of(self, row: Row, id: str, address: Row) -> str | None:
        scope = {**self._scope, "id": id, "record": row, "address": address}
        try:
            if self._whole:
                return self._template.fill(scope)
            path = self._template.path(scope)
        except RejectedError:
            return None  # this row does not hold what its address needs
        return f"{self._scope['base_url']}{path}" if self._below else path


def _text(value: Json) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return str(value)
