"""A first draft of a mapping, from what a tool says about its fields and from a sample of records.

Rooms: `words` (what fields and states are called), `names` (how alike two names are), `values`
(what stands at each path of the records), `enums` (value maps), `fit` (whether values can be a
field's), `match` (which path for which field), `identity`, `leftover`, `example` (a record for the
tests, without anybody's data), `draft` (the file). Pure, like all of `mappings`: nothing is read
but what is handed in, and nothing is applied.
"""

from mappings.suggest.draft import Draft, draft_mapping
from mappings.suggest.match import ACTIVE, Suggestion, guess_entity, suggest_fields
from mappings.suggest.values import FieldInfo, Sample

__all__ = [
    "ACTIVE",
    "Draft",
    "FieldInfo",
    "Sample",
    "Suggestion",
    "draft_mapping",
    "guess_entity",
    "suggest_fields",
]
