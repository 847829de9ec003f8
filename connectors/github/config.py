"""What a GitHub connection may say in hub.yaml."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.sdk import ConnectionConfig

_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98})/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")


class GithubAuth(BaseModel):
    """A token, or an app's key: with it the hub mints a token for one hour at a time."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: SecretStr | None = Field(
        None, description="Personal access token with the permission Issues: read and write."
    )
    app_id: str | None = Field(
        None, description="App id or client id of a GitHub App.", pattern=r"^[A-Za-z0-9._-]+$"
    )
    installation_id: int | None = Field(
        None, description="The app's installation: the number at the end of its settings address."
    )
    private_key: SecretStr | None = Field(None, description="The app's private key in PEM.")

    @field_validator("token")
    @classmethod
    def _printable(cls, token: SecretStr | None) -> SecretStr | None:
        if token is None:
            return None
        text = token.get_secret_value().strip()
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("the token is empty or holds characters that no token has")
        return SecretStr(text)

    @model_validator(mode="after")
    def _one_kind(self) -> GithubAuth:
        app = (self.app_id, self.installation_id, self.private_key)
        if (self.token is None) != all(part is not None for part in app) or (
            self.token is not None and any(part is not None for part in app)
        ):
            raise ValueError(
                "give either token, or app_id, installation_id and private_key of an app"
            )
        return self


class GithubConfig(ConnectionConfig):
    """Which repositories, and how to sign in."""

    # an invalid value may be a secret in the wrong place: name the key, never show the value
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    base_url: str | None = Field(
        "https://api.github.com",
        description="The REST API; for GitHub Enterprise Server https://HOST/api/v3.",
        pattern=r"^https?://[^\s?#]+$",
    )
    repositories: list[str] = Field(
        min_length=1,
        description="owner/name of each repository; new issues go to the first unless told.",
    )
    auth: GithubAuth = Field(description="A token, or the key of an app.")

    @field_validator("repositories")
    @classmethod
    def _names(cls, names: list[str]) -> list[str]:
        for name in names:
            if not _REPOSITORY.fullmatch(name):
                raise ValueError(f"write a repository as owner/name, like acme/ops, not '{name}'")
        if len({name.casefold() for name in names}) < len(names):
            raise ValueError("a repository is listed twice")
        return names
