"""How a Slack connection is configured: one app, installed in one workspace."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.sdk import ConnectionConfig


class SlackAuth(BaseModel):
    """The bot token of the app; with token rotation, what renews it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr | None = Field(
        None, description="Bot token (xoxb-…), from OAuth & Permissions of the app."
    )
    client_id: str | None = Field(
        None, description="Only with token rotation: the app's client ID, from Basic Information."
    )
    client_secret: SecretStr | None = Field(
        None, description="Only with token rotation: the app's client secret."
    )
    refresh_token: SecretStr | None = Field(
        None, description="Only with token rotation: the first refresh token (xoxe-1-…)."
    )

    @model_validator(mode="after")
    def _one_way(self) -> SlackAuth:
        rotating = (self.client_id, self.client_secret, self.refresh_token)
        if (self.token is None) == (not any(rotating)):
            raise ValueError(
                "write either token, or client_id, client_secret and refresh_token together"
            )
        if any(rotating) and not all(rotating):
            raise ValueError("token rotation needs client_id, client_secret and refresh_token")
        return self


class SlackConfig(ConnectionConfig):
    """One app in one workspace."""

    base_url: str | None = Field(
        "https://slack.com/api", description="Where the Web API lives (GovSlack, tests, proxies)."
    )
    auth: SlackAuth = Field(description="The app's credentials.")
    channel: str | None = Field(
        None,
        description="ID of the channel (C…) for messages that name neither channel nor person.",
    )
    channels: list[str] = Field(
        default_factory=list,
        description="IDs of the channels to read; empty = all that the app is a member of, "
        "direct messages included.",
    )
    threads: Literal["ours", "all"] = Field(
        "ours", description="Whose threads a pull reads: those that we began, or all."
    )
    since: date | None = Field(
        None, description="Ignore messages before this day; empty = read all there is."
    )
    page_size: int = Field(
        200,
        description="Messages per request; 15 for apps sold outside the Slack Marketplace.",
        ge=1,
        le=999,
    )
