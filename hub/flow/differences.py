"""What became of an account's fields since a mapping went by them, in words a person can act on.
Pure.

A field counts from the last time it was as the mapping needs it. So what never fitted is no drift
(`hub check --live` tells that), and what drifted stays told until it fits again, however often the
account is asked meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from connectors.sdk.records import Field
from hub.flow.fitting import Account, Misfit, compare, roots_written
from mappings.compiler import CompiledMapping
from mappings.likeness import likeness

MISSES = 2
"""How often in a row a field must be missing that was only ever read off records."""
What = Literal[
    "vanished", "renamed", "doubled", "type", "new_choice", "lost_choice", "unwritable", "required"
]
_WORST: Sequence[What] = (
    "vanished", "renamed", "doubled", "type", "required", "unwritable", "lost_choice", "new_choice",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drift:
    """What is wrong with one field: ours, or (`required`) one of theirs that nothing writes."""

    field: str
    root: str
    """The account's field."""
    what: What
    title: str
    detail: str
    place: str
    """Of the line of the mapping that goes by it."""
    not_read: bool = False
    not_written: bool = False
    renamed_to: str | None = None

    @property
    def type(self) -> str:
        """Of the exception."""
        return "unmapped_value" if self.what in ("new_choice", "lost_choice") else "mapping_error"

    @property
    def severity(self) -> str:
        """By its effect: what stands still is worse than what may come to."""
        if self.not_read or self.what == "required":
            return "high"
        return "low" if self.what == "new_choice" else "normal"


def plain(account: Account) -> dict[str, dict[str, Any]]:
    """Fields as plain JSON."""
    return {
        name: {
            "type": one.type,
            "label": one.label,
            "choices": list(one.choices),
            "required": one.required,
            "writable": one.writable,
            "known": one.known,
        }
        for name, one in account.items()
    }


def fields_of(document: Mapping[str, Mapping[str, Any]]) -> dict[str, Field]:
    """What `plain` wrote."""
    return {
        name: Field(name, **{**one, "choices": tuple(one.get("choices", ()))})
        for name, one in document.items()
    }


def absorb(
    now: Sequence[Field], known: Account, misses: Mapping[str, int]
) -> tuple[dict[str, Field], dict[str, int]]:
    """The fields there are, and how often those were missing that are not given up yet: what was
    only seen in records may be missing from a few of them.
    """
    found = {one.name: one for one in now}
    missed: dict[str, int] = {}
    for name, one in known.items():
        if name in found or one.known != "seen":
            continue
        count = misses.get(name, 0) + 1
        if count < MISSES:
            found[name], missed[name] = one, count
    return found, missed


def changes(before: Account, now: Account) -> Iterator[tuple[str, str]]:
    """Each field that is another now, and what became of it in a few words."""
    for name in sorted(before.keys() - now.keys()):
        yield name, "is gone"
    for name in sorted(now.keys() - before.keys()):
        yield name, "is new"
    for name in sorted(now.keys() & before.keys()):
        one, was = now[name], before[name]
        said = []
        if one.type != was.type:
            said.append(f"was {was.type}, is {one.type}")
        gone = [choice for choice in was.choices if choice not in one.choices]
        new = [choice for choice in one.choices if choice not in was.choices]
        if gone:
            said.append(f"lost {', '.join(gone[:5])}{' …' if len(gone) > 5 else ''}")
        if new:
            said.append(f"gained {', '.join(new[:5])}{' …' if len(new) > 5 else ''}")
        if one.required != was.required:
            said.append("is required" if one.required else "is not required any more")
        if one.writable != was.writable:
            said.append("can be written" if one.writable else "cannot be written any more")
        if one.label != was.label:
            said.append(f"is called '{one.label}'")
        if said:
            yield name, "; ".join(said)


def drifts(
    mapping: CompiledMapping, before: Account, now: Account, connection: str, object: str
) -> list[Drift]:
    """What a mapping went by and is not so any more: one for each field, the worst."""
    called = f"{object} of '{connection}'"
    old = set(compare(mapping, before, called))
    by_field: dict[str, list[Misfit]] = {}
    for one in compare(mapping, now, called):
        inferred = one.kind == "type" and now[one.root].known != "declared"
        if one not in old and one.root in before and not inferred:
            by_field.setdefault(one.field, []).append(one)
    found = [
        min(
            (_drift(one, some, before, now, connection, object) for one in some),
            key=lambda drift: _WORST.index(drift.what),
        )
        for some in by_field.values()
    ]
    return found + list(_required(mapping, before, now, connection, object))


def _drift(
    one: Misfit,
    all_of_it: Sequence[Misfit],
    before: Account,
    now: Account,
    connection: str,
    object: str,
) -> Drift:
    place = str(one.finding.place)
    rest = "Everything else of these records goes on."
    stays = f"Until then '{one.field}' keeps our value and is not written there. {rest}"
    if one.kind == "missing":
        return _gone(one, before, now, connection, object, place, stays)
    if one.kind == "type":
        is_, was = now[one.root].type, before[one.root].type if one.root in before else "another"
        return Drift(
            one.field,
            one.root,
            "type",
            f"'{one.root}' of {connection} is of another type now",
            f"'{one.root}' in {object} was {was} and is {is_} now, of which '{one.field}' cannot be"
            f" made ({place}). {one.finding.hint} {stays}",
            place,
            not_read=True,
            not_written=True,
        )
    if one.kind == "unwritable":
        return Drift(
            one.field,
            one.root,
            "unwritable",
            f"'{one.root}' of {connection} cannot be written any more",
            f"The account takes no value for '{one.root}' in {object} now ({place}). Let the"
            f" integration user write it there, or: {one.finding.hint} Until then '{one.field}' is"
            f" read and not written. {rest}",
            place,
            not_written=True,
        )
    return _choice(one, all_of_it, connection, object)


def _gone(
    one: Misfit,
    before: Account,
    now: Account,
    connection: str,
    object: str,
    place: str,
    stays: str,
) -> Drift:
    doubled = f"{one.root} (1)" in now
    better = None if doubled else renamed(one.root, before, now)
    if doubled:
        what: What = "doubled"
        title = f"{connection} has '{one.root}' twice now"
        happened = f"{object} has two columns '{one.root}', and nobody can tell which is meant"
        remedy = "Give one of them another name there."
    elif better is not None:
        what = "renamed"
        title = f"'{one.root}' of {connection} was probably renamed to '{better}'"
        happened = f"{object} has no field '{one.root}' any more, and a new one '{better}'"
        remedy = f"Write {_path(better)} in that line, or rename it back there."
    else:
        what = "vanished"
        title = f"'{one.root}' of {connection} is gone"
        happened = f"{object} has no field '{one.root}' any more"
        remedy = (
            "Bring it back there (or let the integration user see it), change that line, or take"
            f" '{one.field}' out of the mapping."
        )
    if one.field == "identity":
        stays = "It says who a record is: until then no record of it can be told from another."
    return Drift(
        one.field,
        one.root,
        what,
        title,
        f"{happened}. '{one.field}' goes by it ({place}). {remedy} {stays}",
        place,
        not_read=True,
        not_written=True,
        renamed_to=better,
    )


def _path(name: str) -> str:
    plain = name.replace("_", "a").isalnum() and name.isascii() and not name[0].isdigit()
    return f"$.{name}" if plain else f"$['{name}']"


def renamed(name: str, before: Account, now: Account) -> str | None:
    """What a field is probably called now: a new one with its label, its choices, or much like it
    in name and of its type. None where there is none, or more than one.
    """
    was = before.get(name)
    new = [one for other, one in now.items() if other not in before]
    if was is None or not new:
        return None
    alike = [one for one in new if was.label and one.label.casefold() == was.label.casefold()]
    if not alike and was.choices:
        alike = [one for one in new if set(one.choices) == set(was.choices)]
    of_type = [one for one in new if one.type == was.type]
    if not alike:
        alike = [one for one in of_type if likeness(one.name.lower(), name.lower()) >= 70]
    if not alike and len(before.keys() - now.keys()) == 1:
        alike = of_type
    return alike[0].name if len(alike) == 1 else None


def _choice(
    one: Misfit,
    all_of_it: Iterable[Misfit],
    connection: str,
    object: str,
) -> Drift:
    about = [other for other in all_of_it if other.root == one.root]
    new = list(dict.fromkeys(str(x.value) for x in about if x.kind == "new_choice"))
    lost = list(dict.fromkeys(str(x.value) for x in about if x.kind == "lost_choice"))
    written = any(x.written for x in about)
    place = str(one.finding.place)
    said = []
    if lost and len(lost) == len(new) == 1:
        said.append(f"'{lost[0]}' was probably renamed to '{new[0]}' ({place}).")
    else:
        said += [f"'{value}' cannot be chosen any more ({place})." for value in lost]
        said += [f"'{value}' can be chosen now, and no line says what it means." for value in new]
    hints = [x.finding.hint for x in about if x.kind == "new_choice" and x.finding.hint]
    said += list(dict.fromkeys(hints))
    if new:
        said.append(f"A record that has it keeps our '{one.field}' until then; the rest comes in.")
    if written:
        said.append(
            f"Whoever sets '{one.field}' to what is written as {', '.join(lost)} is not heard there"
            " until the mapping writes another choice."
        )
    many = "choices" if len(new) + len(lost) > 1 else "a choice"
    return Drift(
        one.field,
        one.root,
        "lost_choice" if lost else "new_choice",
        f"{connection} has other choices for '{one.root}'"
        if lost
        else f"{connection} has {many if len(new) == 1 else 'choices'} for '{one.root}'"
        " that no mapping knows",
        f"In {object}: {' '.join(said)}",
        place,
    )


def _required(
    mapping: CompiledMapping, before: Account, now: Account, connection: str, object: str
) -> Iterator[Drift]:
    """Fields without which nothing can be created there any more, and that nothing writes."""
    spec = mapping.spec
    if not mapping.writes:
        return
    written = {root for one in spec.fields.values() for root in roots_written(spec, one)}
    for name, one in now.items():
        was = before.get(name)
        if not one.required or name in written or (was is not None and was.required):
            continue
        if was is None and not before:
            continue
        place = str(spec.place_of("fields"))
        yield Drift(
            name,
            name,
            "required",
            f"{connection} wants '{one.label or name}' for every new {object} now",
            f"'{name}' in {object} became required, and no line of the mapping writes it ({place})."
            " Add a field that does, give it a default there, or make it optional again. Until then"
            " what is made here is refused there; what is there already goes on.",
            place,
        )


def gone_by(before: Account, now: Account, found: Collection[Drift]) -> dict[str, Field]:
    """What mappings go by from now on: each field as it is, but those that drifted as they were,
    and without what these may be called now.
    """
    held = {one.root for one in found}
    candidates = {one.renamed_to for one in found}
    kept = {name: one for name, one in before.items() if name in held}
    return {
        **{name: one for name, one in now.items() if name not in held | candidates},
        **kept,
    }
