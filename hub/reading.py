"""Reads values out of workspace files: each has the type it should have, or there is a finding at
its place that says what to write. Nothing here raises; a value that is wrong reads as None.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from hub.process.calendar import Duration, parse_duration
from mappings.expressions import (
    CompileError,
    Condition,
    Template,
    compile_condition,
    compile_text,
)
from mappings.source import Finding, Map, Place, Seq, Source, SourceError, did_you_mean

VARIABLES = ("event", "task", "item", "case", "delivery", "now")
"""What expressions in rules and processes may name."""

_KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number"}
_CONDITION_KEY = re.compile(r"\b(if|filter):\s+(['\"\[{!])")


def kind_of(value: Any) -> str:
    """What a YAML value is, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return _KINDS.get(type(value), type(value).__name__)


def plain(value: Any) -> Any:
    """The same data as ordinary dicts and lists, without places."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


class Reader:
    """Reads one file and collects its findings."""

    def __init__(self, file: str, text: str = "") -> None:
        self.source = Source(file, text)
        self.variables: tuple[str, ...] = VARIABLES
        """What expressions may name in the part of the file that is read now."""

    @property
    def file(self) -> str:
        return self.source.file

    @property
    def findings(self) -> list[Finding]:
        return self.source.findings

    @property
    def failed(self) -> bool:
        """Whether anything found so far is an error."""
        return any(finding.severity == "error" for finding in self.findings)

    def load(self) -> Map | None:
        """The document, which must be a mapping at its top."""
        try:
            document = self.source.load()
        except SourceError:
            self.source.findings[:] = [_about_quotes(found) for found in self.findings]
            return None
        if isinstance(document, Map):
            return document
        self.error(
            getattr(document, "place", Place(self.file)),
            f"the file holds {kind_of(document)}, not a mapping.",
            "Write key: value lines.",
        )
        return None

    def error(self, place: Place, message: str, hint: str = "") -> None:
        self.source.find(place, message, hint)

    def warn(self, place: Place, message: str, hint: str = "") -> None:
        self.source.find(place, message, hint, "warning")

    # ------------------------------------------------------------------------------------------

    def only(self, where: Map, known: Collection[str], what: str) -> None:
        """Note every key of `where` that `what` does not have."""
        for key in where:
            if key not in known:
                self.error(
                    where.key_at(key), f"{what} has no '{key}'.", did_you_mean(key, sorted(known))
                )

    def required(self, where: Map, key: str, what: str) -> bool:
        """Whether `key` is there; notes it as missing if not."""
        if where.get(key) is not None:
            return True
        self.error(where.place, f"{what} needs '{key}'.")
        return False

    def wrong(self, where: Map, key: str, wanted: str, hint: str = "") -> None:
        """Note that `key` has a value of another kind than `wanted`."""
        self.error(where.at(key), f"'{key}' must be {wanted}, not {kind_of(where[key])}.", hint)

    def text(self, where: Map, key: str) -> str | None:
        value = where.get(key)
        if value is None:
            return None
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, str):
            self.error(where.at(key), f"'{key}' is empty.")
        elif isinstance(value, (dict, list)):
            self.wrong(where, key, "text", "Quote it: YAML reads a leading bracket as a list.")
        else:
            self.wrong(where, key, "text", "Quote it.")
        return None

    def texts(self, where: Map, key: str) -> list[tuple[str, Place]]:
        """A list of texts with their places; empty where there is none."""
        items = self.sequence(where, key)
        found = []
        for index, item in enumerate(items or []):
            if isinstance(item, str) and item.strip():
                found.append((item, items.at(index) if items is not None else where.at(key)))
            elif items is not None:
                self.error(
                    items.at(index),
                    f"'{key}' lists texts, but this is {kind_of(item)}.",
                    "Quote it.",
                )
        return found

    def sequence(self, where: Map, key: str) -> Seq | None:
        value = where.get(key)
        if value is None or isinstance(value, Seq):
            return value
        hint = f"Write [{value}]." if isinstance(value, str) else ""
        self.wrong(where, key, "a list", hint)
        return None

    def mapping(self, where: Map, key: str) -> Map | None:
        value = where.get(key)
        if value is None or isinstance(value, Map):
            return value
        self.wrong(where, key, "a mapping")
        return None

    def maps(self, where: Map, key: str) -> list[Map]:
        """A list of mappings; what is something else is noted and left out."""
        items = self.sequence(where, key)
        found = []
        for index, item in enumerate(items or []):
            if isinstance(item, Map):
                found.append(item)
            elif items is not None:
                self.error(items.at(index), f"'{key}' lists mappings, but this is {kind_of(item)}.")
        return found

    def integer(self, where: Map, key: str, least: int = 1) -> int | None:
        value = where.get(key)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        self.error(where.at(key), f"'{key}' must be a whole number from {least} up.")
        return None

    def choice(self, where: Map, key: str, choices: Collection[str]) -> str | None:
        value = self.text(where, key)
        if value is None or value in choices:
            return value
        self.error(
            where.at(key), f"'{key}' cannot be '{value}'.", did_you_mean(value, sorted(choices))
        )
        return None

    def duration(self, where: Map, key: str) -> Duration | None:
        value = self.text(where, key)
        return None if value is None else self.duration_of(value, where.at(key))

    def duration_of(self, value: str, place: Place) -> Duration | None:
        try:
            return parse_duration(value)
        except ValueError as error:
            self.error(place, str(error))
            return None

    def condition(self, where: Map, key: str) -> Condition | None:
        """A bare CEL expression."""
        value = where.get(key)
        if value is not None and not isinstance(value, str):
            self.wrong(where, key, "a condition", "Quote it: conditions are text.")
            return None
        value = self.text(where, key)
        if value is None:
            return None
        try:
            return compile_condition(value, self.variables)
        except CompileError as error:
            place, hint = where.at(key), error.hint
            if self._comment_after(place, value):
                hint = "YAML reads everything after ' #' as a comment: quote the condition."
            elif value.startswith("${"):
                hint = f"'{key}' is bare CEL: write it without ${{ and }}."
            self.error(self.within(place, value, error), error.message, hint)
            return None

    def template(self, where: Map, key: str) -> Template | None:
        """Text in which `${…}` is CEL."""
        value = self.text(where, key)
        return None if value is None else self.template_of(value, where.at(key))

    def template_of(self, value: str, place: Place) -> Template | None:
        try:
            return compile_text(value, self.variables)
        except CompileError as error:
            self.error(self.within(place, value, error), error.message, error.hint)
            return None

    def within(self, place: Place, value: str, error: CompileError) -> Place:
        """Where the error is, if the text that stands at `place` is written on one line."""
        column = error.column if error.line == 1 else 1
        lines = self.source.lines
        line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
        rest = line[place.column - 1 :]
        quoted = 1 if rest[:1] in ("'", '"') else 0
        if not rest[quoted:].startswith(value[: max(column - 1, 0)]):
            return place
        return replace(place, column=place.column + quoted + max(column - 1, 0))

    def _comment_after(self, place: Place, value: str) -> bool:
        lines = self.source.lines
        line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
        rest = line[place.column - 1 :]
        return rest.startswith(value) and rest[len(value) :].lstrip().startswith("#")


def descend(value: Any, path: Collection[Any], place: Place) -> Place:
    """The place of the value at `path` (keys and indexes) as far as it exists."""
    for part in path:
        known = isinstance(value, Map) and part in value
        if not known and not (
            isinstance(value, Seq) and isinstance(part, int) and 0 <= part < len(value)
        ):
            break
        place, value = value.at(part), value[part]
    return place


def unknown(word: str, what: str, known: Collection[str] | Mapping[str, Any]) -> tuple[str, str]:
    """Message and hint for a name that nothing has."""
    return f"there is no {what} '{word}'.", did_you_mean(word, sorted(known))


def _about_quotes(found: Finding) -> Finding:
    """YAML's own complaint about a condition says little; say that it wants quotes."""
    match = _CONDITION_KEY.search(found.excerpt)
    if match is None or "tag" in found.message:
        return found
    return replace(
        found,
        hint=f"Quote the whole condition: YAML gives a leading {match[2]} a meaning of its own.",
    )
