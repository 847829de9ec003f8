"""The words in which a configuration says how deliveries prove themselves, the same for every
connector whose deliveries are described rather than known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from connectors.sdk.config import WebhookConfig
from connectors.sdk.encodings import Algorithm, Encoding, KeyForm, Unit
from connectors.sdk.http import HttpClient
from connectors.sdk.public_keys import GOOGLE, GOOGLE_KEYS, PublicKeys
from connectors.sdk.scheme import Terms
from connectors.sdk.schemes import SCHEMES, WORDS
from connectors.sdk.signatures import Hmac

if TYPE_CHECKING:
    SchemeName = str
else:
    SchemeName = Literal[tuple(SCHEMES)]
"""A scheme by its name; those of the table, so that the schema and the documentation list them."""

PLACES = frozenset({"body", "timestamp", "id", "method", "url"})
"""What a signature may cover, besides headers by their name."""


def described(*further: tuple[str, str]) -> dict[str, Any]:
    """For an editor: what each scheme is, in the order of the schema's values."""
    about = [one.about for one in SCHEMES.values()]
    return {"enumDescriptions": [*about, *(text for _, text in further)]}


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
    url: str | None = Field(
        None,
        description="The address as the sender was told it, for schemes that sign it (hubspot, "
        "trello, twilio, hmac with {url}). Default: HUB_PUBLIC_URL with the path that was called.",
        pattern=r"^https?://\S+$",
    )
    app_url: str = Field(
        "",
        description="Base address of the app, as its descriptor says it (jira-app); `qsh` is over "
        "the path below it.",
    )
    audience: str = Field(
        "",
        description="Audience of the push subscription (google-oidc): its endpoint, unless told "
        "otherwise.",
    )
    account: str = Field(
        "", description="E-mail address of the service account that signs (google-oidc)."
    )
    issuer: str = Field(GOOGLE, description="Who issues the tokens (google-oidc).")
    keys_url: str = Field(
        GOOGLE_KEYS,
        description="Where the issuer shows its public keys (google-oidc).",
        pattern=r"^https?://\S+$",
    )

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

    def terms(self, webhook: WebhookConfig, keys: PublicKeys | None, user: str = "") -> Terms:
        """What is configured, for the table of schemes."""
        return Terms(
            secrets=webhook.secret,
            token=webhook.token,
            header=self.header or "",
            prefix=self.prefix,
            tolerance=self.tolerance,
            user=user,
            url=self.url,
            app_url=self.app_url,
            audience=self.audience,
            account=self.account,
            issuer=self.issuer,
            hmac=self.hmac,
            keys=keys,
        )

    def public_keys(self, scheme: str, http: Callable[[str], HttpClient]) -> PublicKeys | None:
        """The public keys that a scheme needs, if it does; `http` makes the client for them."""
        if "keys_url" not in SCHEMES[scheme].takes:
            return None
        client = http(self.keys_url)
        return PublicKeys(lambda: client.request("GET", self.keys_url).json())

    def covers(self, scheme: str, header: str) -> bool:
        """Whether the proof stands or falls with this header (lower case)."""
        one = SCHEMES[scheme]
        if one.vouches:
            return True  # it vouches for the sender, who wrote the headers too
        return header in one.covers or (scheme == "hmac" and self.signs(header))

    def signs(self, header: str) -> bool:
        """Whether the generic scheme covers this header."""
        names = {name.removeprefix("header:") for name in self.hmac.names()}
        by_name = {"timestamp": self.timestamp_header, "id": self.id_header}
        return header.lower() in {(by_name.get(name) or name).lower() for name in names}

    def check_words(self, scheme: str, also: Collection[str] = ()) -> None:
        """Raises ValueError where a word is missing that the scheme needs, or given that says
        nothing with it. `also`: words that mean something else here.
        """
        one = SCHEMES[scheme]
        known = [*one.needs, *one.takes]
        for word in one.needs:
            if not getattr(self, word):
                raise ValueError(f"{scheme} needs `{word}`: {_about(type(self), word)}")
        idle = sorted((self.model_fields_set & WORDS) - set(known) - set(also))
        if idle:
            takes = ", ".join(f"`{word}`" for word in known)
            raise ValueError(
                f"`{idle[0]}` says nothing with scheme {scheme}, which "
                + (f"takes {takes}" if takes else "needs no further keys")
                + "; to describe a signature yourself choose scheme hmac"
            )
        if scheme == "hmac":
            self.check_hmac_words()

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


def _about(model: type[BaseModel], word: str) -> str:
    return (model.model_fields[word].description or "").rstrip(".")
