"""The words for a vendor's webhooks: how they prove themselves, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from connectors.rest.words import ConditionText, PathText, Words
from connectors.sdk.schemes import SCHEMES
from connectors.sdk.signing import SigningWords, described

if TYPE_CHECKING:
    Scheme = str
else:
    Scheme = Literal[(*SCHEMES, "none")]


class EventWords(Words):
    """What one kind of event means."""

    object: str = Field("", description="The object it is about.")
    ignore: bool = Field(False, description="Knowingly of no interest.")
    record: PathText | None = Field(
        None, description="Where the whole record stands in the delivery, as the list shows it."
    )
    id: PathText | None = Field(
        None, description="Where the id stands, for deliveries that hold no more: it is then read."
    )
    deleted: bool = Field(False, description="The record is gone.")
    pull: bool = Field(False, description="It says only that something changed: pull the object.")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"const": "ignore"}, handler.resolve_ref_schema(handler(core))]}

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"ignore": True} if value == "ignore" else value

    @model_validator(mode="after")
    def _tells(self) -> Self:
        if self.ignore:
            return self
        if not self.object:
            raise ValueError("needs `object`: what it is about, or write `ignore`")
        if not (self.record or self.id or self.pull):
            raise ValueError("says nothing: add `record`, `id` or `pull: true`")
        if self.deleted and not (self.id or self.record):
            raise ValueError("a deletion needs `id`: where the id stands")
        return self


class WebhookWords(SigningWords, Words):
    """How deliveries prove themselves, and what they say."""

    scheme: Scheme = Field(
        "none",
        description="How a delivery proves itself: as one of the vendors does. hmac: with the "
        "keys below. token: a shared secret in a header. basic: name and password. none: nothing "
        "in the request itself; use webhook.token of the connection.",
        json_schema_extra=described(("none", "Only the token in the address.")),
    )
    user: str = Field("hub", description="Name for the scheme basic; webhook.secret is the rest.")
    delivery_header: str | None = Field(None, description="Header that names the delivery.")
    delivery: PathText | None = Field(
        None, description="Where the delivery's name stands in the body, if in no header."
    )
    each: PathText | None = Field(
        None, description="Where the list of events stands, for deliveries that hold several."
    )
    event_header: str | None = Field(None, description="Header that names the kind of event.")
    unsigned_headers: bool = Field(
        False,
        description="Believe an `event_header` that the signature does not cover: whoever can "
        "repeat a delivery can change it.",
    )
    event: PathText | None = Field(
        None, description="Where the kind of event stands in the body, if in no header."
    )
    events: dict[str, EventWords] = Field(
        min_length=1,
        description="Kind of event to what it means, or `ignore`; a trailing * is allowed. An "
        "event that no entry names is kept aside for a person.",
    )
    challenge: PathText | None = Field(
        None, description="Where a text stands that the vendor wants back before it sends events."
    )
    pong: ConditionText | None = Field(
        None, description="Condition on the body under which a delivery only tests the address."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.scheme != "none":
            self.check_words(self.scheme)
        if self.scheme == "token" and not self.header:
            raise ValueError("the scheme token needs `header`")
        if self.event_header and not (self.unsigned_headers or self._covers(self.event_header)):
            raise ValueError(
                "`event_header` is not covered by the signature: take the kind of event from the "
                f"body (`event`), sign it ({{header:{self.event_header}}} in `base`), or accept "
                "it with `unsigned_headers: true`"
            )
        named = self.event or self.event_header
        if not named and set(self.events) != {"*"}:
            raise ValueError('without `event` or `event_header` there is one kind: name it "*"')
        return self

    def _covers(self, header: str) -> bool:
        """Whether the proof stands or falls with this header."""
        return self.scheme == "none" or self.covers(self.scheme, header.lower())
