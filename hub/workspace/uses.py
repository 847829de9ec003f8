"""Whether connections, mappings, processes and rules fit together: what names a tool finds there
what it wants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connectors.sdk import ObjectSpec
from hub.process.model import ProcessDefinition
from hub.workspace.connections import ConnectionSpec
from hub.workspace.rules import RuleSet
from mappings.compiler import CompiledMapping
from mappings.source import Finding, Place, did_you_mean

Mappings = Mapping[tuple[str, str], CompiledMapping]
Offers = Mapping[str, Mapping[str, ObjectSpec]]
Misfit = tuple[Place, str, str]
"""Where, what, and what to do."""


def taken_as(entity: str, connection: str, offers: Offers, mappings: Mappings) -> list[str]:
    """The objects of a connection that an entity of ours can be created as."""
    return [
        object
        for object, capability in offers.get(connection, {}).items()
        if "create" in capability.push
        and (mapping := mappings.get((connection, object))) is not None
        and mapping.spec.entity == entity
        and mapping.writes
    ]


def check_uses(
    connections: Mapping[str, ConnectionSpec],
    offers: Offers,
    mappings: Mappings,
    processes: Mapping[str, ProcessDefinition],
    rules: RuleSet,
    files: Mapping[str, str],
) -> Iterator[Finding]:
    """What each file may say by itself, and what does not work together. Warnings only: what is
    missing shows when it is needed, and may be added until then.
    """
    for place, message, hint in _misfits(connections, offers, mappings, processes, rules):
        excerpt = files.get(place.file, "").splitlines()[place.line - 1 : place.line]
        yield Finding(place, message, hint, "warning", "".join(excerpt))


def _misfits(
    connections: Mapping[str, ConnectionSpec],
    offers: Offers,
    mappings: Mappings,
    processes: Mapping[str, ProcessDefinition],
    rules: RuleSet,
) -> Iterator[Misfit]:
    for process in processes.values():
        for step in process.steps.values():
            if step.connection is not None:
                yield from _lands(step.place, step.connection, step.object, offers, mappings)
    for rule in rules.rules:
        for action in rule.actions:
            connection, object = action.values.get("connection"), action.values.get("object")
            if action.name == "create_task" and isinstance(connection, str):
                wanted = object if isinstance(object, str) else None
                if object is None or wanted is not None:  # a template shows when it runs
                    yield from _lands(action.place, connection, wanted, offers, mappings)
    yield from _cannot_delete(offers, mappings)
    mapped = {name for name, _ in mappings}
    for name, spec in connections.items():
        known = offers[name]
        if name not in mapped and known and "message" not in known:
            yield (
                spec.place,
                f"nothing of '{name}' is mapped, so nothing of it comes in.",
                f"Add a file under mappings/ with connection: {name} and"
                f" object: {' or '.join(known)}.",
            )


def _cannot_delete(offers: Offers, mappings: Mappings) -> Iterator[Misfit]:
    """Mappings that want deleted there what nothing can delete there."""
    for (connection, object), mapping in mappings.items():
        offered = offers.get(connection, {}).get(object)
        if mapping.spec.deletes_out != "delete" or offered is None or "delete" in offered.push:
            continue
        yield (
            mapping.spec.place_of("deletes"),
            f"'{connection}' cannot delete a {object}: what is deleted here stays there.",
            "Leave 'out: delete' out.",
        )


def _lands(
    place: Place, connection: str, object: str | None, offers: Offers, mappings: Mappings
) -> Iterator[Misfit]:
    """Nothing, if a task lands in exactly one object of the connection."""
    found = taken_as("task", connection, offers, mappings)
    if not found:
        yield (
            place,
            f"'{connection}' takes no tasks: no mapping of it writes them.",
            "Name another connection, or add a mapping with entity: task and direction: both.",
        )
    elif object is None and len(found) > 1:
        yield (
            place,
            f"'{connection}' takes tasks as {' and as '.join(found)}.",
            f"Say which one: object: {found[0]}",
        )
    elif object is not None and object not in found:
        yield (
            place,
            f"'{connection}' takes no tasks as '{object}'.",
            did_you_mean(object, found) or f"It takes them as {' or '.join(found)}.",
        )
