"""The description of a service as a whole: what one YAML file says about any JSON API."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, Self

import orjson
from limits import parse
from pydantic import Field, field_validator, model_validator

from connectors.rest.hooks import WebhookWords
from connectors.rest.objects import ObjectWords
from connectors.rest.words import ConditionText, PathText, TargetText, TemplateText, Words
from connectors.sdk.records import Json

Means = Literal["config", "auth", "retry", "rate_limit", "rejected", "missing", "conflict"]


class AuthWords(Words):
    """How requests prove who sends them. The secrets themselves stand under `auth` of the
    connection.
    """

    type: Literal["none", "header", "query", "basic", "bearer", "oauth2"] = Field(
        "none",
        description="header, query: a key (auth.key). basic: auth.username and auth.password, or "
        "auth.key. bearer: auth.token. oauth2: by `grant`.",
    )
    name: str | None = Field(
        None, description="Header or parameter that takes the key, such as X-Api-Key."
    )
    prefix: str = Field("", description="What stands before the key in the header.")
    scheme: str = Field("Bearer", description="Word before a bearer token.")
    filler: str | None = Field(
        None,
        description="For basic with auth.key as the name: the constant text that stands in place "
        "of a password, such as X.",
    )
    grant: Literal["client_credentials", "refresh_token", "authorization_code", "jwt_bearer"] = (
        Field("client_credentials", description="How OAuth 2 comes to its first token.")
    )
    token_url: str | None = Field(
        None, description="Where tokens come from; a path is below base_url."
    )
    authorize_url: str | None = Field(
        None, description="Where a person agrees; a path is below base_url."
    )
    scope: str | None = Field(None, description="Scopes to ask for, with blanks between.")
    audience: str | None = Field(
        None, description="Who a signed statement is for. Default: token_url."
    )
    algorithm: Literal["RS256", "RS384", "RS512", "ES256", "PS256"] = Field(
        "RS256", description="How the statement is signed."
    )
    client_auth: Literal["client_secret_basic", "client_secret_post", "none"] | None = Field(
        None, description="How the client proves itself to token_url."
    )
    extra: dict[str, str] = Field(
        default_factory=dict, description="Further parameters of authorize_url."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.type in ("header", "query") and not self.name:
            raise ValueError(f"auth by {self.type} needs `name`, such as X-Api-Key")
        if self.type == "oauth2" and not self.token_url:
            raise ValueError("oauth2 needs `token_url`")
        if self.type == "oauth2" and self.grant == "authorization_code" and not self.authorize_url:
            raise ValueError("the grant authorization_code needs `authorize_url`")
        return self


class ErrorWords(Words):
    """How failures are told and what they mean."""

    status: dict[int, Means] = Field(
        default_factory=dict,
        description="Statuses that mean something else here than usual: {423: conflict}.",
    )
    when: ConditionText | None = Field(
        None, description="Condition on a successful answer that is none: $.ok == false."
    )
    code: PathText | None = Field(
        None, description="Where a code or word stands that says what went wrong."
    )
    codes: dict[str, Means] = Field(
        default_factory=dict, description="What the codes mean: {ratelimited: rate_limit}."
    )
    message: PathText | None = Field(
        None, description="Where the vendor's sentence stands; shown to people, cut at 200 letters."
    )
    fields: PathText | None = Field(
        None,
        description="Where refused fields stand: a mapping of field to reason, a list of "
        "mappings, or a list of texts.",
    )
    field: str = Field("field", description="In a list of mappings: the member with the field.")
    reason: str = Field("message", description="In a list of mappings: that with the reason.")


class Service(Words):
    """A JSON API: how to sign in, what there is, how to read and write it, what it sends."""

    title: str = Field("", description="What people call the service.")
    base_url: TemplateText | None = Field(
        None,
        description="Where the API lives unless the connection says so; may hold {values.NAME}.",
    )
    auth: AuthWords = Field(
        default_factory=lambda: AuthWords(), description="How requests prove who sends them."
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Headers of every request; no secrets."
    )
    check: TargetText | None = Field(
        None,
        description="Path that answers 2xx when the credentials are good. Default: the first list.",
    )
    objects: dict[str, ObjectWords] = Field(
        min_length=1, description="The kinds of remote things, by name."
    )
    errors: ErrorWords = Field(
        default_factory=lambda: ErrorWords(), description="How failures are told."
    )
    rates: dict[Literal["read", "write", "all"], str] = Field(
        default_factory=dict, description="The vendor's limits: {read: 5/second, write: 80/minute}."
    )
    webhook: WebhookWords | None = Field(None, description="What the vendor sends.")

    @field_validator("rates")
    @classmethod
    def _rates(cls, rates: dict[str, str]) -> dict[str, str]:
        for name, rate in rates.items():
            try:
                parse(rate)
            except ValueError:
                raise ValueError(
                    f"'{rate}' for {name} is no rate; write 5/second or 80/minute"
                ) from None
        return rates

    @model_validator(mode="after")
    def _named(self) -> Self:
        known = ", ".join(self.objects)
        for name, each in self.objects.items():
            for key, other in (
                ("parent_object", each.parent_object),
                ("list.for_each", each.list.for_each if each.list else None),
            ):
                if other is not None and other not in self.objects:
                    raise ValueError(
                        f"objects.{name}.{key}: there is no object '{other}'; there are {known}"
                    )
            if each.list and each.list.for_each:
                above = self.objects[each.list.for_each].list
                if above is None or above.for_each:
                    raise ValueError(
                        f"objects.{name}.list.for_each: '{each.list.for_each}' cannot be listed "
                        "by itself"
                    )
        for kind, event in (self.webhook.events if self.webhook else {}).items():
            if not event.ignore and event.object not in self.objects:
                raise ValueError(
                    f"webhook.events.{kind}: there is no object '{event.object}'; there are {known}"
                )
            if not event.ignore and not event.record and event.id and not event.deleted:
                object = self.objects[event.object]
                if object.get is None:
                    raise ValueError(
                        f"webhook.events.{kind} tells only ids, so objects.{event.object} needs "
                        "`get` to read them"
                    )
        return self


def read_service(written: Json) -> Service:
    """A description that was read before is not read again. Raises pydantic's ValidationError."""
    return _read(orjson.dumps(written, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS))


@lru_cache(maxsize=256)
def _read(written: bytes) -> Service:
    return Service.model_validate(orjson.loads(written))
