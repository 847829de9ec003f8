"""What a Jira Cloud connection says in hub.yaml."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.sdk import ConnectionConfig

SCOPES = "read:jira-work read:jira-user write:jira-work manage:jira-webhook offline_access"
_PROJECT = re.compile(r"[A-Z][A-Z0-9_]{1,254}")


class JiraAuth(BaseModel):
    """A user's API token (`email`, `api_token`) or an OAuth 2.0 app (`client_id`,
    `client_secret`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    email: str | None = Field(None, description="E-mail address of the user the token belongs to.")
    api_token: SecretStr | None = Field(
        None, description="API token from id.atlassian.com, Security, API tokens."
    )
    client_id: str | None = Field(None, description="Client id of the OAuth 2.0 (3LO) app.")
    client_secret: SecretStr | None = Field(
        None,
        description="Client secret of the OAuth 2.0 (3LO) app; dynamic webhooks are signed with "
        "it too.",
    )
    cloud_id: str | None = Field(
        None,
        description="Id of the site. OAuth finds it by `base_url` where it is left out; with an "
        "API token that has scopes it must be given.",
        pattern=r"^[A-Za-z0-9-]{1,64}$",
    )
    scopes: str = Field(SCOPES, description="What the OAuth app asks a person to agree to.")

    @model_validator(mode="after")
    def _one_way(self) -> JiraAuth:
        token = (self.email, self.api_token)
        app = (self.client_id, self.client_secret)
        if (all(token) and not any(app)) or (all(app) and not any(token)):
            return self
        raise ValueError("give either email and api_token, or client_id and client_secret")

    @property
    def oauth(self) -> bool:
        return self.client_id is not None


class JiraConfig(ConnectionConfig):
    """One Jira Cloud site, some of its projects, one user."""

    # an invalid value may be a secret in the wrong place: name the key, never show the value
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    base_url: str = Field(description="The site: https://acme.atlassian.net.")
    projects: list[str] = Field(
        min_length=1,
        description="Keys of the projects to read; new issues go to the first unless told.",
    )
    auth: JiraAuth = Field(description="How to sign in: an API token or an OAuth 2.0 app.")
    issue_type: str = Field(
        "Task", description="Type of new issues that do not name one.", min_length=1
    )
    notify_users: bool = Field(
        True,
        description="Whether Jira mails people about our updates. false needs a user who "
        "administers Jira or the project.",
    )
    transition_fields: dict[str, Any] = Field(
        default_factory=dict,
        description="Values for fields that a transition requires and a change does not bring: "
        "{resolution: {name: Done}}.",
    )
    overlap: int = Field(
        5,
        description="Minutes that each pull reads again, because Jira's search lags.",
        ge=1,
        le=1440,
    )
    page_size: int = Field(100, description="Issues per page of a search.", ge=1, le=1000)
    api_url: str = Field(
        "https://api.atlassian.com", description="Atlassian's gateway, for OAuth and cloud_id."
    )
    auth_url: str = Field(
        "https://auth.atlassian.com", description="Atlassian's authorization server, for OAuth."
    )

    @field_validator("base_url", "api_url", "auth_url")
    @classmethod
    def _addresses(cls, value: str) -> str:
        parts = urlsplit(value)
        if (
            parts.scheme not in ("https", "http")
            or not parts.hostname
            or parts.username
            or parts.query
            or parts.fragment
        ):
            raise ValueError("write the address alone: https://acme.atlassian.net")
        if parts.path.rstrip("/"):
            raise ValueError("leave the path out: https://acme.atlassian.net")
        return value.rstrip("/")

    @field_validator("projects")
    @classmethod
    def _keys(cls, keys: list[str]) -> list[str]:
        for key in keys:
            if not _PROJECT.fullmatch(key):
                raise ValueError("write projects by their keys, in capitals: [OPS, WEB]")
        if len(set(keys)) < len(keys):
            raise ValueError("a project is listed twice")
        return keys
