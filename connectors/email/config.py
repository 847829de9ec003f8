"""How a mail connection is configured: one address, one submission server, maybe one mailbox."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.sdk import ConfigError, ConnectionConfig


class ServerConfig(BaseModel):
    """Where a mail server listens and how to log in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(description="Name of the server.")
    port: int = Field(description="Port of the server.", ge=1, le=65535)
    username: str = Field("", description="Account; empty = no login.")
    password: SecretStr = Field(SecretStr(""), description="Its password, or an app password.")
    ca_file: str | None = Field(
        None, description="Certificate authority of a company's own servers (PEM)."
    )


class SmtpConfig(ServerConfig):
    """The submission server."""

    port: int = Field(587, description="587 for starttls, 465 for tls.", ge=1, le=65535)
    security: Literal["tls", "starttls", "none"] = Field(
        "starttls", description="none only to this machine."
    )


class ImapConfig(ServerConfig):
    """The mailbox that is read."""

    port: int = Field(993, description="993 for tls.", ge=1, le=65535)
    security: Literal["tls", "none"] = Field("tls", description="none only to this machine.")
    mailbox: str = Field("INBOX", description="Folder to read.")
    sent: str | None = Field(
        "Sent", description="Folder of sent mail; null = the one the server marks as such."
    )
    since: date | None = Field(
        None, description="Ignore mail that arrived before this day; empty = read all there is."
    )
    max_size: int = Field(
        25_000_000, description="Bytes; of a larger message only the headers are read.", ge=1000
    )


class OAuthConfig(BaseModel):
    """Signing in with tokens instead of passwords, as Google and Microsoft 365 want it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token_url: str = Field(description="Where tokens are handed out.", pattern=r"^https?://")
    client_id: str = Field(description="The application that was registered for the hub.")
    client_secret: SecretStr | None = Field(None, description="Its secret, where it has one.")
    scope: str | None = Field(None, description="What the tokens are for, space-separated.")
    refresh_token: SecretStr | None = Field(
        None, description="A refresh token that somebody obtained for the account."
    )
    authorize_url: str | None = Field(
        None,
        description="Where a person agrees once (hub connections authorize); without it and "
        "without refresh_token the application signs in for itself.",
        pattern=r"^https?://",
    )


class EmailConfig(ConnectionConfig):
    """One mail account."""

    auth: OAuthConfig | None = Field(
        None, description="Sign in with tokens; usernames stay, passwords are left out."
    )

    from_address: str = Field(description="Sender of everything: a@b, or Name <a@b>.")
    smtp: SmtpConfig = Field(description="The submission server.")
    imap: ImapConfig | None = Field(None, description="The mailbox; without it mail is only sent.")
    sent_by_server: bool = Field(
        True,
        description="The submission server files a copy of what it accepts in Sent, as Gmail and "
        "Microsoft 365 do; false: the connector files it.",
    )
    plus_addresses: bool = Field(
        False,
        description="Mail to name+anything@ our domain reaches the mailbox, as at Gmail, Microsoft "
        "365 and Fastmail: answers then come to an address of their own for each question, and "
        "decisions can be taken by reply.",
    )
    unsubscribe: str | None = Field(
        None,
        description="Where readers turn this mail off, as List-Unsubscribe says it: mailto:…, or "
        "https://… that obeys a POST without a login (RFC 8058).",
        pattern=r"^(mailto:[^\s<>,]+@[^\s<>,]+|https://[^\s<>,]+)$",
    )


def check_security(server: SmtpConfig | ImapConfig, key: str) -> None:
    """Raises ConfigError if a password or a mail would cross a network in the clear."""
    if server.security == "none" and not _is_loopback(server.host):
        raise ConfigError(
            f"{key}.security is 'none', but {server.host} is not this machine: passwords and mail "
            f"would be readable on the way. Write security: tls."
        )


def _is_loopback(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def tls_context(server: ServerConfig, key: str) -> ssl.SSLContext:
    """A context that verifies name and certificate."""
    try:
        return ssl.create_default_context(cafile=server.ca_file)
    except (OSError, ssl.SSLError):
        raise ConfigError(
            f"{key}.ca_file: {server.ca_file} cannot be read as certificates (PEM)."
        ) from None
