"""The public test vectors of CEL, with their values as CEL's own."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mappings.cel.check import check
from mappings.cel.operators import built
from mappings.cel.parse import parse
from mappings.cel.program import Program
from mappings.cel.times import read_duration, read_timestamp
from mappings.cel.values import (
    TYPES,
    Built,
    CelType,
    Duration,
    Flag,
    Timestamp,
    Uint,
)

VECTORS = Path(__file__).parent / "vectors"


class NotOurs(Exception):
    """A value of a vector that conditions cannot have (a protobuf message)."""


@dataclass(frozen=True)
class Vector:
    """One example of the specification: an expression, what it sees, what it gives."""

    id: str
    expr: str
    data: Mapping[str, Any] = field(compare=False)

    def program(self) -> Program:
        """Compiled as the vector wants it. Raises CompileError."""
        names = [*self.data.get("bindings", {}), *self.data.get("declares", ())]
        return Program(check(self.expr, parse(self.expr), names, not self.data.get("unchecked")))

    def bindings(self) -> dict[str, Any]:
        return {name: read_value(one) for name, one in self.data.get("bindings", {}).items()}

    @property
    def fails(self) -> bool:
        return "error" in self.data

    def expected(self) -> Any:
        return read_value(self.data["value"])


def vectors() -> Iterator[Vector]:
    for file in sorted(VECTORS.glob("*.json")):
        if file.stem == "not_run":
            continue
        for number, data in enumerate(json.loads(file.read_text())):
            id = f"{file.stem}/{data['section']}/{data['name']}"
            yield Vector(f"{id}#{number}", data["expr"], data)


def read_value(written: Mapping[str, Any]) -> Any:
    """A value in protobuf's JSON. Raises NotOurs for messages and enums."""
    [(kind, value)] = written.items()
    match kind:
        case "int64Value":
            return int(value)
        case "uint64Value":
            return Uint(value)
        case "doubleValue":
            return float(value)
        case "stringValue" | "boolValue":
            return value
        case "bytesValue":
            return base64.b64decode(value)
        case "nullValue":
            return None
        case "listValue":
            return [read_value(one) for one in value.get("values", ())]
        case "mapValue":
            return built(
                [(read_value(e["key"]), read_value(e["value"])) for e in value.get("entries", ())]
            )
        case "typeValue":
            return TYPES.get(value) or CelType(value)
        case "objectValue":
            return _message(value)
    raise NotOurs(kind)


def _message(value: Mapping[str, Any]) -> Any:
    match value["@type"].rpartition("/")[2]:
        case "google.protobuf.Timestamp":
            return read_timestamp(value["value"])
        case "google.protobuf.Duration":
            return read_duration(value["value"])
    raise NotOurs(value["@type"])


def same(one: Any, other: Any) -> bool:
    """The same value of the same type; NaN is itself."""
    if isinstance(one, Built) or isinstance(other, Built):
        return (
            isinstance(one, dict)
            and isinstance(other, dict)
            and {_key(key) for key in one} == {_key(key) for key in other}
            and all(same(one[key], other[key]) for key in one)
        )
    if one.__class__ is not other.__class__:
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, float) and one == 0:
        return math.copysign(1, one) == math.copysign(1, other)
    if isinstance(one, (Timestamp, Duration)):
        return bool(one.nanos == other.nanos)
    return bool(one == other)


def _key(key: Any) -> Any:
    return (key.__class__, key.value if isinstance(key, Flag) else key)
