"""Who a record is, for connectors that cannot know: a path that is there and different in every
record, one that says when it changed, and the address of its page.
"""

from __future__ import annotations

from mappings.source import Place
from mappings.spec import IdentitySpec, Located
from mappings.suggest.names import plain_words
from mappings.suggest.values import TIMES, Sample, Spot

_KEYS = (("id",), ("uuid",), ("key",), ("number",), ("no",), ("nr",), ("nummer",), ("gid",),
         ("sys", "id"), ("external", "id"), ("ref",), ("reference",), ("code",))  # fmt: skip
_CHANGED = frozenset({"updated", "modified", "changed", "geandert", "version", "modifie"})
_PAGES = (("url",), ("html", "url"), ("link",), ("permalink",), ("web", "url"),
          ("permalink", "url"))  # fmt: skip


def guess_identity(sample: Sample) -> IdentitySpec | None:
    """Key, version and page of a record; None where no path can be its key."""
    where = Place("draft")
    tops = [spot for spot in sample.spots.values() if not spot.listed and len(spot.members) <= 2]
    keys = [(rank, spot) for spot in tops if (rank := _as_key(spot, sample)) is not None]
    if not keys:
        return None
    key = min(keys, key=lambda pair: (len(pair[1].members), pair[0], pair[1].path))[1]
    changed = [spot for spot in tops if _as_version(spot)]
    pages = [spot for spot in tops if _as_page(spot)]
    return IdentitySpec(
        where,
        Located(key.path, where),
        Located(changed[0].path, where) if changed else None,
        Located(pages[0].path, where) if pages else None,
    )


def _as_key(spot: Spot, sample: Sample) -> int | None:
    """How early a path comes as a key; None if it cannot be one."""
    words = plain_words(spot.members[-1])
    own = plain_words(sample.object)
    bare = tuple(word for word in words if word not in own) or words
    if bare not in _KEYS:
        return None
    values = spot.seen()
    unique = len(values) + (1 if spot.varied else 0) >= min(spot.records, len(values) + 1)
    if spot.filled != spot.records or (spot.records and not unique):
        return None
    if any(count > 1 for count in spot.distinct.values()) or spot.kind_share("bool", "object"):
        return None
    return _KEYS.index(bare)


def _as_version(spot: Spot) -> bool:
    words = set(plain_words(spot.members[-1]))
    told = spot.filled == spot.records and (spot.share(*TIMES) > 0.9 or "version" in words)
    return bool(words & _CHANGED) and told and bool(spot.kinds)


def _as_page(spot: Spot) -> bool:
    return plain_words(spot.members[-1]) in _PAGES and spot.share("url") > 0.9
