"""How a connection is configured: what every connector understands, as one frozen model to extend.

The hub resolves `env:NAME` and `secret:NAME` before it builds the model, so a connector only sees
values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    model_validator,
)

from connectors.sdk.errors import ConfigError
from connectors.sdk.network import check_address


def _as_list(value: object) -> object:
    return value if isinstance(value, list) or value is None else [value]


Secrets = Annotated[list[SecretStr], BeforeValidator(_as_list)]
"""One secret, or several while rotating."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Marks a key whose value may stand in a file of its own in this folder of the workspace: a
    name in its place (`service: tracker`) stands for services/tracker.yaml.

        service: Annotated[Service, Folder("services")]
    """

    name: str


class WebhookConfig(BaseModel):
    """How deliveries prove themselves: signing secrets, a token in the address, or `unsigned:
    true`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: Secrets = Field(
        default_factory=list, description="Signing secret, or a list while rotating."
    )
    token: SecretStr | None = Field(
        None, description="Second secret in the address, for senders that cannot sign."
    )
    unsigned: bool = Field(
        False, description="Accept deliveries without any proof. Shown on every screen."
    )
    receive: bool = Field(
        True,
        description="false: this connection only pulls; its webhook address answers 404, and "
        "nothing needs to prove itself.",
    )
    capture: bool = Field(
        False,
        description="Store deliveries without processing them, to build a mapping from. Shown on "
        "every screen.",
    )
    subscribe: bool = Field(
        False,
        description="Let the hub register the webhook at the vendor, renew and end it; needs "
        "HUB_PUBLIC_URL.",
    )

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        proofs = [name for name in ("secret", "token", "subscribe") if getattr(self, name)]
        if self.unsigned and "secret" in proofs:
            raise ValueError(
                "`unsigned: true` would let everything pass that `secret` would refuse: leave out "
                "one of them"
            )
        if not self.receive and (self.unsigned or proofs):
            named = "unsigned" if self.unsigned else proofs[0]
            raise ValueError(f"with `receive: false` nothing comes in, so leave out `{named}`")
        return self


class PullConfig(BaseModel):
    """When and what to pull."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: str = Field(
        "5m", description="How often, as a duration: 30s, 5m, 2h.", pattern=r"^[1-9][0-9]*[smhd]$"
    )
    reconcile: str | None = Field(
        None,
        description="How often everything is pulled once more, so that what is gone shows: a "
        "duration (6h, 1d), or never. Left out: daily where nothing but that, or only a webhook, "
        "tells of a deletion.",
        pattern=r"^([1-9][0-9]*[smhd]|never)$",
    )
    objects: list[str] = Field(
        default_factory=list, description="Which objects; empty = all that can be pulled."
    )


class ConnectionConfig(BaseModel):
    """What every connection may say in hub.yaml. Connectors extend it with their own keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str | None = Field(
        None, description="Where the vendor's API lives (tests, proxies, on-premise)."
    )
    deadline: float = Field(
        30.0, description="Seconds that one request may take in all.", gt=0, le=600
    )
    networks: list[IPvAnyNetwork] = Field(
        default_factory=list,
        description="Private networks that this connection may reach by name: 10.20.0.0/16.",
    )
    webhook: WebhookConfig = Field(
        default_factory=WebhookConfig, description="How deliveries prove themselves."
    )
    pull: PullConfig = Field(default_factory=PullConfig, description="When and what to pull.")

    @model_validator(mode="after")
    def _addresses_may_be_asked(self) -> Self:
        """What stands written out is judged here, what a name leads to when it is connected to."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name.endswith("_url") and isinstance(value, str) and value:
                try:
                    check_address(value, self.networks)
                except ConfigError as error:
                    raise ValueError(f"`{name}`: {error} ({error.code})") from None
        return self
