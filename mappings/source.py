"""YAML 1.2 text to plain data in which every node remembers where it stood, and the findings that
point there.

libyaml composes the nodes (fast enough to check hundreds of files at once); the 1.2 core schema
resolves the scalars, so
`on`, `no` and `yes` stay strings. Duplicate keys, anchors, tags and a `%YAML` directive are
findings, not surprises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mappings.likeness import nearest
from mappings.yaml_mistakes import indentation_hint, missing_space

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_DEPTH = 60
_IMPLICIT = {"str", "int", "float", "bool", "null", "timestamp", "merge", "value"}
_INT = re.compile(r"[-+]?[0-9]{1,4000}|0o[0-7]{1,4000}|0x[0-9a-fA-F]{1,4000}")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a workspace file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in a file: what it is and what to write instead."""

    place: Place
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"
    excerpt: str = ""
    """The line of text the place points at, for the caret display."""

    def __str__(self) -> str:
        return f"{self.place} {self.severity}: {self.message}{' ' + self.hint if self.hint else ''}"

    def with_caret(self) -> str:
        """The finding with its source line and a caret under the column."""
        if not self.excerpt:
            return str(self)
        return f"{self}\n    {self.excerpt}\n    {' ' * (self.place.column - 1)}^"


class SourceError(Exception):
    """A file that cannot be used at all; carries its findings."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = list(findings)


class Map(dict[str, Any]):
    """A YAML mapping that knows its place, and the place of each key and of each value."""

    __slots__ = ("key_places", "place", "value_places")

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.key_places: dict[str, Place] = {}
        self.value_places: dict[str, Place] = {}

    def at(self, key: str) -> Place:
        """Where the value of `key` stands; the mapping itself if there is no such key."""
        return self.value_places.get(key, self.place)

    def key_at(self, key: str) -> Place:
        """Where the word `key` stands."""
        return self.key_places.get(key, self.place)


class Seq(list[Any]):
    """A YAML sequence that knows its place and that of each element."""

    __slots__ = ("item_places", "place")

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.item_places: list[Place] = []

    def at(self, index: int) -> Place:
        return self.item_places[index] if index < len(self.item_places) else self.place


class Source:
    """One file's text: builds findings with an excerpt and loads the data."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines = text.splitlines()
        self.findings: list[Finding] = []

    def find(
        self,
        place: Place,
        message: str,
        hint: str = "",
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        """Note a finding at a place of this file."""
        excerpt = self.lines[place.line - 1] if 0 < place.line <= len(self.lines) else ""
        self.findings.append(Finding(place, message, hint, severity, excerpt))

    def load(self) -> Any:
        """The document as Map, Seq and scalars. Raises SourceError if it is not YAML at all."""
        if self.text.lstrip("\ufeff").startswith("%"):
            self.find(
                Place(self.file),
                "a %YAML or %TAG directive is not allowed.",
                "Remove the line; files are YAML 1.2.",
            )
            raise SourceError(self.findings)
        try:
            node = yaml.compose(self.text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = Place(self.file, mark.line + 1, mark.column + 1) if mark else Place(self.file)
            space = missing_space(self.lines, place.line)
            if space is not None:
                place = Place(self.file, *space[:2])
                self.find(place, "a space is missing after the colon.", space[2])
                raise SourceError(self.findings) from None
            what = " ".join(part for part in (error.context, error.problem) if part)
            self.find(place, f"not valid YAML: {what}.", _yaml_hint(self.lines, place))
            raise SourceError(self.findings) from None
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            self.find(Place(self.file), f"not valid YAML: {str(error).splitlines()[0]}.")
            raise SourceError(self.findings) from None
        if node is None:
            return Map(Place(self.file))
        value = self._build(node, 0, set())
        if any(finding.severity == "error" for finding in self.findings):
            raise SourceError(self.findings)
        return value

    def _place(self, node: Node) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _build(self, node: Node, depth: int, seen: set[int]) -> Any:
        place = self._place(node)
        if depth > MAX_DEPTH:
            self.find(place, f"nested deeper than {MAX_DEPTH} levels.")
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, place)
        if id(node) in seen:
            self.find(place, "anchors and aliases are not allowed.", "Write the value out.")
            return None
        seen.add(id(node))
        if not str(node.tag).startswith("tag:yaml.org,2002:") or node.tag.rsplit(":", 1)[1] not in (
            "map",
            "seq",
        ):
            self.find(place, f"the tag {node.tag} is not allowed.", "Write plain YAML.")
        if isinstance(node, SequenceNode):
            items = Seq(place)
            for child in node.value:
                items.append(self._build(child, depth + 1, seen))
                items.item_places.append(self._place(child))
            return items
        assert isinstance(node, MappingNode)  # noqa: S101 - libyaml knows three kinds of node
        result = Map(place)
        for key_node, value_node in node.value:
            key_place = self._place(key_node)
            key = self._scalar(key_node, key_place) if isinstance(key_node, ScalarNode) else None
            if not isinstance(key, str):
                key = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
                if key == "<<" or not isinstance(key_node, ScalarNode):
                    self.find(key_place, "a key must be plain text.", "Quote it.")
            if key in result:
                first = result.key_places[key]
                self.find(
                    key_place,
                    f"duplicate key '{key}' (first on line {first.line}).",
                    "Remove one of them.",
                )
            result[key] = self._build(value_node, depth + 1, seen)
            result.key_places[key] = key_place
            result.value_places[key] = self._place(value_node)
        return result

    def _scalar(self, node: ScalarNode, place: Place) -> Any:
        text: str = node.value
        if node.style in ("'", '"', "|", ">"):
            return text
        if str(node.tag).removeprefix("tag:yaml.org,2002:") not in _IMPLICIT:
            self.find(
                place,
                f"the tag {node.tag} is not allowed.",
                "If this is a condition, quote it: YAML reads a leading ! as a tag.",
            )
            return text
        if text in ("", "~", "null", "Null", "NULL"):
            return None
        if text in ("true", "True", "TRUE"):
            return True
        if text in ("false", "False", "FALSE"):
            return False
        if _INT.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.fullmatch(text):
            return float(
                text.replace(".inf", "inf")
                .replace(".Inf", "inf")
                .replace(".INF", "inf")
                .replace(".nan", "nan")
            )
        return text


def _yaml_hint(lines: Sequence[str], place: Place) -> str:
    line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    if "\t" in line[: place.column]:
        return "Indent with spaces; YAML does not allow tabs."
    if re.search(r":\s+[^'\"#]*: |\$[\w.]*\[", line) or "${" in line:
        return "Quote the text: a colon, a bracket and a brace have a meaning in YAML."
    if hint := indentation_hint(lines, place.line):
        return hint
    return "Check quotes, colons and indentation on this line and the one before."


def did_you_mean(
    word: str, known: Iterator[str] | Sequence[str] | Mapping[str, Any], few: int = 14
) -> str:
    """A hint that names the nearest known word, or lists them if they are at most `few` and none
    is near. Empty if nothing helps.
    """
    words = list(known)
    best = nearest(word, words, 60) if words else None
    if best is not None:
        return f"Did you mean '{words[best]}'?"
    return f"Known: {', '.join(sorted(words))}." if 0 < len(words) <= few else ""
