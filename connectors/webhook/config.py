"""What a webhook connection may say in hub.yaml: how deliveries prove themselves, and what they
speak of.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connectors.sdk import ConnectionConfig
from connectors.sdk.schemes import SCHEMES
from connectors.sdk.signing import SchemeName, SigningWords, described
from connectors.webhook.paths import check_link, condition_of, header_in, path_of

if TYPE_CHECKING:
    Scheme = str
else:
    Scheme = Literal[(*SCHEMES, "cloudevents")]
REQUIRED = ("id", "source", "specversion", "type")
"""Attributes that every CloudEvent has."""

_SECRET = re.compile(r"authorization|cookie|token|secret|passw|api-?_?key|credential|session", re.I)


def _path(text: str) -> str:
    path_of(text)
    return text


def _place(text: str) -> str:
    name = header_in(text)
    if name and _SECRET.search(name):
        raise ValueError(f"the header {name} sounds like a secret and is never stored; use another")
    return text


def _condition(text: str) -> str:
    condition_of(text)
    return text


def _link(text: str) -> str:
    check_link(text)
    return text


PathText = Annotated[str, AfterValidator(_path)]
PlaceText = Annotated[str, AfterValidator(_place)]
ConditionText = Annotated[str, AfterValidator(_condition)]
LinkText = Annotated[str, AfterValidator(_link)]


class ObjectWords(BaseModel):
    """One kind of thing that deliveries speak of. Paths are from the record, except `records`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str | None = Field(None, description="What people call it. Default: its name.")
    events: list[str] = Field(
        ["*"], description="Types of event that bring it; a trailing * is allowed.", min_length=1
    )
    records: PathText = Field(
        "$", description="Where the record, or the list of records, stands in the event."
    )
    id: PathText = Field(description="What names the record for good, from the record on.")
    version: PathText | None = Field(
        None, description="What orders two states of it: a counter, or a time with its zone."
    )
    updated_at: PathText | None = Field(
        None, description="When it last changed. Default: the version, where that is a time."
    )
    url: LinkText | None = Field(
        None,
        description="Its address for people: a path, or a text such as "
        "https://shop.example/orders/{$.id}.",
    )
    parent: PathText | None = Field(None, description="The id of the record that it hangs on.")
    parent_object: str | None = Field(None, description="The object of that record.")
    actor: PathText | None = Field(None, description="Who made the change, in the tool's words.")
    deleted_events: list[str] = Field(
        default_factory=list,
        description="Types of event that say it is gone; a trailing * is allowed.",
    )
    deleted_when: ConditionText | None = Field(
        None, description="Condition on the record that says it is gone: $.status == 'deleted'."
    )

    @model_validator(mode="after")
    def _hangs_on_something(self) -> Self:
        if (self.parent is None) != (self.parent_object is None):
            raise ValueError("`parent` and `parent_object` belong together")
        return self


class WebhookConnection(SigningWords, ConnectionConfig):
    """A system that only sends. Its secret, password or token stands under `webhook`."""

    # an invalid value may be a secret in the wrong place: name the key, never show the value
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    scheme: Scheme = Field(
        "token",
        description="How a delivery proves itself and what it looks like: as one of the vendors "
        "does; hmac, basic, token for any other; cloudevents is a form (see `proof`). With "
        "webhook.secret it must be said.",
        json_schema_extra=described(("cloudevents", "CloudEvents 1.0; `proof` says the rest.")),
    )
    proof: SchemeName = Field(
        "token", description="How CloudEvents prove themselves; they cannot sign."
    )
    objects: dict[str, ObjectWords] = Field(
        description="The kinds of thing that deliveries speak of, by name.", min_length=1
    )
    event: PlaceText | None = Field(
        None,
        description="Where the type of event stands: $.type or header:X-Event. Default: as the "
        "scheme has it.",
    )
    delivery: PlaceText | None = Field(
        None,
        description="Where the delivery's own id stands: $.id or header:X-Delivery. Default: as "
        "the scheme has it, else a hash of the body.",
    )
    window: int = Field(
        600,
        description="Equal bodies without an id count as one delivery while they come in the same "
        "slot of so many seconds; slots are fixed (600: 09:00 to 09:10, then to 09:20). 0: never.",
        ge=0,
        le=86400,
    )
    ignore: list[str] = Field(
        default_factory=list,
        description="Types of event that are of no interest; a trailing * is allowed. Any other "
        "that no object names is kept aside for a person.",
    )
    unsigned_headers: bool = Field(
        False,
        description="Believe headers that the signature does not cover: whoever can repeat a "
        "delivery can change them.",
    )

    # basic ---------------------------------------------------------------------------------------
    user: str = Field("", description="Name for basic; the password is webhook.secret.")

    # cloudevents ---------------------------------------------------------------------------------
    origins: list[str] = Field(
        default_factory=list,
        description="Senders whose OPTIONS handshake is answered: eventemitter.example.com.",
    )
    rate: int = Field(
        120, description="Requests per minute that the handshake allows a sender.", ge=1
    )

    @property
    def proven_by(self) -> str:
        """The scheme that proves a delivery, whatever its form."""
        return self.proof if self.scheme == "cloudevents" else self.scheme

    def trusts(self, header: str) -> bool:
        """Whether the proof stands or falls with this header (lower case)."""
        return self.covers(self.proven_by, header)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if "scheme" not in self.model_fields_set and self.webhook.secret:
            raise ValueError(
                "`scheme` is missing: say how the sender proves itself with webhook.secret (hmac, "
                "token, basic or a vendor's: hub connector docs webhook)"
            )
        if "proof" in self.model_fields_set and self.scheme != "cloudevents":
            raise ValueError(
                "`proof` is for scheme: cloudevents; elsewhere the scheme is the proof"
            )
        self.check_words(self.proven_by)
        if self.proven_by == "basic" and (not self.user or ":" in self.user):
            raise ValueError("basic needs `user`, a name without a colon")
        event = header_in(self.event)
        if event and not self.unsigned_headers and not self.trusts(event):
            raise ValueError(
                f"the signature does not cover the header {event}, so whoever repeats a delivery "
                f"can change it: add {{header:{event}}} to `base` if the sender signs it, take the "
                "type from the body, or, knowing this, write unsigned_headers: true"
            )
        typed = [name for name, words in self.objects.items() if words.events != ["*"]]
        known = self.scheme == "cloudevents" or SCHEMES[self.scheme].event
        if self.event is None and not known and typed:
            raise ValueError(
                f"`event` is missing: objects.{typed[0]} asks for types, so say where they stand"
            )
        for name, words in self.objects.items():
            if words.parent_object and words.parent_object not in self.objects:
                raise ValueError(f"objects.{name}: there is no object '{words.parent_object}'")
        return self
