"""What a Salesforce connection says in hub.yaml."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.sdk import ConnectionConfig


class SalesforceAuth(BaseModel):
    """A connected app and one way to sign in with it: client credentials (a secret alone), JWT
    bearer (a private key and a user), a refresh token, or a person's consent in a browser.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    client_id: SecretStr = Field(description="Consumer key of the connected app.")
    client_secret: SecretStr | None = Field(
        None, description="Consumer secret; alone it means the client credentials flow."
    )
    username: str | None = Field(
        None, description="Integration user to act as, for the JWT bearer flow."
    )
    private_key: SecretStr | None = Field(
        None, description="RSA private key in PEM, for the JWT bearer flow."
    )
    refresh_token: SecretStr | None = Field(
        None, description="Refresh token that was obtained elsewhere, for the refresh token flow."
    )
    consent: bool = Field(
        False,
        description="A person signs in once in a browser (authorization code with PKCE): "
        "hub connections authorize NAME.",
    )
    audience: str | None = Field(
        None,
        description="JWT audience; default: https://login.salesforce.com, or "
        "https://test.salesforce.com for the My Domain of a Salesforce sandbox.",
    )

    @model_validator(mode="after")
    def _one_flow(self) -> SalesforceAuth:
        jwt = self.username is not None and self.private_key is not None
        partial = self.username is not None or self.private_key is not None
        person = (self.refresh_token is not None) + self.consent
        if (
            person + partial > 1
            or partial != jwt
            or (jwt and self.client_secret is not None)
            or not (person or jwt or self.client_secret is not None)
        ):
            raise ValueError(
                "give one of: client_secret (client credentials), username and private_key "
                "(JWT bearer), refresh_token, or consent: true"
            )
        return self


class SalesforceConfig(ConnectionConfig):
    """One Salesforce org, reached as one integration user."""

    # an invalid value may be a secret in the wrong place: name the key, never show the value
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    base_url: str = Field(description="The org's My Domain: https://acme.my.salesforce.com.")
    auth: SalesforceAuth = Field(description="The connected app to sign in with.")
    hub_key_field: str | None = Field(
        "Hub_Key__c",
        description="Text field on every object we create, marked unique and external id, where "
        "creates leave their key. null: creates that vanish on the wire end as unknown.",
        pattern=r"^[A-Za-z][A-Za-z0-9_]*$",
    )
    organization_id: str | None = Field(
        None,
        description="The org's id (Setup, Company Information). When given, outbound messages "
        "of any other org are refused.",
        pattern=r"^[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?$",
    )
    client_name: str = Field(
        "process-hub",
        description="Name in the Sforce-Call-Options header; marks our writes in change events.",
        pattern=r"^[A-Za-z0-9._/-]+$",
    )
    api_version: str = Field("62.0", description="REST API version.", pattern=r"^[1-9][0-9]\.0$")
    deadline: float = Field(
        125.0,
        description="Seconds that one request may take in all; a query may take 120.",
        gt=0,
        le=600,
    )
    page_size: int = Field(2000, description="Records per page of a pull.", ge=1, le=2000)
    bulk_above: int | None = Field(
        50_000,
        description="First loads of more records than this go through Bulk API 2.0; null: none.",
        ge=0,
    )

    @field_validator("base_url")
    @classmethod
    def _my_domain(cls, value: str) -> str:
        parts = urlsplit(value.rstrip("/"))
        host = (parts.hostname or "").lower()
        loopback = host in ("127.0.0.1", "localhost", "::1")
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
            raise ValueError("must start with https:// (http only on this machine)")
        if not host or parts.username or parts.query or parts.fragment:
            raise ValueError("write the My Domain address: https://acme.my.salesforce.com")
        if host in ("login.salesforce.com", "test.salesforce.com"):
            raise ValueError(
                f"{host} serves no API for connected apps; write the org's My Domain, for example "
                "https://acme.my.salesforce.com"
            )
        return value.rstrip("/")
