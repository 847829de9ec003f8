"""What a preview says of a mapping's `match`: which entity of the hub's database a record would be
linked to, if it were new.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hub.cli.named_mapping import Subject
from hub.cli.session import folder_of, opened

if TYPE_CHECKING:
    from hub.flow.would_match import WouldMatch


def matches_of(subject: Subject, records: Sequence[Mapping[str, Any]]) -> list[WouldMatch | None]:
    """What each record agrees with. Empty where the mapping has no `match`, or no database is at
    hand: a preview makes none.
    """
    from mappings.sameness import agreements_of

    stored = (folder_of() / ".hub" / "hub.db").is_file() or os.environ.get("HUB_DATABASE_URL")
    if not stored or not agreements_of(subject.compiled.spec):
        return []
    from sqlalchemy.exc import SQLAlchemyError

    from hub.cli.planning import snapshot_of_files
    from hub.flow.would_match import would_match

    try:
        with opened() as hub, snapshot_of_files(hub) as snapshot:
            spec, connection = subject.compiled.spec, subject.connection
            mapping = snapshot.mapping(connection, spec.object or "")
            if mapping is None or mapping.spec.name != spec.name:
                return []
            with hub.database.read() as tx:
                return [
                    would_match(tx, spec, connection, mapping.inward(one, snapshot, connection))
                    for one in records
                ]
    except SQLAlchemyError:
        return []  # it is not at hand


def in_words(subject: Subject, found: WouldMatch | None) -> str:
    """One line about one record."""
    spec = subject.compiled.spec
    kind, at = spec.entity or "task", spec.place_of("match")
    if found is None:
        return f"match: nothing here agrees with it, so it would become a new {kind}. ({at})"
    fields = found.agreement.told
    names = ", ".join(f"'{row['title']}' ({row['id']})" for row in found.entities[:3])
    if found.link is not None:
        return f"match: by {fields} it would be linked to the {kind} {names}. ({at})"
    more = f" and {len(found.entities) - 3} more" if len(found.entities) > 3 else ""
    return (
        f"match: it agrees in {fields} with {names}{more}; it would become a new {kind}, and a"
        f" person would be asked. ({at})"
    )


def as_json(found: WouldMatch | None) -> dict[str, Any]:
    """The same as a document; `link` is the id of the entity, if there is one."""
    return {
        "link": found.link["id"] if found and found.link else None,
        "by": list(found.agreement.fields) if found else [],
        "agrees_with": [row["id"] for row in found.entities] if found else [],
    }
