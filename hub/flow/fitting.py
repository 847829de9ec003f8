"""How a mapping fits the fields that an account has: what it names and is not there, is of another
type, cannot be chosen or cannot be written. Pure; `hub check --live` shows it all, `hub.flow.drift`
what has become so since.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from connectors.sdk.records import Field
from mappings.canonical import CanonicalField
from mappings.check.kinds import ACCEPTS, KINDS, TYPES
from mappings.compiler import CompiledMapping
from mappings.fields import target_path, value_key
from mappings.paths import Path, PathError, parse_path
from mappings.source import Finding, did_you_mean
from mappings.spec import FieldSpec, Located, MappingSpec
from mappings.transforms import TRANSFORMS, Fault, Scope, bind
from mappings.transforms.step import ValueKind
from mappings.values import canonical_field

Account = Mapping[str, Field]
"""The fields that an account has, by name."""
Kind = Literal["missing", "type", "new_choice", "lost_choice", "unwritable"]

_KIND: Mapping[str, ValueKind] = {
    "text": "text",
    "number": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "moment",
    "choice": "text",
}
"""What a field of this type holds; lists and objects are looked at by themselves."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing that a mapping says and an account does not have."""

    kind: Kind
    field: str
    """Ours; `identity` for what says who a record is."""
    root: str
    """The account's."""
    finding: Finding = dataclasses.field(compare=False)
    value: Any = None
    """The choice, where it is about one."""
    written: bool = False
    """Whether it is about what we write rather than read."""


def compare(mapping: CompiledMapping, account: Account, object: str) -> Iterator[Misfit]:
    """What a mapping says and the account does not have. `object` is how messages call it."""
    spec = mapping.spec
    for one in spec.fields.values():
        canonical = canonical_field(spec.entity or "", one.name)
        if one.removed or canonical is None:
            continue
        missing = list(_missing(spec, one, account, object))
        yield from missing
        if missing:
            continue  # of what is not there nothing else can be said
        if spec.direction_of(one) != "out":
            yield from _types(spec, one, canonical, account, object)
            yield from _choices(spec, one, canonical, account, object)
        if spec.direction_of(one) != "in":
            yield from _writing(spec, one, account, object)
    if spec.identity:
        identity = (spec.identity.key, spec.identity.version, spec.identity.url)
        for located in identity:
            if located is not None:
                yield from _unknown(spec, "identity", located, account, object)


# ---------------------------------------------------------------------------------- what is there


def roots_read(spec: MappingSpec, one: FieldSpec) -> frozenset[str]:
    """The top-level fields of the account that one of ours is made of."""
    if one.removed or spec.direction_of(one) == "out":
        return frozenset()
    found: set[str] = set()
    for located in one.sources:
        found |= _roots(located)
    for use in one.transforms:
        found |= {path.partition(".")[0] for path in bind(use).reads}
    return frozenset(found - {"*"})


def roots_written(spec: MappingSpec, one: FieldSpec) -> frozenset[str]:
    """The top-level fields of the account that one of ours is written to."""
    if one.removed or spec.direction_of(one) == "in":
        return frozenset()
    path = target_path(one)
    return frozenset(path.roots - {"*"}) if path is not None else frozenset()


def _missing(spec: MappingSpec, one: FieldSpec, account: Account, object: str) -> Iterator[Misfit]:
    located = list(one.sources) if spec.direction_of(one) != "out" else []
    for place in located:
        yield from _unknown(spec, one.name, place, account, object)
    if one.to is not None and spec.direction_of(one) != "in":
        yield from _unknown(spec, one.name, one.to, account, object, written=True)
    for use in one.transforms:
        for root in sorted(bind(use).reads - account.keys() - {"*"}):
            yield _absent(spec, one.name, Located(root, use.place), root, account, object)


def _unknown(
    spec: MappingSpec,
    name: str,
    located: Located,
    account: Account,
    object: str,
    *,
    written: bool = False,
) -> Iterator[Misfit]:
    for root in sorted(_roots(located) - account.keys() - {"*"}):
        yield _absent(spec, name, located, root, account, object, written=written)


def _absent(
    spec: MappingSpec,
    name: str,
    located: Located,
    root: str,
    account: Account,
    object: str,
    *,
    written: bool = False,
) -> Misfit:
    finding = spec.finding(
        located.place,
        f"{object} has no field '{root}' in this account.",
        _by_label(root, account) or did_you_mean(root, sorted(account)),
    )
    return Misfit("missing", name, root, finding, written=written)


def _by_label(word: str, account: Account) -> str:
    """Somebody may have written what the screen says instead of what the interface says."""
    named = {one.label.lower(): name for name, one in account.items() if one.label}
    return f"Did you mean '{named[word.lower()]}'?" if word.lower() in named else ""


def _roots(located: Located) -> frozenset[str]:
    """The top-level fields a path reads."""
    try:
        return frozenset(parse_path(located.text).roots)
    except PathError:
        return frozenset()


def _whole(path: Path, account: Account) -> Field | None:
    """The account's field that a path reads as it is; None where it goes into one or over many."""
    if path.steps is not None and len(path.steps) == 1 and isinstance(path.steps[0], str):
        return account.get(path.steps[0])
    return None


# ------------------------------------------------------------------------------ of the right type


def _types(
    spec: MappingSpec,
    one: FieldSpec,
    canonical: CanonicalField,
    account: Account,
    object: str,
) -> Iterator[Misfit]:
    first = TRANSFORMS[one.transforms[0].name] if one.transforms else None
    for located in one.sources:
        known = _whole(parse_path(located.text), account)
        if known is None:
            continue
        what = KINDS[_KIND[known.type]] if known.type in _KIND else f"a {known.type}"
        if known.type == "list":
            fits = canonical.type in ("labels", "any") or any(
                TRANSFORMS[use.name].whole for use in one.transforms
            )
            remedy = "Choose one ($.list[0]), or add as: join."
        elif known.type == "object":
            fits = first is not None or canonical.type in ("any", "due", "money")
            what, remedy = "an object", f"Read one of its members: {located.text}.NAME."
        elif known.type in _KIND:
            kind = _KIND[known.type]
            takes = first.takes if first is not None else ACCEPTS[canonical.type]
            fits = not takes or kind in takes or (first is None and one.values is not None)
            remedy = (
                f"'{one.transforms[0].name}' cannot work on it."
                if first is not None
                else f"'{one.name}' takes {TYPES[canonical.type]}."
            )
        else:
            fits, remedy = True, ""
        if not fits:
            finding = spec.finding(
                located.place,
                f"'{known.name}' is {what} in {object}, which '{one.name}' cannot be made of.",
                remedy,
            )
            yield Misfit("type", one.name, known.name, finding, known.type)


# ------------------------------------------------------------------------------ the same choices


def _choices(
    spec: MappingSpec,
    one: FieldSpec,
    canonical: CanonicalField,
    account: Account,
    object: str,
) -> Iterator[Misfit]:
    """The tool's choices that no line of the value map names, and lines for none of them."""
    if not one.values or len(one.sources) != 1:
        return
    path = parse_path(one.sources[0].text)
    root = next(iter(path.roots), "")
    offered = account[root].choices if root in account else ()
    if not offered:
        return
    named = {value_key(pair.vendor) for pair in one.values}
    known = {key for choice in offered if (key := _as_mapped(one, choice)) is not None}
    if _whole(path, account) is None and not named & known:
        return  # the path reads something else of these choices: an id, a category
    last = one.values[-1]
    if one.otherwise == "exception":
        for key in sorted(known - named, key=str):
            finding = spec.finding(
                last.place,
                f"'{key}' can be chosen in {object}, and no line here says what it means.",
                f"Add under values: {_yaml(key)}: {_guess(one, canonical, key)}",
                "warning",
            )
            yield Misfit("new_choice", one.name, root, finding, key)
    for pair in one.values:
        if pair.vendor is not None and value_key(pair.vendor) not in known:
            finding = spec.finding(
                pair.place,
                f"'{value_key(pair.vendor)}' cannot be chosen in {object}.",
                did_you_mean(str(value_key(pair.vendor)), sorted(map(str, known))),
                "warning",
            )
            yield Misfit("lost_choice", one.name, root, finding, value_key(pair.vendor))
    if spec.direction_of(one) == "in":
        return
    for pair in one.back:
        vendor = value_key(pair.vendor)
        if vendor is not None and vendor not in {value_key(choice) for choice in offered}:
            finding = spec.finding(
                pair.value_place or pair.place,
                f"'{vendor}' cannot be chosen in {object}, so it cannot be written.",
                did_you_mean(str(vendor), sorted(offered)),
            )
            yield Misfit("lost_choice", one.name, root, finding, vendor, written=True)


def _as_mapped(one: FieldSpec, choice: str) -> Any:
    """A choice as the value map meets it, behind the field's transforms."""
    value: Any = choice
    try:
        for use in one.transforms:
            value = bind(use).inward(value, Scope(None, ""))
    except Fault:
        return None
    return None if isinstance(value, list | dict) else value_key(value)


def _guess(one: FieldSpec, canonical: CanonicalField, key: Any) -> str:
    """What a choice probably means here."""
    from mappings.suggest.enums import meaning  # for who has an unknown choice: it takes 8 MB

    choices: Iterable[str] = [str(choice) for choice in canonical.choices]
    found, sure = meaning(one.name, str(key))
    if found is not None and sure > 0 and found in choices:
        return found
    return f"ONE OF {', '.join(choices)}" if choices else "OURS"


def _yaml(key: Any) -> str:
    """A key as YAML takes it."""
    text = str(key)
    plain = text.replace(" ", "").replace("_", "").replace("-", "x")
    return text if plain.isalnum() else "'" + text.replace("'", "''") + "'"


# ---------------------------------------------------------------------------------------- writing


def _writing(spec: MappingSpec, one: FieldSpec, account: Account, object: str) -> Iterator[Misfit]:
    """Whether a field that goes out lands in one that can be written."""
    path = target_path(one)
    if path is None or one.text is not None:
        return
    for root in path.roots & account.keys():
        if not account[root].writable:
            located = one.to or one.sources[0]
            finding = spec.finding(
                located.place,
                f"'{root}' cannot be written in {object}.",
                f"Write direction: in for '{one.name}'.",
                "warning",
            )
            yield Misfit("unwritable", one.name, root, finding, written=True)
