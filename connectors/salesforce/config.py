"""What a Salesforce connection says in hub.yaml."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.sdk import ConnectionConfig


class SalesforceAuth(BaseModel):
    """A connected app: client credentials (with a secret) or JWT bearer (with a private key)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: str = Field(description="Consumer key of the connected app.")
    client_secret: SecretStr | None = Field(
        None, description="Consumer secret, for the client credentials flow."
    )
    username: str | None = Field(
        None, description="Integration user to act as, for the JWT bearer flow."
    )
    private_key: SecretStr | None = Field(
        None, description="RSA private key in PEM, for the JWT bearer flow."
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
        if (self.client_secret is not None) == jwt or (partial and not jwt):
            raise ValueError(
                "give either client_secret (client credentials), or username and private_key "
                "(JWT bearer)"
            )
        return self


class SalesforceConfig(ConnectionConfig):
    """One Salesforce org, reached as one integration user."""

    base_url: str = Field(description="The org's My Domain: https://acme.my.salesforce.com.")
    auth: SalesforceAuth = Field(description="The connected app to sign in with.")
    hub_key_field: str | None = Field(
        "Hub_Key__c",
        description="Text field on Opportunity and Task, marked unique and external id, where "
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
    page_size: int = Field(2000, description="Records per page of a pull.", ge=1, le=2000)

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
