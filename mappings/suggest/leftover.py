"""The fields of a tool that no suggestion uses: candidates for `custom.*`, and what is seldom worth
one (addresses of pages, technical ids, empty fields).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mappings.spec import FieldSpec, Located
from mappings.suggest.fit import told
from mappings.suggest.match import NOWHERE, Suggestion
from mappings.suggest.names import plain_words
from mappings.suggest.values import Sample, Spot
from mappings.suggest.words import listed

MOST = 30
_PLUMBING = listed("url, uri, href, self, link, links, avatar, icon, hash, token, etag, cursor")
_HOLDERS = frozenset({"properties", "fields", "attributes"})
_KNOWN = frozenset(tuple(name.split()) for name in listed(
    "id, node id, gid, uuid, sys id, guid, created, created at, created on, created date, "
    "updated, updated at, updated on, last modified date, system modstamp, modified, modified "
    "at, date created, created time, updated time, add time, update time, sys created on, sys "
    "updated on, is deleted, deleted, createdate, hs lastmodifieddate, last modified by id, "
    "created by id"
))  # fmt: skip
_BY_WHOM = frozenset({"modified", "updated", "created", "changed"})
_TELLING = frozenset(
    (word,) for word in ("name", "key", "value", "label", "title", "email", "text", "tag")
)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A path that is not mapped; `field` None: not worth a line of its own, for the reason
    `about`.
    """

    path: str
    about: str
    field: FieldSpec | None = None


def leftovers(sample: Sample, suggested: Sequence[Suggestion]) -> list[Leftover]:
    """What is left of a sample, the likeliest candidates first, at most `MOST` of them."""
    used = {source.text for one in suggested for source in one.field.sources}
    parents = {_parent(path) for path in sample.spots}
    worth: list[tuple[float, Spot]] = []
    rest: list[Leftover] = []
    for path, spot in sample.spots.items():
        if path in used or any(path.startswith(f"{one}.") for one in used):
            continue
        reason = _not_worth(spot, path in parents)
        if reason:
            rest.append(Leftover(path, reason))
        elif not (path in parents and spot.kind_share("object") > 0.5):
            worth.append((_worth(spot), spot))
    worth.sort(key=lambda pair: -pair[0])
    names: set[str] = set()
    found = []
    for _, spot in worth[:MOST]:
        name = _free_name(spot, names)
        names.add(name)
        read_only = spot.info is not None and not spot.info.writable
        nested = [m for m in spot.members[:-1] if m.lower() not in _HOLDERS]
        field = FieldSpec(
            f"custom.{name}",
            NOWHERE,
            sources=(Located(spot.path, NOWHERE),),
            direction="in" if read_only or nested or spot.listed else None,
        )
        found.append(Leftover(spot.path, _about(spot), field))
    rest += [Leftover(spot.path, "further fields") for _, spot in worth[MOST:]]
    return [*found, *rest]


def _parent(path: str) -> str:
    for cut in (path.rfind("["), path.rfind(".")):
        if cut > 0 and cut == max(path.rfind("["), path.rfind(".")):
            return path[:cut]
    return ""


def _not_worth(spot: Spot, has_members: bool) -> str:
    words = plain_words(spot.members[-1])
    who = plain_words(spot.members[0])
    if not spot.listed and (words in _KNOWN or ({*who} & _BY_WHOM and "by" in who)):
        return "that the hub knows anyway (ids, when created and changed)"
    if not spot.kinds and spot.info is None:
        return "empty fields"
    if set(words) & _PLUMBING or spot.share("url") > 0.6:
        return "addresses of pages"
    if spot.share("uuid") > 0.6:
        return "technical ids"
    inside = [member for member in spot.members if member.lower() not in _HOLDERS]
    if len(inside) > 2 or (len(inside) == 2 and words not in _TELLING):
        return "members of objects"
    if spot.kind_share("object") > 0.5 and not has_members:
        return "objects without members"
    return ""


def _worth(spot: Spot) -> float:
    worth = spot.filled / spot.records if spot.records else 0.3
    if spot.info is not None:
        worth += 0.5 + (0.4 if spot.info.type == "choice" else 0) + 0.2 * spot.info.writable
    return worth - 0.3 * (len(spot.members) - 1)


def _free_name(spot: Spot, taken: set[str]) -> str:
    label = spot.info.label if spot.info is not None and spot.top else ""
    coded = any(letter.isdigit() for letter in spot.members[-1]) or "__c" in spot.members[-1]
    words = plain_words(label) if label and coded else ()
    if not words:
        members = [m for m in spot.members if m.lower() not in _HOLDERS] or spot.members
        words = tuple(word for member in members[-2:] for word in plain_words(member))
    name = "_".join(words)[:60] or "field"
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _about(spot: Spot) -> str:
    parts = []
    if spot.info is not None and spot.top:
        label = spot.info.label
        parts.append(f"{spot.info.type}{f' {label!r}' if label and label not in spot.path else ''}")
        if spot.info.type == "choice" and spot.info.choices:
            shown = [choice for choice in spot.info.choices if "@" not in choice][:6]
            more = "…" if len(spot.info.choices) > len(shown) else ""
            parts.append(", ".join(one[:40] for one in shown) + more)
    if spot.kinds:
        parts.append(told(spot))
    elif spot.records:
        parts.append("no value in the sample")
    return "; ".join(parts)
