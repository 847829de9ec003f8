"""A mapping file as two plain functions: a record inward, a canonical entity outward.

Everything that depends on the file is decided here, once; what runs per record is a list of
closures, about as much work as mapping by hand. One bad field never costs the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mappings.canonical import CanonicalField
from mappings.expressions import (
    CompileError,
    Condition,
    ExpressionError,
    Template,
    compile_condition,
    compile_text,
)
from mappings.language import UNSET, FieldSpec, MappingSpec, TransformUse, ValuePair
from mappings.paths import MISSING, Path, PathError, WrongType, parse_path
from mappings.source import Place
from mappings.transforms import (
    Bound,
    Directory,
    Fault,
    ParamError,
    ProblemKind,
    Scope,
    Step,
    bind,
)
from mappings.values import IMPLIED, canonical_field, clean_json, closing_step, may_be_null
from mappings.writing import Writer, writer

RECORD = ("record",)
_SURPRISES = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, AttributeError)
_RECORD_FIELD = re.compile(r"""\brecord\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*(['"])(.*?)\2\s*\])?""")


@dataclass(frozen=True, slots=True)
class Problem:
    """One field that could not be mapped: why, the vendor's value, and the line that says how."""

    field: str
    kind: ProblemKind
    message: str
    raw: Any
    place: Place


@dataclass(slots=True)
class Mapped:
    """A record in canonical form. A field that is not in `values` was not spoken of, or has a
    problem; `raw` holds what the vendor said, also for those with a problem.
    """

    values: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class Outward:
    """The vendor fields of a write, nested as the vendor has them, and what could not be said."""

    fields: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class MappingError(Exception):
    """A mapping cannot be compiled. `check_mapping` says all that is wrong with it, and how."""


@dataclass(frozen=True, slots=True)
class _Field:
    """One field, compiled. `read` may give MISSING or raise; `convert` never sees MISSING."""

    spec: FieldSpec
    canonical: CanonicalField
    read: Callable[[Any], Any] | None
    convert: Step
    default: Any
    give: Step | None
    """Canonical value to vendor value; None where there is no way back."""
    write: Writer | None
    read_back: Callable[[Any], Any] | None
    """What the vendor now holds at the place that `write` fills."""
    inward: bool
    outward: bool


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping, ready to run."""

    spec: MappingSpec
    source_fields: frozenset[str]
    """The top-level vendor fields it reads; `*` where a path or condition may look at any."""
    source_paths: frozenset[str]
    """The same with members below them, dotted: what a query that names fields must ask for."""
    _fields: Mapping[str, _Field]
    _plan: tuple[tuple[str, Callable[[Any], Any] | None, Step, _Field], ...]
    _way_back: tuple[tuple[str, Step, Writer, _Field], ...]
    _filter: Condition | None
    _filter_fields: frozenset[str]
    _zone: str

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether the file's `filter` lets this record in. Raises ExpressionError if it has no
        answer for it.
        """
        if self._filter is None:
            return True
        return self._filter.evaluate({"record": _seen_by(self._filter_fields, record)})

    def inward(self, data: Mapping[str, Any], directory: Directory, connection: str) -> Mapped:
        """The canonical values of a record. Fields the record does not speak of stay out."""
        if data.__class__ is not dict:
            data = dict(data)
        scope = Scope(directory, connection, data, self._zone)
        values: dict[str, Any] = {}
        raws: dict[str, Any] = {}
        mapped = Mapped(values, raws)
        for name, read, convert, compiled in self._plan:
            raw: Any = None
            try:
                if read is None:
                    values[name] = compiled.default
                    continue
                raw = read(data)
                if raw is MISSING:
                    if compiled.default is not UNSET:
                        values[name] = compiled.default
                    continue
                raws[name] = raw
                value = convert(raw, scope)
                if value is not MISSING:
                    values[name] = value
            except Fault as fault:
                mapped.problems.append(_problem(compiled, fault.kind, str(fault), raw))
            except (WrongType, ExpressionError) as error:
                raw = raws[name] = _nearest(compiled, data) if raw is None else raw
                mapped.problems.append(_problem(compiled, "mapping_error", str(error), raw))
            except _SURPRISES as error:
                reason = f"{type(error).__name__}: {error}"[:200]
                mapped.problems.append(_problem(compiled, "mapping_error", reason, raw))
        return mapped

    def outward(
        self,
        values: Mapping[str, Any],
        directory: Directory,
        connection: str,
        only: Collection[str] | None = None,
        base: Mapping[str, Any] | None = None,
    ) -> Outward:
        """The vendor fields for these canonical values (of the fields in `only`, if given).

        `base` is the record as the vendor holds it: where its own value already means ours, it is
        kept, so that a lossy value map does not turn 'Deferred' into 'Waiting'.
        """
        result = Outward()
        known = None if base is None else dict(base)
        scope = Scope(directory, connection, known, self._zone)
        for name, compiled in self._fields.items():
            if (
                not compiled.outward
                or name not in values
                or (only is not None and name not in only)
            ):
                continue
            value = values[name]
            if compiled.give is None or compiled.write is None:
                continue
            try:
                if known is not None and self._agrees(compiled, known, value, scope):
                    vendor = compiled.read_back(known) if compiled.read_back else MISSING
                    if vendor is not MISSING:
                        compiled.write(result.fields, vendor)
                        continue
                compiled.write(result.fields, compiled.give(value, scope))
            except Fault as fault:
                result.problems.append(_problem(compiled, fault.kind, str(fault), value))
            except (WrongType, ExpressionError) as error:
                result.problems.append(_problem(compiled, "mapping_error", str(error), value))
            except _SURPRISES as error:
                reason = f"{type(error).__name__}: {error}"[:200]
                result.problems.append(_problem(compiled, "mapping_error", reason, value))
        return result

    def identity(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`key`, `version` and `url` of a record by the file's `identity`; only those it has."""
        found: dict[str, Any] = {}
        spec = self.spec.identity
        for name in ("key", "version", "url"):
            located = getattr(spec, name, None)
            if located is None:
                continue
            try:
                value = parse_path(located.text).read(dict(data))
            except WrongType:
                continue
            if value is not MISSING and value is not None and value != "":
                found[name] = value
        return found

    def vendor_value(self, name: str, value: Any, directory: Directory, connection: str) -> Any:
        """One canonical value in the tool's words, whatever the tool holds. Raises Fault."""
        give = self._fields[name].give
        if give is None:
            raise Fault(f"'{name}' cannot be written back")
        return give(value, Scope(directory, connection, None, self._zone))

    def invertible(self, name: str) -> bool:
        """Whether this field can be written to the tool."""
        compiled = self._fields.get(name)
        return bool(compiled and compiled.outward and compiled.give and compiled.write)

    @staticmethod
    def _agrees(compiled: _Field, base: dict[str, Any], value: Any, scope: Scope) -> bool:
        if compiled.read is None or compiled.read_back is None:
            return False
        try:
            raw = compiled.read(base)
            return raw is not MISSING and bool(compiled.convert(raw, scope) == value)
        except (Fault, WrongType, ExpressionError, *_SURPRISES):
            return False


def compile_mapping(spec: MappingSpec, zone: str = "UTC") -> CompiledMapping:
    """Compile a mapping that `check_mapping` finds no error in; `zone` is the workspace's, in which
    a moment falls on the calendar date that a date-only tool is given. Raises MappingError.
    """
    try:
        if not spec.entity:
            raise MappingError(f"{spec.place}: the mapping '{spec.name}' has no entity.")
        fields = {}
        for name, field_spec in spec.fields.items():
            if not field_spec.removed:
                fields[name] = _compile_field(spec, field_spec)
        condition = compile_condition(spec.filter.text, RECORD) if spec.filter else None
        paths = _paths_read(spec)
    except (PathError, ParamError, CompileError) as error:
        raise MappingError(f"{spec.place}: the mapping '{spec.name}': {error}") from None
    filter_fields = record_fields(spec.filter.text) if spec.filter else frozenset()
    return CompiledMapping(
        spec=spec,
        source_fields=frozenset(path.partition(".")[0] for path in paths),
        source_paths=paths,
        _fields=fields,
        _plan=tuple((n, f.read, f.convert, f) for n, f in fields.items() if f.inward),
        _way_back=tuple(
            (n, f.give, f.write, f) for n, f in fields.items() if f.outward and f.give and f.write
        ),
        _filter=condition,
        _filter_fields=filter_fields,
        _zone=zone,
    )


# --------------------------------------------------------------------------------- one field


def _compile_field(mapping: MappingSpec, spec: FieldSpec) -> _Field:
    canonical = canonical_field(mapping.entity or "", spec.name)
    if canonical is None:
        raise MappingError(f"{spec.place}: {mapping.entity} has no field '{spec.name}'.")
    direction = mapping.direction_of(spec)
    chain = transforms_of(spec, canonical)
    reader = _reader(spec)
    convert = _inward_step(spec, canonical, chain)
    default = _default(spec, canonical)
    if spec.condition is not None:
        reader = _guarded(spec, reader, default)
    target = target_path(spec)
    return _Field(
        spec=spec,
        canonical=canonical,
        read=reader,
        convert=convert,
        default=default,
        give=_outward_step(spec, canonical, chain),
        write=writer(target) if target else None,
        read_back=target.read if target else None,
        inward=direction in ("in", "both"),
        outward=direction in ("out", "both") and target is not None,
    )


def transforms_of(spec: FieldSpec, canonical: CanonicalField) -> list[Bound]:
    """The transforms of a field, with the one its type implies at the end. Raises ParamError."""
    chain = [bind(use) for use in spec.transforms]
    implied = IMPLIED.get(canonical.type)
    if not implied or any(bound.name == implied for bound in chain):
        return chain
    # what a value map gives is canonical already; only labels are made a list before it
    if spec.values is None or implied == "labels":
        chain.append(bind(TransformUse(implied, {}, UNSET, spec.place)))
    return chain


def target_path(spec: FieldSpec) -> Path | None:
    """Where the field goes in a write: `to`, else its only source if that names one place."""
    if spec.to is not None:
        return parse_path(spec.to.text)
    if len(spec.sources) != 1:
        return None
    path = parse_path(spec.sources[0].text)
    return path if path.steps and writer(path) else None


def _reader(spec: FieldSpec) -> Callable[[Any], Any] | None:
    if spec.text is not None:
        return _composed(compile_text(spec.text.text, RECORD), record_fields(spec.text.text))
    if not spec.sources:
        return None
    readers = [parse_path(source.text).read for source in spec.sources]
    return readers[0] if len(readers) == 1 else _first_of(readers)


def _first_of(readers: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """The first value that is not empty; else the strongest of null, empty and missing."""

    def read(data: Any) -> Any:
        spoken: Any = MISSING
        wrong: WrongType | None = None
        for one in readers:
            try:
                value = one(data)
            except WrongType as error:
                wrong = wrong or error
                continue
            if value is not None and value is not MISSING and value != "" and value != []:
                return value
            if spoken is MISSING:
                spoken = value
        if wrong is not None and spoken is MISSING:
            raise wrong
        return spoken

    return read


def _composed(template: Template, fields: frozenset[str]) -> Callable[[Any], Any]:
    def read(data: Any) -> Any:
        return template.render({"record": _seen_by(fields, data)})

    return read


def _guarded(
    spec: FieldSpec, reader: Callable[[Any], Any] | None, constant: Any
) -> Callable[[Any], Any]:
    assert spec.condition is not None  # noqa: S101 - the caller asked only with a condition
    condition = compile_condition(spec.condition.text, RECORD)
    fields = record_fields(spec.condition.text)

    def read(data: Any) -> Any:
        if not condition.evaluate({"record": _seen_by(fields, data)}):
            return MISSING
        return constant if reader is None else reader(data)

    return read


def _default(spec: FieldSpec, canonical: CanonicalField) -> Any:
    """The default or constant in canonical form; a due or an amount may be written short."""
    value = spec.default if spec.value is UNSET else spec.value
    if value is UNSET or value is None:
        return value
    if canonical.type == "party":
        return value
    try:
        scope = Scope(None, "")
        if (implied := IMPLIED.get(canonical.type)) is not None:
            value = bind(TransformUse(implied, {}, UNSET, spec.place)).inward(value, scope)
        return closing_step(canonical)(clean_json(value), scope)
    except Fault as fault:
        raise MappingError(f"{spec.place}: the default of '{spec.name}': {fault}.") from None


def _inward_step(spec: FieldSpec, canonical: CanonicalField, chain: list[Bound]) -> Step:
    values = _value_map(spec)
    close = closing_step(canonical, chain[-1].name if chain and values is None else "")
    steps = tuple(bound.inward for bound in chain)
    default = spec.default if spec.default is UNSET else _default(spec, canonical)
    has_default = default is not UNSET
    required = not may_be_null(canonical)
    empty_message = (
        f"it is empty, and every {canonical.name} needs a value"
        if canonical.type != "enum"
        else "it is empty"
    )

    if len(steps) == 1 and values is None and not has_default and not required:
        only = steps[0]

        def transformed(raw: Any, scope: Scope) -> Any:
            if raw is None or (value := only(raw, scope)) is None:
                return None
            return close(value, scope)

        return transformed

    def convert(raw: Any, scope: Scope) -> Any:
        value = raw
        for step in steps:
            if value is None:
                break
            value = step(value, scope)
        if values is not None:
            value = values(value)
            if value is MISSING:
                return MISSING
        if value is not None:
            value = close(value, scope)
        if value is None or (value == "" and (required or has_default)):
            if has_default:
                return default
            if required:
                raise Fault(empty_message, "unmapped_value" if values else "mapping_error")
        return value

    return convert if steps else _fast_way(spec, canonical, close, convert)


def _fast_way(spec: FieldSpec, canonical: CanonicalField, close: Step, otherwise: Step) -> Step:
    """The usual value of the usual field in one step; whatever else it is goes the long way."""
    if spec.values is not None:
        table = {}
        for pair in spec.values:
            # the long way says what is wrong with a value, where it matters
            with suppress(Fault):
                table[value_key(pair.vendor)] = close(pair.canonical, Scope(None, ""))

        def look_up(raw: Any, scope: Scope) -> Any:
            if raw.__class__ is str and (found := table.get(raw)) is not None:
                return found
            return otherwise(raw, scope)

        return look_up if canonical.type in ("enum", "text") else otherwise
    if canonical.type not in ("text", "markdown", "any"):
        return otherwise

    def take(raw: Any, scope: Scope) -> Any:
        if raw.__class__ is str and raw and raw.isascii() and "\x00" not in raw:
            return raw
        return otherwise(raw, scope)

    return take


_UNKNOWN = object()


def _value_map(spec: FieldSpec) -> Callable[[Any], Any] | None:
    """The value map as a function; MISSING means that our value stays as it is."""
    if spec.values is None:
        return None
    table = {value_key(pair.vendor): pair.canonical for pair in spec.values}
    otherwise = spec.otherwise
    listed = ", ".join(str(pair.vendor) for pair in spec.values[:12])

    def convert(value: Any) -> Any:
        if value.__class__ is list:
            return [one for item in value if (one := convert(item)) is not MISSING]
        found = table.get(value if value.__class__ is str else value_key(value), _UNKNOWN)
        if found is not _UNKNOWN:
            return found
        if otherwise == "keep":
            return MISSING
        if otherwise != "exception":
            return otherwise
        if value is None or value == "":
            return value
        shown = str(value_key(value))[:60]
        raise Fault(
            f"'{shown}' is not in the value map ({listed}); add it under values", "unmapped_value"
        )

    return convert


def value_key(value: Any) -> Any:
    """What a vendor's value is looked up by: text as it is; true, 3 and 3.0 as YAML writes them."""
    if value is None or isinstance(value, (str, dict, list)):
        return value if not isinstance(value, (dict, list)) else str(value)[:200]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if not isinstance(value, int) or value.bit_length() < 200 else "a huge number"


def inverse(spec: FieldSpec) -> tuple[dict[Any, Any], dict[Any, list[ValuePair]]]:
    """Canonical value → vendor value, and the canonical values several vendor values stand for and
    `back` does not settle.
    """
    by_canonical: dict[Any, list[ValuePair]] = {}
    for pair in spec.values or ():
        by_canonical.setdefault(value_key(pair.canonical), []).append(pair)
    settled = {value_key(pair.canonical): pair.vendor for pair in spec.back}
    open_ = {
        key: pairs for key, pairs in by_canonical.items() if len(pairs) > 1 and key not in settled
    }
    simple = {key: pairs[0].vendor for key, pairs in by_canonical.items() if len(pairs) == 1}
    return {**simple, **settled}, open_


def _outward_step(spec: FieldSpec, canonical: CanonicalField, chain: list[Bound]) -> Step | None:
    if spec.text is not None or (not spec.sources and spec.to is None):
        return None
    if spec.values is None and any(bound.outward is None for bound in chain):
        return None
    steps = tuple(bound.outward for bound in reversed(chain) if bound.outward)
    mapped = spec.values is not None or bool(spec.back)
    table, ambiguous = inverse(spec)
    passes = spec.values is None
    listed = canonical.type == "labels"

    def look_up(value: Any) -> Any:
        key = value_key(value)
        if key in table:
            return table[key]
        if value is None or passes:
            return value
        if key in ambiguous:
            words = ", ".join(str(pair.vendor) for pair in ambiguous[key])
            raise Fault(f"'{key}' may be {words}; choose one under back", "unmapped_value")
        raise Fault(f"'{key}' has no value in this tool; add it under back", "unmapped_value")

    if not mapped and not steps and canonical.type not in ("due", "date", "moment", "labels"):
        return lambda value, scope: value

    if mapped and not steps:

        def say(value: Any, scope: Scope) -> Any:
            if value.__class__ is str and (found := table.get(value)) is not None:
                return found
            return [look_up(one) for one in value] if value.__class__ is list else look_up(value)

        return say
    if len(steps) == 1 and not mapped and not listed:
        only = steps[0]
        return lambda value, scope: None if value is None else only(value, scope)

    def give(value: Any, scope: Scope) -> Any:
        if value is None and listed:
            value = []
        if mapped:
            value = [look_up(one) for one in value] if value.__class__ is list else look_up(value)
        elif canonical.type in ("due", "date", "moment") and not steps:
            value = _time_text(value)
        for step in steps:
            if value is None:
                break
            value = step(value, scope)
        return value

    return give


def _time_text(value: Any) -> Any:
    return (value.get("at") or value.get("date")) if isinstance(value, dict) else value


# ------------------------------------------------------------------------------- what is read


def record_fields(expression: str) -> frozenset[str]:
    """The record's top-level fields that an expression names; `*` if it uses the record whole."""
    return frozenset(match[1] or match[3] or "*" for match in _RECORD_FIELD.finditer(expression))


def _seen_by(fields: frozenset[str], record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a record an expression can see, so that the rest need not be made ready."""
    if "*" in fields:
        return record
    return {name: record[name] for name in fields if name in record}


def _paths_read(spec: MappingSpec) -> frozenset[str]:
    found: set[str] = set()
    located = [source for field in spec.fields.values() for source in field.sources]
    if spec.identity:
        identity = (spec.identity.key, spec.identity.version, spec.identity.url)
        located += [one for one in identity if one]
    for one in located:
        path = parse_path(one.text)
        steps = path.steps or (path.projection[0] if path.projection else ())
        members = []
        for step in steps:
            if not isinstance(step, str):
                break
            members.append(step)
        found |= {".".join(members)} if members else path.roots
    for field_spec in spec.fields.values():
        for expression in (field_spec.text, field_spec.condition):
            found |= record_fields(expression.text) if expression else set()
        for use in field_spec.transforms:
            found |= bind(use).reads
    if spec.filter:
        found |= record_fields(spec.filter.text)
    return frozenset(found)


def _problem(compiled: _Field, kind: ProblemKind, message: str, raw: Any) -> Problem:
    spec = compiled.spec
    return Problem(spec.name, kind, f"{spec.name}: {message}.", raw, spec.place)


def _nearest(compiled: _Field, data: Mapping[str, Any]) -> Any:
    """What stands where the path went wrong: the top-level value it begins with."""
    for source in compiled.spec.sources:
        for root in parse_path(source.text).roots:
            if root in data:
                return data[root]
    return None
