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
    timeout: float = Field(30, description="Seconds to wait for an answer.", gt=0, le=600)


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


class EmailConfig(ConnectionConfig):
    """One mail account."""

    from_address: str = Field(description="Sender of everything: a@b, or Name <a@b>.")
    smtp: SmtpConfig = Field(description="The submission server.")
    imap: ImapConfig | None = Field(None, description="The mailbox; without it mail is only sent.")
    sent_by_server: bool = Field(
        True,
        description="The submission server files a copy of what it accepts in Sent, as Gmail and "
        "Microsoft 365 do; false: the connector files it.",
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
