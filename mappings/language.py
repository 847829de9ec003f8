"""Reads a mapping file: its form, and what it inherits from another.

`load_mapping` answers for the form of a file (known keys, right kinds of value); whether the parts
mean something is `mappings.check`'s question.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from mappings.inheritance import extend, resolve
from mappings.keys import (
    CONFLICTS,
    DELETES_IN,
    DELETES_KEYS,
    DELETES_OUT,
    DIRECTIONS,
    FIELD_KEYS,
    IDENTITY_KEYS,
    MATCH_KEYS,
    TEST_KEYS,
    TOP_KEYS,
)
from mappings.source import (
    Finding,
    Map,
    Place,
    Seq,
    Source,
    SourceError,
    did_you_mean,
)
from mappings.spec import (
    UNSET,
    Conflict,
    Direction,
    ExampleSpec,
    FieldSpec,
    IdentitySpec,
    Located,
    MappingSpec,
    MatchSpec,
    TransformUse,
    ValuePair,
)
from mappings.yaml_mistakes import glued

__all__ = ["Conflict", "Direction", "MappingSpec", "extend", "load_mapping", "resolve"]


def load_mapping(file: str, text: str) -> tuple[MappingSpec | None, list[Finding]]:
    """Read a mapping file. The spec is None where nothing could be made of it; otherwise what could
    be read is there, and each part that could not has a finding.
    """
    source = Source(file, text)
    try:
        document = source.load()
    except SourceError as error:
        return None, error.findings
    if not isinstance(document, Map) or not document:
        source.find(
            Place(file),
            "a mapping file is a list of keys and values.",
            "Begin with mapping:, object:, entity: and fields:.",
        )
        return None, source.findings
    spec = _Reader(source).mapping(document)
    return spec, source.findings


class _Reader:
    """Turns YAML data into a spec and notes whatever has the wrong form."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def mapping(self, top: Map) -> MappingSpec | None:
        self.known_keys(top, TOP_KEYS, "a mapping file")
        name = self.word(top, "mapping", required=True)
        fields: dict[str, FieldSpec] = {}
        written = self.section(top, "fields")
        reported: set[str] = {"fields"} if written is None and top.get("fields") else set()
        for key, value in (written or {}).items():
            before = len(self.source.findings)
            spec = self.field(key, value, top["fields"])
            if len(self.source.findings) > before:
                reported.add(key)
            if spec:
                fields[key] = spec
        if "fields" not in top and "extends" not in top:
            self.source.find(
                top.place, "there is no 'fields'.", "Name the canonical fields this file fills."
            )
        deletes = self.section(top, "deletes")
        if deletes is not None:
            self.known_keys(deletes, DELETES_KEYS, "'deletes'")
        if name is None:
            return None
        return MappingSpec(
            name=name,
            place=top.at("mapping"),
            connection=self.word(top, "connection"),
            connector=self.word(top, "connector"),
            extends=self.located(top, "extends"),
            object=self.word(top, "object"),
            entity=self.word(top, "entity"),
            filter=self.located(top, "filter", condition=True),
            direction=self.choice(top, "direction", DIRECTIONS) or "both",  # type: ignore[arg-type]
            conflict=self.choice(top, "conflict", CONFLICTS) or "review",  # type: ignore[arg-type]
            fields=fields,
            deletes_in=self.choice(deletes, "in", DELETES_IN) or "tombstone",
            deletes_out=self.choice(deletes, "out", DELETES_OUT) or "never",
            identity=self.identity(top),
            match=self.match(top),
            examples=self.examples(top),
            reported=frozenset(reported),
            written=frozenset(top),
            places=dict(top.value_places),
            lines={self.source.file: self.source.lines},
        )

    # --- fields

    def field(self, name: str, value: Any, parent: Map) -> FieldSpec | None:
        place = parent.key_at(name)
        if value is None and (comment := self.comment_at(place)):
            quoted = f'{{text: "{comment}"}}' if "${" in comment else f'"{comment}"'
            self.source.find(
                place, f"'{name}' has no value: # starts a comment.", f"Quote it: {quoted}."
            )
            return None
        if value is None:
            return FieldSpec(name, place, removed=True)
        if isinstance(value, str):
            return FieldSpec(name, place, sources=(Located(value, parent.at(name)),))
        if not isinstance(value, Map):
            self.source.find(
                parent.at(name),
                f"'{name}' is neither a path nor a set of keys.",
                "Write a path such as $.title, or {from: $.title}; a constant is {value: …}.",
            )
            return None
        self.known_keys(value, FIELD_KEYS, f"the field '{name}'")
        origins = [key for key in ("from", "value", "text") if key in value]
        if len(origins) != 1:
            if not origins and not set(value) <= set(FIELD_KEYS):
                return None  # a misspelt source, which has its finding
            both = " and ".join(f"'{key}'" for key in origins)
            remedy = "Give exactly one of from, value and text."
            if origins == ["from", "value"] and isinstance(value["value"], Map):
                remedy = "Did you mean 'values'?"
            self.source.find(
                value.key_at(origins[1]) if origins else place,
                f"'{name}' has {both}." if origins else f"'{name}' has no source.",
                remedy,
            )
            return None
        values = self.section(value, "values")
        return FieldSpec(
            name=name,
            place=place,
            sources=self.sources(value),
            value=value.get("value", UNSET),
            text=self.located(value, "text"),
            condition=self.located(value, "if", condition=True),
            values=None if values is None else self.pairs(values, vendor_first=True),
            back=self.pairs(self.section(value, "back") or Map(place), vendor_first=False),
            otherwise=value.get("otherwise", "exception"),
            otherwise_place=value.value_places.get("otherwise"),
            system_of_record=self.word(value, "system_of_record"),
            direction=self.choice(value, "direction", DIRECTIONS),  # type: ignore[arg-type]
            conflict=self.choice(value, "conflict", CONFLICTS),  # type: ignore[arg-type]
            transforms=self.chain(value),
            to=self.located(value, "to"),
            default=value.get("default", UNSET),
            places=value.value_places,
            keys=value.key_places,
        )

    def comment_at(self, place: Place) -> str:
        """What stands behind a key as a comment and was meant as its value, as in `a: #${…}`."""
        line = self.source.lines[place.line - 1][place.column - 1 :]
        found = re.match(r"""[^:]+:\s+(#[^\s#].*?)\s*$""", line)
        return found[1].strip("\"'") if found else ""

    def sources(self, value: Map) -> tuple[Located, ...]:
        given = value.get("from")
        if isinstance(given, str):
            return (Located(given, value.at("from")),)
        if isinstance(given, Seq) and given and all(isinstance(path, str) for path in given):
            return tuple(Located(path, given.at(i)) for i, path in enumerate(given))
        if "from" in value:
            self.source.find(
                value.at("from"), "'from' is a path or a list of paths.", "Write $.title."
            )
        return ()

    def pairs(self, section: Map, vendor_first: bool) -> tuple[ValuePair, ...]:
        """`values` reads vendor: canonical; `back` reads canonical: vendor."""
        found = []
        for key, value in section.items():
            place, at = section.key_at(key), section.at(key)
            if isinstance(value, (Map, Seq)) and vendor_first:
                self.source.find(at, "a value map holds single values.", "Write theirs: ours.")
                continue
            if vendor_first:
                found.append(ValuePair(self.typed_key(key, place), value, place, at))
            else:
                found.append(ValuePair(_plain(value), key, place, at))
        return tuple(found)

    def typed_key(self, key: str, place: Place) -> Any:
        """A YAML key as the value it was written as: true and 3 are not text unless quoted."""
        line = self.source.lines[place.line - 1]
        if line[place.column - 1 : place.column] in ("'", '"'):
            return key
        if key in ("true", "false"):
            return key == "true"
        if key in ("null", "~"):
            return None
        if re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", key):
            return int(key)
        return key

    def chain(self, value: Map) -> tuple[TransformUse, ...]:
        given = value.get("as")
        if "as" not in value:
            return ()
        steps = given if isinstance(given, Seq) else [given]
        uses = []
        for index, step in enumerate(steps):
            place = given.at(index) if isinstance(given, Seq) else value.at("as")
            if isinstance(step, str):
                uses.append(TransformUse(step, {}, UNSET, place))
            elif isinstance(step, Map) and len(step) == 1:
                name, params = next(iter(step.items()))
                named = params if isinstance(params, Map) else None
                uses.append(
                    TransformUse(
                        name,
                        _plain(named) if named is not None else {},
                        UNSET if named is not None else _plain(params),
                        step.key_at(name),
                        dict(named.key_places) if named is not None else {},
                    )
                )
            else:
                self.source.find(
                    place,
                    "'as' is a transform's name, {name: parameters}, or a list of these.",
                    "Write as: date, or as: [{regex: 'No ([0-9]+)'}, integer].",
                )
        return tuple(uses)

    # --- the smaller sections

    def identity(self, top: Map) -> IdentitySpec | None:
        section = self.section(top, "identity")
        if section is None:
            return None
        self.known_keys(section, IDENTITY_KEYS, "'identity'")
        return IdentitySpec(
            section.place,
            self.located(section, "key"),
            self.located(section, "version"),
            self.located(section, "url"),
            self.located(section, "former"),
        )

    def match(self, top: Map) -> MatchSpec | None:
        if "match" in top and top["match"] is None:
            return MatchSpec(top.key_at("match"), removed=True)
        section = self.section(top, "match")
        if section is None:
            return None
        self.known_keys(section, MATCH_KEYS, "'match'")
        if not section:
            self.source.find(top.at("match"), "'match' says nothing.", "Write match: {by: FIELD}.")
        by, likely = (self.sets_of_fields(section, key) for key in ("by", "likely"))
        return MatchSpec(section.place, by, likely)

    def sets_of_fields(self, section: Map, key: str) -> tuple[tuple[Located, ...], ...]:
        """`a` and `[a, b]` are one set of fields, `[[a, b], [c]]` is two."""
        if key not in section:
            return ()
        given, at = section[key], section.at(key)
        sets: list[tuple[Any, Place]] = [(given, at)]
        if isinstance(given, Seq) and any(isinstance(one, Seq) for one in given):
            sets = [(one, given.at(index)) for index, one in enumerate(given)]
        found = []
        for some, place in sets:
            names = some if isinstance(some, Seq) else [some]
            if not names or not all(isinstance(name, str) and name for name in names):
                self.source.find(
                    place,
                    f"'{key}' is a field, a list of fields, or a list of such lists.",
                    f"Write {key}: custom.order_no, or {key}: [title, due].",
                )
                continue
            found.append(
                tuple(
                    Located(name, some.at(index) if isinstance(some, Seq) else place)
                    for index, name in enumerate(names)
                )
            )
        return tuple(found)

    def examples(self, top: Map) -> tuple[ExampleSpec, ...]:
        given = top.get("tests")
        if given is None:
            return ()
        if not isinstance(given, Seq):
            self.source.find(top.at("tests"), "'tests' is a list.", "Begin each with '- given:'.")
            return ()
        found = []
        for index, test in enumerate(given):
            if not isinstance(test, Map) or not isinstance(test.get("given"), (str, Map)):
                self.source.find(
                    given.at(index),
                    "an example needs 'given': a record, or the path of a sample.",
                    "Write given: samples/issue.json.",
                )
                continue
            self.known_keys(test, TEST_KEYS, "an example")
            filtered = test.get("expect") == "filtered"
            back, expect = self.section(test, "back"), None
            if not filtered:
                expect = self.section(test, "expect")
            found.append(
                ExampleSpec(
                    _plain(test["given"]),
                    given.at(index),
                    _plain(expect or {}),
                    filtered,
                    self.flag(test, "roundtrip"),
                    None if back is None else _plain(back),
                    test.at("given"),
                    expect.key_places if expect is not None else {},
                )
            )
        return tuple(found)

    # --- forms of a single key

    def known_keys(self, section: Map, known: Collection[str], where: str) -> None:
        for key in section:
            if key not in known and (remedy := glued(key)):
                self.source.find(section.key_at(key), "a space is missing after the colon.", remedy)
            elif key not in known:
                self.source.find(
                    section.key_at(key), f"{where} has no '{key}'.", did_you_mean(key, list(known))
                )

    def section(self, parent: Map, key: str) -> Map | None:
        value = parent.get(key)
        if value is None or isinstance(value, Map):
            return value
        if remedy := glued(value):
            self.source.find(parent.at(key), "a space is missing after the colon.", remedy)
            return None
        self.source.find(parent.at(key), f"'{key}' is a set of keys and values.")
        return None

    def word(self, parent: Map, key: str, required: bool = False) -> str | None:
        value = parent.get(key)
        if isinstance(value, str) and value:
            return value
        if key in parent:
            self.source.find(parent.at(key), f"'{key}' is a name.")
        elif required:
            self.source.find(parent.place, f"there is no '{key}'.", f"Add {key}: NAME.")
        return None

    def flag(self, parent: Map, key: str) -> bool:
        value = parent.get(key, False)
        if not isinstance(value, bool):
            self.source.find(parent.at(key), f"'{key}' is true or false.", f"Write {key}: true.")
        return value is True

    def choice(self, parent: Map | None, key: str, known: Collection[str]) -> str | None:
        if parent is None or key not in parent:
            return None
        value = parent[key]
        if isinstance(value, str) and value in known:
            return value
        self.source.find(
            parent.at(key),
            f"'{key}' cannot be '{value}'.",
            f"Write one of {', '.join(known)}.",
        )
        return None

    def located(self, parent: Map, key: str, condition: bool = False) -> Located | None:
        value = parent.get(key)
        if isinstance(value, bool) and condition:
            value = "true" if value else "false"
        if isinstance(value, str):
            return Located(value, parent.at(key))
        if key in parent:
            hint = "Quote it." if condition else ""
            self.source.find(parent.at(key), f"'{key}' is text.", hint)
        return None


def _plain(value: Any) -> Any:
    """YAML data without its places, so that it can be stored as JSON."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
