"""The words for one kind of remote thing: how it is listed, read, written, and told apart."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from connectors.rest.templates import checked, compile_template
from connectors.rest.times import Format
from connectors.rest.words import ConditionText, PathText, TargetText, TemplateText, Words, ZoneText


class Paging(Words):
    """How a list goes on after its first page."""

    kind: Literal["none", "page", "offset", "cursor", "link", "next_url"] = Field(
        description="none: everything at once. page: numbered pages. offset: skips records. "
        "cursor: the answer hands over a token. link: a Link header. next_url: an address in the "
        "answer."
    )
    parameter: str | None = Field(
        None, description="Parameter of the page number, offset or cursor. Default: the kind."
    )
    first: int = Field(1, description="Number of the first page.", ge=0, le=1)
    size: int | None = Field(
        None, description="Records per page to ask for, at most what the vendor allows.", ge=1
    )
    size_parameter: str | None = Field(None, description="Parameter that takes the size.")
    next: PathText | None = Field(
        None, description="Where the next cursor or address stands in the answer."
    )
    last: PathText | None = Field(
        None,
        description="For cursors that are a record: where in the last record of the page the "
        "cursor stands.",
    )
    more: ConditionText | None = Field(
        None, description="Condition on the answer under which there is a further page."
    )
    total: PathText | None = Field(
        None, description="Where the answer says how many records there are in all."
    )
    stable: bool = Field(
        False,
        description="The vendor's cursor holds the list still while it is read: links are "
        "followed to the end instead of asking anew from the newest time.",
    )
    keep: bool = Field(
        False,
        description="The cursor is for ever: the last one is kept, and the next pull goes on "
        "from it (feeds of changes).",
    )
    expired: list[int] = Field(
        default_factory=list,
        description="Statuses that say a kept cursor is no longer known; the list is then read "
        "from its beginning.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "cursor" and not (self.next or self.last):
            raise ValueError("paging by cursor needs `next` (where the next cursor stands)")
        if self.kind == "next_url" and not self.next:
            raise ValueError("paging by next_url needs `next` (where the next address stands)")
        if self.last and not (self.more or self.size):
            raise ValueError("`last` needs `more` or `size` beside it, to see where the list ends")
        if self.keep and (self.kind != "cursor" or not self.next):
            raise ValueError("`keep` is for paging by cursor with `next`")
        if self.size and self.kind in ("page", "offset") and not self.size_parameter:
            raise ValueError("`size` needs `size_parameter`, the parameter that takes it")
        return self


class Since(Words):
    """How to ask only for what changed."""

    parameter: str | None = Field(
        None,
        description="Parameter that takes the time. Without one, write {since} into query or body.",
    )
    format: Format = Field(
        "iso",
        description="iso: 2026-03-01T10:00:00Z. iso_ms: with milliseconds. epoch: seconds. "
        "epoch_ms. datetime: 2026-03-01 10:00:00. minute: 2026-03-01 10:00. date: 2026-03-01.",
    )
    template: TemplateText = Field(
        "{since}", description='Text around the time, such as ">={since}".'
    )
    zone: ZoneText = Field("UTC", description="Zone of datetime, minute and date: Europe/Zurich.")
    exclusive: bool = Field(
        False, description="The vendor gives only what is later than the time, not equal to it."
    )
    overlap: int = Field(
        0,
        description="Seconds to look back at the beginning of a pull, for lists that lag.",
        ge=0,
        le=86_400,
    )
    start: str | None = Field(
        None,
        description="Time of the first pull, for vendors that otherwise leave out older records.",
        pattern=r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?$",
    )

    @field_validator("template")
    @classmethod
    def _has_since(cls, value: str) -> str:
        if compile_template(value).names != {"since"}:
            raise ValueError('needs the gap {since} and no other, as in ">={since}"')
        return value


class Request(Words):
    """One request of the description."""

    path: TargetText = Field(description="Path below base_url, such as /issues/{id}.")
    query: Annotated[dict[str, str | int | bool], AfterValidator(checked)] = Field(
        default_factory=dict, description="Parameters; texts may have gaps."
    )


class Listing(Request):
    """How the records are listed."""

    method: Literal["GET", "POST"] = Field("GET", description="POST for searches.")
    body: Annotated[dict[str, Any] | None, AfterValidator(checked)] = Field(
        None, description="JSON body of a search; texts may have gaps, {since} among them."
    )
    send: Literal["query", "body"] = Field(
        "query", description="Where the parameters of paging and since go."
    )
    records: PathText = Field(
        "$", description="Where the list stands in the answer; $ is the answer itself."
    )
    paging: Paging = Field(
        default_factory=lambda: Paging(kind="none"), description="How the list goes on."
    )
    start: dict[str, str | int] = Field(
        default_factory=dict, description="Parameters of the first request of a feed only."
    )
    since: Since | None = Field(None, description="How to ask only for what changed.")
    sorted: bool = Field(
        True,
        description="The list comes oldest change first (ask for that in `query`). false: a pull "
        "only counts once it came to its end.",
    )
    whole: bool | None = Field(
        None,
        description="Whether the list holds all there are. Where it does not (open ones only), "
        "what is not on it is not taken for deleted: it is read by `get`, or a person is asked. "
        "Left out: yes, unless `query` or `body` fixes more than order, size and shape.",
    )
    for_each: str | None = Field(
        None,
        description="For records that can only be listed below another one: that object. It is "
        "pulled, and this list read for every changed one as {parent.id}, {parent.address.…}.",
    )

    @property
    def shows_all(self) -> bool:
        """Whether what is not on the list may be gone."""
        if self.whole is not None:
            return self.whole
        fixed = {**self.query, **(self.body or {})}
        return all(_says_how(name, value) for name, value in fixed.items())


_HOW = re.compile(
    r"^(sort|order)|(^|_)dir(ection)?$|(size|limit|per_?page|count)$|^(page|offset|cursor|start_?at)$"
    r"|^(fields?|columns|select|include|expand|embed|with)(_|$)"
    r"|^(format|(api_?)?version|locale|lang(uage)?)$",
    re.IGNORECASE,
)
_ALL = frozenset({"", "*", "all", "any", "true"})


def _says_how(name: str, value: Any) -> bool:
    """Whether a parameter of a list says how it is to look, rather than what is to be on it."""
    gaps = compile_template(value).names if isinstance(value, str) else set()
    return bool(_HOW.search(name) or "since" in gaps or str(value).lower() in _ALL)


class Batch(Request):
    """Several records by id in one request."""

    separator: str = Field(",", description="What stands between the ids in {ids}.")
    size: int = Field(100, description="How many ids a request may name.", ge=1, le=1000)
    records: PathText = Field("$", description="Where the list stands in the answer.")


class Getting(Request):
    """How one record is read."""

    record: PathText = Field("$", description="Where the record stands in the answer.")
    batch: Batch | None = Field(None, description="How several are read at once.")


class Writing(Request):
    """How a record is created, changed or deleted."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"] | None = Field(
        None, description="Default: POST to create, PATCH to update, DELETE to delete."
    )
    wrap: str | None = Field(
        None, description="The member the fields go into: `issue` sends {issue: {…}}."
    )
    fields: Annotated[dict[str, Any], AfterValidator(checked)] = Field(
        default_factory=dict, description="Fields that are always sent; texts may have gaps."
    )
    form: bool = Field(False, description="Send a form instead of JSON.")
    headers: dict[str, TemplateText] = Field(
        default_factory=dict,
        description='Further headers, such as Idempotency-Key: "{key}".',
    )
    answer: PathText | None = Field(
        None, description="Where the written record stands in the answer, if it is there."
    )
    answer_id: PathText | None = Field(
        None, description="Where its id stands, for answers that hold no more."
    )
    read_back: bool = Field(
        False,
        description="Read the record after writing: for vendors that accept what they then "
        "ignore. Always done where the answer does not hold the record.",
    )
    look_first: bool | None = Field(
        None,
        description="Read the record before an update and refuse to overwrite what somebody "
        "changed since we saw it. Default: wherever it can be read and no `version` is sent.",
    )
    version_header: str | None = Field(
        None, description="Header that takes the version we saw (If-Match)."
    )
    version_field: str | None = Field(
        None, description="Field that takes the version we saw (lock_version)."
    )


class Key(Words):
    """Where our idempotency key is kept at the vendor."""

    field: PathText | None = Field(
        None,
        description="Field that a create fills with the key, such as external_id. Without `find` "
        "the list is searched for it.",
    )
    find: Listing | None = Field(
        None, description="Request that lists what carries {key}; the field is compared again."
    )
    conclusive: bool = Field(
        False, description="Not finding it proves that it was never created (no lag, no index)."
    )
    idempotent: bool = Field(
        False,
        description="The vendor itself carries out a create only once per key (say where the key "
        "goes: `field`, or {key} in a header of `create`).",
    )


class FieldWords(Words):
    """One field, for objects whose fields are not to be read off a sample."""

    name: str = Field(description="Name as mappings use it, with dots: custom.amount.")
    type: Literal[
        "text", "number", "boolean", "date", "datetime", "choice", "list", "user", "object"
    ] = Field("text", description="What it holds.")
    label: str = Field("", description="What people call it.")
    choices: list[str] = Field(default_factory=list, description="The values it may have.")
    required: bool = Field(False, description="Whether a create needs it.")
    writable: bool = Field(True, description="Whether it can be written.")


class ObjectWords(Words):
    """One kind of remote thing."""

    title: str = Field("", description="What people call one of them.")
    id: PathText = Field("id", description="Where the id stands in a record; it never changes.")
    version: PathText | None = Field(
        None,
        description="Where a number or time stands that grows with every change. Default: "
        "updated_at.",
    )
    updated_at: PathText | None = Field(
        None, description="Where the time of the last change stands. Needed for `since`."
    )
    zone: ZoneText = Field("UTC", description="Zone of times that do not name one.")
    url: TemplateText | None = Field(
        None,
        description="Address for people, such as https://acme.example/t/{id}; {base_url} and "
        "{record.…} are known too.",
    )
    parent: PathText | None = Field(
        None, description="Where the id of the record stands that this one hangs on."
    )
    parent_object: str | None = Field(None, description="Which object the parent is.")
    actor: PathText | None = Field(
        None, description="Where the person stands who made the last change."
    )
    deleted: ConditionText | None = Field(
        None, description="Condition under which a listed record is deleted: $.status == 'deleted'."
    )
    address: dict[str, PathText] = Field(
        default_factory=dict,
        description="What paths need beside the id, as {address.NAME}: where it stands in a "
        "record.",
    )
    list: Listing | None = Field(None, description="How the records are listed.")
    get: Getting | None = Field(None, description="How one record is read.")
    create: Writing | None = Field(None, description="How a record is created.")
    update: Writing | None = Field(None, description="How a record is changed.")
    delete: Writing | None = Field(None, description="How a record is deleted.")
    key: Key | None = Field(None, description="Where our idempotency key is kept.")
    fields: tuple[FieldWords, ...] = Field(
        (), description="The fields, where they are not to be read off a sample page."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not (self.list or self.get or self.create or self.update):
            raise ValueError("says neither how to list nor how to write: add `list` or `create`")
        if self.list and self.list.since and not self.updated_at and not self.list.for_each:
            raise ValueError("`since` needs `updated_at`: where the time of a change stands")
        if self.list and self.list.paging.keep and self.list.since:
            raise ValueError("a feed that keeps its cursor needs no `since`; use `start`")
        if self.key and self.key.field is None and self.key.find is not None:
            raise ValueError("`key.find` needs `key.field`: what was found is compared with it")
        for written in (self.create, self.update):
            kept = written and (written.answer or written.answer_id or self.get)
            if written and not kept:
                raise ValueError(
                    "what was written cannot be seen: say where the record stands in the "
                    "`answer`, or how to `get` it"
                )
        return self
