"""Where the fields of a mapping go, in a write and here: no two may go to one place, for the later
would silently undo the earlier.
"""

from __future__ import annotations

from collections.abc import Iterator

from mappings.custom import is_custom, related
from mappings.fields import written_path
from mappings.paths import Step
from mappings.source import Finding
from mappings.spec import FieldSpec, MappingSpec


def check_targets(spec: MappingSpec) -> Iterator[Finding]:
    """A finding at the later of two fields that write the same place, or one inside the other's.
    Only for a mapping whose fields are in order.
    """
    taken: dict[tuple[Step, ...], FieldSpec] = {}
    for field in spec.fields.values():
        path = written_path(spec, field)
        if path is None:
            continue
        place = path.steps if path.steps is not None else (path.projection or ((), ()))[0]
        for other, first in taken.items():
            shared = min(len(other), len(place))
            if other[:shared] != place[:shared]:
                continue
            how = "the same place" if len(other) == len(place) else "places within each other"
            yield spec.finding(
                field.to.place if field.to else field.sources[0].place,
                f"'{field.name}' and '{first.name}' (line {first.place.line}) write {how}: "
                f"{path.text}.",
                "Give one of them direction: in, or another 'to'.",
            )
            break
        taken.setdefault(place, field)


def check_custom(spec: MappingSpec) -> Iterator[Finding]:
    """A finding at the later of two `custom` fields of which one is inside the other."""
    own = [one for one in spec.fields.values() if not one.removed and is_custom(one.name)]
    for number, field in enumerate(own):
        for first in own[:number]:
            if related(field.name, first.name):
                yield spec.finding(
                    field.place,
                    f"'{field.name}' and '{first.name}' (line {first.place.line}) stand within "
                    "each other.",
                    "Rename one of them.",
                )
                break
