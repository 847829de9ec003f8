"""Asks the tools themselves whether what the mappings name is there and is what they take it for:
`hub check --live`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from connectors.sdk import Connector, ConnectorError, Host, Source
from connectors.sdk.records import Field
from hub.workspace import Workspace
from mappings.canonical import CanonicalField
from mappings.check.kinds import ACCEPTS, KINDS, TYPES
from mappings.compiler import CompiledMapping
from mappings.fields import target_path, value_key
from mappings.paths import Path, PathError, parse_path
from mappings.source import Finding, did_you_mean
from mappings.spec import FieldSpec, Located, MappingSpec
from mappings.suggest.enums import meaning
from mappings.transforms import TRANSFORMS, Fault, Scope, bind
from mappings.transforms.step import ValueKind
from mappings.values import canonical_field

Resolve = Callable[[str], str | None]
Account = Mapping[str, Field]
"""The fields that an account has, by name."""

_KIND: Mapping[str, ValueKind] = {
    "text": "text",
    "number": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "moment",
    "choice": "text",
}
"""What a field of this type holds; lists and objects are looked at by themselves."""


def ask_the_tools(
    workspace: Workspace, classes: Mapping[str, type[Connector]], resolve: Resolve, host: Host
) -> list[Finding]:
    """What does not fit between the mappings and the accounts, in order of place: connections that
    do not work, fields and values that an account does not have, fields of another type, choices
    that no value map names. `host` is the running hub's: a token that rotates is renewed for it
    too.
    """
    found: list[Finding] = []
    for name, spec in workspace.connections.items():
        try:
            cls = classes[spec.connector]
            connector = cls(name, spec.settings(cls, resolve), host)
        except Exception as error:
            found.append(Finding(spec.place, f"'{name}' cannot be asked: {_said(error)}"))
            continue
        try:
            connector.check()
            if isinstance(connector, Source):
                for (connection, object), mapping in workspace.mappings.items():
                    if connection == name:
                        account = {field.name: field for field in connector.discover(object)}
                        found += compare(mapping, account, f"{object} of '{name}'")
        except ConnectorError as error:
            found.append(Finding(spec.place, f"'{name}' does not answer as it should: {error}"))
        except Exception as error:
            found.append(
                Finding(
                    spec.place,
                    f"'{name}' cannot be reached: {_said(error)}",
                    "Look at its settings in hub.yaml, then: hub doctor",
                )
            )
        finally:
            with suppress(Exception):
                connector.close()
    return sorted(dict.fromkeys(found), key=lambda one: one.place)


def _said(error: Exception) -> str:
    """An error in a sentence, also where a connector let through one that says nothing."""
    text = " ".join(str(error).split())
    return f"{text.removesuffix('.') or type(error).__name__}."


def compare(mapping: CompiledMapping, account: Account, object: str) -> Iterator[Finding]:
    """What a mapping says and the account does not have. `object` is how messages call it."""
    spec = mapping.spec
    for field in spec.fields.values():
        canonical = canonical_field(spec.entity or "", field.name)
        if field.removed or canonical is None:
            continue
        missing = list(_missing(spec, field, account, object))
        yield from missing
        if missing:
            continue  # of what is not there nothing else can be said
        if spec.direction_of(field) != "out":
            yield from _types(spec, field, canonical, account, object)
            yield from _choices(spec, field, canonical, account, object)
        if spec.direction_of(field) != "in":
            yield from _writing(spec, field, account, object)
    if spec.identity:
        identity = (spec.identity.key, spec.identity.version, spec.identity.url)
        for located in identity:
            if located is not None:
                yield from _unknown(spec, located, account, object)


# ---------------------------------------------------------------------------------- what is there


def _missing(
    spec: MappingSpec, field: FieldSpec, account: Account, object: str
) -> Iterator[Finding]:
    located = list(field.sources) if spec.direction_of(field) != "out" else []
    if field.to is not None and spec.direction_of(field) != "in":
        located.append(field.to)
    for one in located:
        yield from _unknown(spec, one, account, object)
    for use in field.transforms:
        for root in sorted(bind(use).reads - account.keys() - {"*"}):
            yield _absent(spec, Located(root, use.place), root, account, object)


def _unknown(
    spec: MappingSpec, located: Located, account: Account, object: str
) -> Iterator[Finding]:
    for root in sorted(_roots(located) - account.keys() - {"*"}):
        yield _absent(spec, located, root, account, object)


def _absent(
    spec: MappingSpec, located: Located, root: str, account: Account, object: str
) -> Finding:
    return spec.finding(
        located.place,
        f"{object} has no field '{root}' in this account.",
        _by_label(root, account) or did_you_mean(root, sorted(account)),
    )


def _by_label(word: str, account: Account) -> str:
    """Somebody may have written what the screen says instead of what the interface says."""
    named = {field.label.lower(): name for name, field in account.items() if field.label}
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
    field: FieldSpec,
    canonical: CanonicalField,
    account: Account,
    object: str,
) -> Iterator[Finding]:
    first = TRANSFORMS[field.transforms[0].name] if field.transforms else None
    for located in field.sources:
        known = _whole(parse_path(located.text), account)
        if known is None:
            continue
        what = KINDS[_KIND[known.type]] if known.type in _KIND else f"a {known.type}"
        if known.type == "list":
            fits = canonical.type in ("labels", "any") or any(
                TRANSFORMS[use.name].whole for use in field.transforms
            )
            remedy = "Choose one ($.list[0]), or add as: join."
        elif known.type == "object":
            fits = first is not None or canonical.type in ("any", "due", "money")
            what, remedy = "an object", f"Read one of its members: {located.text}.NAME."
        elif known.type in _KIND:
            kind = _KIND[known.type]
            takes = first.takes if first is not None else ACCEPTS[canonical.type]
            fits = not takes or kind in takes or (first is None and field.values is not None)
            remedy = (
                f"'{field.transforms[0].name}' cannot work on it."
                if first is not None
                else f"'{field.name}' takes {TYPES[canonical.type]}."
            )
        else:
            fits, remedy = True, ""
        if not fits:
            yield spec.finding(
                located.place,
                f"'{known.name}' is {what} in {object}, which '{field.name}' cannot be made of.",
                remedy,
            )


# ------------------------------------------------------------------------------ the same choices


def _choices(
    spec: MappingSpec,
    field: FieldSpec,
    canonical: CanonicalField,
    account: Account,
    object: str,
) -> Iterator[Finding]:
    """The tool's choices that no line of the value map names, and lines for none of them."""
    if not field.values or len(field.sources) != 1:
        return
    path = parse_path(field.sources[0].text)
    root = next(iter(path.roots), "")
    offered = account[root].choices if root in account else ()
    if not offered:
        return
    named = {value_key(pair.vendor) for pair in field.values}
    known = {key for choice in offered if (key := _as_mapped(field, choice)) is not None}
    if _whole(path, account) is None and not named & known:
        return  # the path reads something else of these choices: an id, a category
    last = field.values[-1]
    if field.otherwise == "exception":
        for key in sorted(known - named, key=str):
            yield spec.finding(
                last.place,
                f"'{key}' can be chosen in {object}, and no line here says what it means.",
                f"Add under values: {_yaml(key)}: {_guess(field, canonical, key)}",
                "warning",
            )
    for pair in field.values:
        if pair.vendor is not None and value_key(pair.vendor) not in known:
            yield spec.finding(
                pair.place,
                f"'{value_key(pair.vendor)}' cannot be chosen in {object}.",
                did_you_mean(str(value_key(pair.vendor)), sorted(map(str, known))),
                "warning",
            )
    if spec.direction_of(field) == "in":
        return
    for pair in field.back:
        vendor = value_key(pair.vendor)
        if vendor is not None and vendor not in {value_key(choice) for choice in offered}:
            yield spec.finding(
                pair.value_place or pair.place,
                f"'{vendor}' cannot be chosen in {object}, so it cannot be written.",
                did_you_mean(str(vendor), sorted(offered)),
            )


def _as_mapped(field: FieldSpec, choice: str) -> Any:
    """A choice as the value map meets it, behind the field's transforms."""
    value: Any = choice
    try:
        for use in field.transforms:
            value = bind(use).inward(value, Scope(None, ""))
    except Fault:
        return None
    return None if isinstance(value, list | dict) else value_key(value)


def _guess(field: FieldSpec, canonical: CanonicalField, key: Any) -> str:
    """What a choice probably means here."""
    choices: Iterable[str] = [str(choice) for choice in canonical.choices]
    found, sure = meaning(field.name, str(key))
    if found is not None and sure > 0 and found in choices:
        return found
    return f"ONE OF {', '.join(choices)}" if choices else "OURS"


def _yaml(key: Any) -> str:
    """A key as YAML takes it."""
    text = str(key)
    plain = text.replace(" ", "").replace("_", "").replace("-", "x")
    return text if plain.isalnum() else "'" + text.replace("'", "''") + "'"


# ---------------------------------------------------------------------------------------- writing


def _writing(
    spec: MappingSpec, field: FieldSpec, account: Account, object: str
) -> Iterator[Finding]:
    """Whether a field that goes out lands in one that can be written."""
    path = target_path(field)
    if path is None or field.text is not None:
        return
    for root in path.roots & account.keys():
        if not account[root].writable:
            located = field.to or field.sources[0]
            yield spec.finding(
                located.place,
                f"'{root}' cannot be written in {object}.",
                f"Write direction: in for '{field.name}'.",
                "warning",
            )
