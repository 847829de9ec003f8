"""Carrying out one change: look, write, read back, as the description says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.rest.answers import Api, member
from connectors.rest.objects import ObjectWords, Writing
from connectors.rest.reading import Reading
from connectors.rest.templates import Scope, filled
from connectors.sdk import (
    Change,
    ConnectorError,
    HttpResponse,
    NotFoundError,
    Outcome,
    PayloadError,
    Record,
    Result,
    TransientError,
    UnsupportedError,
)
from connectors.sdk.paths import MISSING, compile_path
from connectors.sdk.records import Json

METHODS = {"create": "POST", "update": "PATCH", "delete": "DELETE"}


class Writer:
    """Writes one object. What it raises is the result of its change (`push_each`)."""

    def __init__(self, api: Api, words: ObjectWords, reading: Reading) -> None:
        self._api = api
        self._words = words
        self._reading = reading
        self._shape = reading.shape

    def push(self, change: Change) -> Result:
        if change.op == "create":
            return self._create(change, self._how(change))
        if change.op == "delete":
            return self._delete(change, self._how(change))
        return self._update(change, self._how(change))

    def _how(self, change: Change) -> Writing:
        how: Writing | None = getattr(self._words, change.op)
        if how is None:
            raise UnsupportedError(f"{self._api.title} cannot {change.op} a {change.object}.")
        return how

    # ------------------------------------------------------------------------------------------

    def _create(self, change: Change, how: Writing) -> Result:
        scope = _scope(change)
        fields = dict(change.fields)
        key = self._words.key
        chain = compile_path(key.field).chain if key is not None and key.field else None
        if chain:  # what is found by a filter, `fields` of the description puts in
            fields = _with(fields, chain, change.key)
        response = self._send(how, change, scope, fields)
        record, id = self._told(how, response, change)
        if record is not None and not how.read_back:
            return Result(Outcome.OK, record)
        place = f"{self._api.title} objects.{change.object}.create"
        if id is None:
            raise PayloadError(f"The answer does not say what was created ({place}).", place)
        try:
            return Result(Outcome.OK, self._get(change, id, record))
        except ConnectorError as error:
            # it exists: that must not be forgotten. The next pull says the rest.
            kept = record or Record(change.object, id, fields, parent=change.parent, key=change.key)
            return Result(Outcome.OK, kept, f"Created, but not read back: {error}")

    def _update(self, change: Change, how: Writing) -> Result:
        scope, fields = _scope(change), dict(change.fields)
        look = how.look_first
        if look is None:
            look = not (how.version_header or how.version_field)
        if look and self._words.get is not None:
            current = self._reading.get(scope, change.parent)
            if current.deleted:
                raise NotFoundError(f"The {change.object} {change.id} was deleted.")
            fields, contested = differing(change.fields, current.data, change.base)
            if contested:
                return Result(
                    Outcome.CONFLICT,
                    current,
                    f"Somebody changed {', '.join(contested)} since we read it.",
                )
            if not fields:
                return Result(Outcome.OK, current)
        headers = {}
        version = self._shape.raw_version(change.base) or change.version
        if how.version_field and version is not None:
            fields[how.version_field] = version
        if how.version_header and version is not None:
            headers[how.version_header] = str(version)
        response = self._send(how, change, scope, fields, headers)
        record, _ = self._told(how, response, change)
        if record is None or how.read_back:
            record = self._get(change, change.id or "", record)
        return Result(Outcome.OK, record)

    def _delete(self, change: Change, how: Writing) -> Result:
        try:
            self._send(how, change, _scope(change), {})
        except NotFoundError:
            return Result(Outcome.OK, message="It was gone already.")
        return Result(Outcome.OK, self._shape.gone(change.id or ""))

    # ------------------------------------------------------------------------------------------

    def _send(
        self,
        how: Writing,
        change: Change,
        scope: Scope,
        fields: Mapping[str, Json],
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        known = {**self._api.scope, **scope}
        body: dict[str, Any] = _joined(filled(how.fields, known), fields)
        wrapped = {how.wrap: body} if how.wrap else body
        nothing = change.op == "delete" and not body
        return self._api.send(
            how.method or METHODS[change.op],
            how.path,
            scope,
            query=filled(how.query, known),
            json=None if how.form or nothing else wrapped,
            form=wrapped if how.form and not nothing else None,
            # what stands there already is a value, never a template
            headers={
                **how.headers,
                **{name: _plain(text) for name, text in (headers or {}).items()},
            },
        )

    def _told(
        self, how: Writing, response: HttpResponse, change: Change
    ) -> tuple[Record | None, str | None]:
        """The record in the answer, and its id, as far as they are there."""
        if not (how.answer or how.answer_id) or not response.body.strip():
            return None, change.id or _last_part(response)
        answer = response.json()
        place = f"the answer to {response.method} {response.path}"
        if how.answer:
            record = self._shape.record(member(answer, how.answer, place), parent=change.parent)
            return record, record.id
        found = compile_path(how.answer_id or "$").read(answer)
        if found is MISSING or isinstance(found, bool) or not isinstance(found, str | int):
            raise PayloadError(f"There is no id at `{how.answer_id}` of {place}.", place)
        return None, str(found)

    def _get(self, change: Change, id: str, written: Record | None) -> Record:
        """The record as it now is. A vendor that does not show it yet is asked later."""
        scope = _scope(replace(change, id=id))
        if written is not None and written.address:
            scope = {**scope, "address": written.address}
        try:
            return self._reading.get(scope, change.parent)
        except NotFoundError:
            if change.op == "update":
                raise
            raise TransientError(f"{self._api.title} does not show it yet.") from None


def _scope(change: Change) -> Scope:
    return {
        "id": change.id or "",
        "address": change.address,
        "parent": {"id": change.parent or "", "address": change.address},
        "key": change.key,
        "record": change.base or {},
    }


def _joined(constant: Mapping[str, Json], fields: Mapping[str, Json]) -> dict[str, Json]:
    """The fields over the constant ones; lists (of custom fields) are put together."""
    joined = {**constant, **fields}
    for name, value in constant.items():
        if isinstance(value, list) and isinstance(fields.get(name), list):
            joined[name] = [*fields[name], *value]
    return joined


def _plain(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _last_part(response: HttpResponse) -> str | None:
    """The id at the end of a Location header."""
    part = response.headers.get("location", "").rstrip("/").rpartition("/")[2].partition("?")[0]
    return part.removesuffix(".json") or None


def _with(fields: Mapping[str, Json], chain: tuple[str | int, ...], value: Json) -> dict[str, Json]:
    """The fields with a value put in at a chain of names."""
    first, rest = str(chain[0]), chain[1:]
    inner = fields.get(first)
    within = inner if isinstance(inner, Mapping) else {}
    return {**fields, first: _with(within, rest, value) if rest else value}


def differing(
    wanted: Mapping[str, Json], current: Mapping[str, Json], base: Mapping[str, Json] | None
) -> tuple[dict[str, Json], list[str]]:
    """What is not so already; and which of it somebody else changed since we saw it. A field that
    is written under another name than it is read cannot be compared, and is written. One that we
    saw without a value, or not at all (some tools leave out what is empty), was changed if it has
    one.
    """
    values, contested = {}, []
    for name, value in wanted.items():
        if name in current:
            if _holds(current[name], value):
                continue
            before = base.get(name) if base is not None else current[name]
            if before != current[name] and _touches(value, current[name], before):
                contested.append(name)
        values[name] = value
    return values, contested


def _holds(current: Json, wanted: Json) -> bool:
    """Whether all of what is wanted is there."""
    if isinstance(wanted, dict) and isinstance(current, dict):
        return all(name in current and _holds(current[name], part) for name, part in wanted.items())
    return bool(current == wanted) and isinstance(current, bool) == isinstance(wanted, bool)


def _touches(wanted: Json, current: Json, base: Json) -> bool:
    """Whether what somebody else changed is what is to be written: of mappings only a member."""
    if not all(isinstance(one, dict) for one in (wanted, current, base)):
        return True
    return any(base.get(name) != current.get(name) for name in wanted)
