"""The words in which a configuration describes a signature that no named scheme covers, the same
for every connector whose deliveries are described rather than known.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from connectors.sdk.encodings import Algorithm, Encoding, KeyForm, Unit
from connectors.sdk.signatures import Hmac

PLACES = frozenset({"body", "timestamp", "id", "method", "url"})
"""What a signature may cover, besides headers by their name."""


class SigningWords(BaseModel):
    """Where a signature stands, how it is written, and what it covers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    header: str | None = Field(
        None,
        description="Header of the signature (hmac; stripe: Stripe-Signature) or of the token.",
    )
    prefix: str = Field(
        "", description="What stands before the signature or token: sha256=, Bearer."
    )
    algorithm: Algorithm = Field("sha256", description="Hash function (hmac).")
    encoding: Encoding = Field("hex", description="How the signature is written (hmac).")
    key: KeyForm = Field("utf8", description="How the secret is written (hmac).")
    base: str = Field(
        "{body}",
        description="What is signed (hmac): of {body}, {timestamp}, {id}, {method}, {url} and "
        "{header:NAME}.",
    )
    timestamp_header: str | None = Field(None, description="Header of the signed time (hmac).")
    unit: Unit = Field("seconds", description="How that time is written (hmac).")
    tolerance: int = Field(
        300, description="Seconds a signed time may lie in the past or future.", ge=1, le=86400
    )
    id_header: str | None = Field(None, description="Header of a signed id (hmac).")

    @property
    def hmac(self) -> Hmac:
        """The generic scheme as configured."""
        return Hmac(
            self.header or "",
            algorithm=self.algorithm,
            encoding=self.encoding,
            prefix=self.prefix,
            key=self.key,
            base=self.base,
            timestamp_header=self.timestamp_header,
            unit=self.unit,
            tolerance=self.tolerance,
            id_header=self.id_header,
        )

    def signs(self, header: str) -> bool:
        """Whether the generic scheme covers this header."""
        names = {name.removeprefix("header:") for name in self.hmac.names()}
        by_name = {"timestamp": self.timestamp_header, "id": self.id_header}
        return header.lower() in {(by_name.get(name) or name).lower() for name in names}

    def check_hmac_words(self) -> None:
        """Raises ValueError where the words of the generic scheme do not fit together."""
        if not self.header:
            raise ValueError("hmac needs `header`, the one with the signature")
        names = self.hmac.names()
        if "body" not in names:
            raise ValueError("`base` must hold {body}: a signature without it protects nothing")
        unknown = sorted(one for one in names - PLACES if not one.startswith("header:"))
        if unknown:
            raise ValueError(f"`base` cannot hold {{{unknown[0]}}}; for a header: {{header:NAME}}")
        for place, header in (("timestamp", self.timestamp_header), ("id", self.id_header)):
            if (place in names) != (header is not None):
                raise ValueError(f"`{place}_header` and {{{place}}} in `base` belong together")
