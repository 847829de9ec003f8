"""Paths, conditions and composed text: whether they can be read, and where they cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from mappings.expressions import CompileError, Condition, compile_condition, compile_text
from mappings.fields import RECORD
from mappings.paths import Path, PathError, parse_path
from mappings.source import Finding, Place
from mappings.spec import Located, MappingSpec
from mappings.templates import Template

_FORGOTTEN = re.compile(r"#?\{\s*record\s*[.\[][^{}]*\}")
"""An expression whose $ was forgotten, or is another language's."""


def read_path(spec: MappingSpec, located: Located) -> tuple[Path | None, list[Finding]]:
    """A path, or the finding that says why it is none."""
    try:
        return parse_path(located.text), []
    except PathError as error:
        place = within(spec, located, error.column)
        return None, [spec.finding(place, error.message, error.hint)]


def check_condition(
    spec: MappingSpec, located: Located, what: str, never: str, always: str
) -> Iterator[Finding]:
    """Whether a condition can be read and can turn out both ways. `never` and `always` say what
    becomes of it where it cannot.
    """
    compiled: list[Condition] = []
    yield from _compiled(
        spec, located, what, lambda text: compiled.append(compile_condition(text, RECORD))
    )
    answer = compiled[0].constant() if compiled else None
    if answer is False:
        yield spec.finding(
            located.place, f"{what} is false for every record: {never}.", "Remove it, or mend it."
        )
    elif answer is True:
        yield spec.finding(
            located.place,
            f"{what} is true for every record: {always}.",
            "Remove it, or mend it.",
            "warning",
        )


def check_text(spec: MappingSpec, located: Located) -> Iterator[Finding]:
    """Whether composed text can be read."""
    compiled: list[Template] = []
    yield from _compiled(
        spec, located, "the text", lambda text: compiled.append(compile_text(text, RECORD))
    )
    for literal in compiled[0].literals if compiled else ():
        if found := _FORGOTTEN.search(literal):
            yield spec.finding(
                within(spec, located, located.text.index(found[0]) + 1),
                f"'{found[0]}' stands in the text as it is written here.",
                f"Write ${found[0].lstrip('#')} for the record's value.",
                "warning",
            )
            return


def _compiled(
    spec: MappingSpec, located: Located, what: str, compile_: Callable[[str], object]
) -> Iterator[Finding]:
    try:
        compile_(located.text)
    except CompileError as error:
        place = within(spec, located, error.column, error.line)
        yield spec.finding(place, f"{what}: {error.message}", error.hint)


def within(spec: MappingSpec, located: Located, column: int, line: int = 1) -> Place:
    """The place of a column inside a piece of text that stands in one line of the file."""
    place = located.place
    lines = spec.lines.get(place.file, ())
    text = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    first = text[place.column - 1 : place.column]
    if line != 1 or first in ("|", ">"):
        return Place(place.file, place.line, place.column)
    return Place(place.file, place.line, place.column + column - 1 + (first in ("'", '"')))
