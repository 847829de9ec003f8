"""The values that pass between the hub and a connector. All frozen, all plain data.

A connector speaks only in these: it never sees the canonical model, the store or the mapping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict of the same."""

Cursor = Mapping[str, Json]
"""Where a pull stopped. Opaque to the hub, JSON, written by the connector; `{}` means from the
beginning.
"""


@dataclass(frozen=True, slots=True)
class Record:
    """The state of one remote thing, as the vendor sent it.

    `id` never changes and is unique within (connection, object). `address` is what the API wants in
    a path.
    `version` orders two states of the same record if the vendor allows it (compared as text by the
    hub;
    use an ISO time or a zero-padded number). `actor` is the vendor's name for whoever made the last
    change.
    """

    object: str
    id: str
    data: Mapping[str, Json]
    address: Mapping[str, Json] = field(default_factory=dict)
    version: str | None = None
    updated_at: datetime | None = None
    url: str | None = None
    deleted: bool = False
    parent: str | None = None
    actor: str | None = None
    key: str | None = None
    """Our idempotency key, where the record carries the one its create left in it."""
    former: Sequence[str] = ()
    """Ids that this record had before, where the vendor tells: it was moved, or others were merged
    into it. The hub's link goes along.
    """


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, oldest change first, and the cursor that continues after them.

    `total` is how many records of the object there are in all, changed or not, as far as the vendor
    tells cheaply; None where it does not, or where it told on a page before. For progress only: it
    may be a little off.
    """

    records: Sequence[Record]
    cursor: Cursor
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One field that this account really has, as `discover` reports it."""

    name: str
    type: Literal[
        "text", "number", "boolean", "date", "datetime", "choice", "list", "user", "object"
    ]
    label: str = ""
    choices: Sequence[str] = ()
    required: bool = False
    writable: bool = True
    known: Literal["declared", "named", "seen"] = "declared"
    """How sure this is. `declared`: the vendor says name and type. `named`: the name stands there
    (a header), the type was read off its values. `seen`: both were read off some records.
    """


@dataclass(frozen=True, slots=True)
class Change:
    """One intended write.

    `fields` are vendor fields and values as the mapping produced them, only those that changed on
    an update.
    `base` is the record's data as the hub last saw it. `key` is our idempotency key: the same for
    every
    attempt of the same effect; a create stores it at the vendor where there is a place for it.
    """

    op: Literal["create", "update", "delete"]
    object: str
    key: str
    fields: Mapping[str, Json]
    id: str | None = None
    address: Mapping[str, Json] = field(default_factory=dict)
    parent: str | None = None
    base: Mapping[str, Json] | None = None
    version: str | None = None
    created_at: datetime | None = None
    """When the hub first intended the write: how far back `find` has to look."""


class Outcome(StrEnum):
    """How one change ended. `unknown`: the effect may have happened; it is looked up, never blindly
    repeated.
    """

    OK = "ok"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    MISSING = "missing"
    RETRY = "retry"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one change. `record` is what the vendor says it now holds; `code` is that of
    the error, where it has one.
    """

    outcome: Outcome
    record: Record | None = None
    message: str = ""
    field_errors: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook request as it arrived. Header names are lower case; `url` is the public URL that
    was called.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer that the vendor insists on. `secret`: a signing secret the handshake handed
    over, to store.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """A delivery named these records without their content: read them."""

    object: str
    ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class PullHint:
    """A delivery said only that something of this object changed: pull it."""

    object: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A person answered through this tool (a mail reply, a chat button).

    `token` identifies what was asked if the answer carries it; `automatic` marks out-of-office
    replies and the
    like, which are never treated as an answer.
    """

    token: str | None
    sender: str
    text: str
    choice: str | None = None
    automatic: bool = False


Parsed = Record | Fetch | PullHint | Answer


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook registration at the vendor."""

    id: str
    expires_at: datetime | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """What a connector can do with one kind of remote thing. The conformance kit holds it to this.

    `deletes`: how a removed record shows. `echo` says that our own writes come back through pull or
    webhook.
    `find`: whether a lost create can be looked up by its key; `conclusive` says that not finding it
    proves that
    it did not happen. `keyed`: repeating a push with the same key has one effect, so it needs no
    lookup.
    `whole`: a pull of everything shows all there are. False: it leaves some out that are there (a
    list of open ones), so that missing from it says nothing. `anywhere`: `fetch` finds a record
    wherever it is. False: only where a pull looks (a sheet), so that it says nothing more.
    """

    title: str
    pull: bool = False
    fetch: bool = False
    push: frozenset[Literal["create", "update", "delete"]] = frozenset()
    webhook: bool = False
    find: bool = False
    conclusive: bool = False
    keyed: bool = False
    deletes: Literal["reported", "swept", "unseen"] = "unseen"
    whole: bool = True
    anywhere: bool = True
    batch: int = 1
    parent: str | None = None
