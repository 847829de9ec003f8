"""A mapping file as two plain functions: a record inward, a canonical entity outward.

Everything that depends on the file is decided here, once; what runs per record is plain Python
written for it, about as much work as mapping by hand. One bad field never costs the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mappings.expressions import (
    CompileError,
    Condition,
    ExpressionError,
    compile_condition,
    compile_text,
)
from mappings.fields import (
    FAILURES,
    RECORD,
    FieldPlan,
    MappingError,
    compile_field,
)
from mappings.inward import Inward, Mapped, Problem, compile_inward, in_words, problem
from mappings.outward import Outward, Whole, compile_whole
from mappings.paths import MISSING, PathError, parse_path
from mappings.spec import MappingSpec
from mappings.transforms import Directory, Fault, ParamError, Scope, Step, bind
from mappings.writing import Writer

__all__ = [
    "CompiledMapping",
    "Directory",
    "Mapped",
    "MappingError",
    "Outward",
    "Problem",
    "compile_mapping",
]


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping, ready to run."""

    spec: MappingSpec
    source_fields: frozenset[str]
    """The top-level vendor fields it reads; `*` where a path or condition may look at any."""
    source_paths: frozenset[str]
    """The same with members below them, dotted: what a query that names fields must ask for."""
    inward: Inward
    """The canonical values of a record (with the directory and the connection). Fields the record
    does not speak of stay out.
    """
    plans: Mapping[str, FieldPlan]
    """Each field as it was compiled, for whoever shows how a value comes about."""
    written: frozenset[str]
    """The fields that can be written to the tool."""
    places: Mapping[str, str]
    """The file, line and column of each field, as text."""
    zone: str
    """The workspace's time zone, in which a moment falls on a date."""
    _whole: Whole | None
    _way_back: tuple[tuple[str, Step, Writer, FieldPlan], ...]
    _filter: Condition | None

    @property
    def writes(self) -> bool:
        """Whether any field goes outward."""
        directions = {self.spec.direction_of(one) for one in self.spec.fields.values()}
        return bool(directions - {"in"})

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether the file's `filter` lets this record in. Raises ExpressionError if it has no
        answer for it.
        """
        if self._filter is None:
            return True
        try:
            return self._filter.evaluate({"record": record})
        except FAILURES as error:
            raise ExpressionError(in_words(error)) from error

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
        if only is None and base is None and self._whole is not None:
            fields = self._whole(values, directory, connection)
            if fields is not None:
                return Outward(fields, [])
        result = Outward()
        known = None if base is None else dict(base)
        scope = Scope(directory, connection, known, self.zone)
        fields = result.fields
        for name, give, write, compiled in self._way_back:
            if name not in values or (only is not None and name not in only):
                continue
            value = values[name]
            try:
                kept: Any = MISSING
                if known is not None:
                    kept = self._in_agreement(compiled, known, value, scope)
                write(fields, give(value, scope) if kept is MISSING else kept)
            except FAILURES as error:
                result.problems.append(problem(compiled, error, value))
        return result

    def identity(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`key`, `version`, `url` and `former` of a record by the file's `identity`; only those it
        has.
        """
        found: dict[str, Any] = {}
        spec = self.spec.identity
        for name in ("key", "version", "url", "former"):
            located = getattr(spec, name, None)
            if located is None:
                continue
            try:
                value = parse_path(located.text).read(dict(data))
            except FAILURES:
                continue
            if value is not MISSING and value is not None and value != "":
                found[name] = value
        return found

    def vendor_value(self, name: str, value: Any, directory: Directory, connection: str) -> Any:
        """One canonical value in the tool's words, whatever the tool holds. Raises Fault."""
        give = self.plans[name].give
        if give is None:
            raise Fault(f"'{name}' cannot be written back")
        return give(value, Scope(directory, connection, None, self.zone))

    def invertible(self, name: str) -> bool:
        """Whether this field can be written to the tool."""
        return name in self.written

    @staticmethod
    def _in_agreement(compiled: FieldPlan, base: dict[str, Any], value: Any, scope: Scope) -> Any:
        """The vendor's own value, if it already means this one; else MISSING."""
        if compiled.read is None:
            return MISSING
        try:
            condition = compiled.condition
            if condition is not None and not condition.evaluate({"record": base}):
                return MISSING
            raw = compiled.read(base)
            if raw is not MISSING and compiled.convert(raw, scope) == value:
                other = compiled.spec.to is not None and _in_other_words(compiled, value, scope)
                return MISSING if other else raw
        except FAILURES:
            pass  # what the vendor holds means nothing to us, so ours is written
        return MISSING


def _in_other_words(compiled: FieldPlan, value: Any, scope: Scope) -> bool:
    """Whether the place of `to` has words of its own, such as the number of a state where its name
    is read: what is written there then does not mean the same where it is read.
    """
    assert compiled.give is not None  # noqa: S101 - only what goes out is asked
    try:
        said = compiled.give(value, scope)
    except FAILURES:
        return False  # there is no other word for it
    try:
        return bool(compiled.convert(said, scope) != value)
    except FAILURES:
        return True


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
                fields[name] = compile_field(spec, field_spec)
        condition = compile_condition(spec.filter.text, RECORD) if spec.filter else None
        paths = _paths_read(spec)
    except (PathError, ParamError, CompileError) as error:
        raise MappingError(f"{spec.place}: the mapping '{spec.name}': {error}") from None
    outward = [plan for plan in fields.values() if plan.outward and plan.give and plan.write]

    # Python takes longer to compile the source than all else takes together, and who only checks
    # files never runs it; so the first record that comes has it compiled, for itself and the others
    read = cache(lambda: compile_inward([p for p in fields.values() if p.inward], zone))
    written = cache(lambda: compile_whole(outward, zone))

    def inward(*args: Any) -> Any:
        object.__setattr__(compiled, "inward", made := read())
        return made(*args)

    def whole(*args: Any) -> Any:
        object.__setattr__(compiled, "_whole", made := written())
        return None if made is None else made(*args)

    compiled = CompiledMapping(
        spec=spec,
        source_fields=frozenset(path.partition(".")[0] for path in paths),
        source_paths=paths,
        inward=inward,
        plans=fields,
        written=frozenset(plan.spec.name for plan in outward),
        places={name: str(one.place) for name, one in spec.fields.items()},
        zone=zone,
        _whole=whole,
        _way_back=tuple(
            (plan.spec.name, plan.give, plan.write, plan)
            for plan in outward
            if plan.give and plan.write
        ),
        _filter=condition,
    )
    return compiled


# ------------------------------------------------------------------------------- what is read


def _paths_read(spec: MappingSpec) -> frozenset[str]:
    found: set[str] = set()
    located = [source for field in spec.fields.values() for source in field.sources]
    if spec.identity:
        said = spec.identity
        located += [one for one in (said.key, said.version, said.url, said.former) if one]
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
        if field_spec.text:
            found |= compile_text(field_spec.text.text, RECORD).reads("record")
        if field_spec.condition:
            found |= compile_condition(field_spec.condition.text, RECORD).reads("record")
        for use in field_spec.transforms:
            found |= bind(use).reads
    if spec.filter:
        found |= compile_condition(spec.filter.text, RECORD).reads("record")
    return frozenset(found)
