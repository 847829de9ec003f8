"""A person settles whether two are one: merged, or kept apart for ever."""

from __future__ import annotations

from typing import Any

from hub.flow.merging import merge_entities
from hub.process.answers import Refused
from hub.process.conflicts import Choice
from hub.store import sameness
from hub.unit import Unit

Row = dict[str, Any]

SEPARATE = "separate"


def same_or_not(unit: Unit, row: Row, choice: Choice | None) -> Row:
    """What a person says of a possible duplicate is carried out: merged, or kept apart for ever."""
    data = row["data"]
    known = {str(one["id"]): one for one in data.get("candidates", ())}
    if choice is None or choice.choose not in (*known, SEPARATE):
        told = ", ".join(f"{id} ('{one['title']}')" for id, one in known.items())
        raise Refused(
            "choice_required",
            f'Say which it is: {{"choose": ID}} merges it into one of {told};'
            f' {{"choose": "{SEPARATE}"}} keeps them apart for ever.',
            422,
        )
    if choice.choose == SEPARATE:
        keep_apart(unit, row)
        return {"choose": SEPARATE}
    chosen = str(choice.choose)
    try:
        merge_entities(unit, str(data["kind"]), str(data["entity"]), chosen)
    except LookupError as error:
        raise Refused("subject_gone", f"{error} Waive this.") from error
    return {"choose": chosen, "merged": data["entity"]}


def keep_apart(unit: Unit, row: Row) -> None:
    data = row["data"]
    record = (data["connection"], data["object"], data["external_id"])
    others = [str(one["id"]) for one in data.get("candidates", ())]
    sameness.part(unit.tx, record, others, unit.now)
