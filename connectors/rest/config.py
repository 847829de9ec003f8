"""What a rest connection may say in hub.yaml: where, with which secrets, by which description."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, SecretStr, model_validator

from connectors.rest.service import Service
from connectors.rest.words import Words
from connectors.sdk import ConnectionConfig
from connectors.sdk.config import Folder

NEEDED: dict[str, tuple[str, ...]] = {
    "none": (),
    "header": ("key",),
    "query": ("key",),
    "bearer": ("token",),
    "client_credentials": ("client_id", "client_secret"),
    "refresh_token": ("client_id", "refresh_token"),
    "authorization_code": ("client_id",),
    "jwt_bearer": ("issuer", "private_key"),
}
"""By kind of auth, or by grant of OAuth 2: what must stand under `auth`."""


class Credentials(Words):
    """The secrets; which of them are needed, the description's `auth` says."""

    key: SecretStr | None = Field(None, description="API key.")
    token: SecretStr | None = Field(None, description="Bearer token.")
    username: str | None = Field(None, description="Name for basic authentication.")
    password: SecretStr | None = Field(None, description="Password for basic authentication.")
    client_id: str | None = Field(None, description="Client id of OAuth 2.")
    client_secret: SecretStr | None = Field(None, description="Client secret of OAuth 2.")
    refresh_token: SecretStr | None = Field(
        None, description="Refresh token that a person obtained before."
    )
    private_key: SecretStr | None = Field(None, description="Private key in PEM (jwt_bearer).")
    issuer: str | None = Field(None, description="Who signs the statement (jwt_bearer).")
    subject: str | None = Field(
        None, description="Whom the statement is about (jwt_bearer). Default: the issuer."
    )


class RestConfig(ConnectionConfig):
    """A service by its description."""

    # an invalid value may be a secret in the wrong place: name the key, never show the value
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    base_url: str | None = Field(
        None,
        description="Where the API lives; paths of the description are below it.",
        pattern=r"^https?://[^\s?#]+$",
    )
    auth: Credentials = Field(
        default_factory=lambda: Credentials(), description="The secrets that the service wants."
    )
    values: dict[str, str | int] = Field(
        default_factory=dict,
        description="Own values for gaps {values.NAME} of the description: a project, a domain.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Further headers of every request; no secrets."
    )
    service: Annotated[Service, Folder("services")] = Field(
        description="The description, or the name of its file in services/."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.base_url is None and self.service.base_url is None:
            raise ValueError("`base_url` is missing: say where the API lives")
        words = self.service.auth
        kind = words.grant if words.type == "oauth2" else words.type
        needed = NEEDED.get(kind, ())
        if kind == "basic":
            needed = ("key",) if words.filler is not None else ("username", "password")
        missing = [name for name in needed if getattr(self.auth, name) is None]
        if missing:
            raise ValueError(
                f"the service wants {' and '.join(f'auth.{name}' for name in missing)}; "
                f"write auth: {{{missing[0]}: env:NAME}}"
            )
        return self
