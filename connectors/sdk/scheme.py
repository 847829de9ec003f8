"""One way in which deliveries prove themselves, and what one connection has to say about it. The
table of all of them is `connectors.sdk.schemes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from pydantic import SecretStr

from connectors.sdk import delivery_ids, senders
from connectors.sdk.encodings import KeyForm
from connectors.sdk.public_keys import GOOGLE, PublicKeys
from connectors.sdk.records import Delivery, Json, Reply
from connectors.sdk.signatures import TOLERANCE, Hmac


@dataclass(frozen=True, slots=True)
class Terms:
    """What one connection has to say about proof: its secrets and the words of its configuration,
    which are those of `connectors.sdk.signing`.
    """

    secrets: Sequence[SecretStr] = ()
    token: SecretStr | None = field(default=None, repr=False)
    header: str = ""
    prefix: str = ""
    tolerance: int = TOLERANCE
    user: str = ""
    url: str | None = None
    app_url: str = ""
    audience: str = ""
    account: str = ""
    issuer: str = GOOGLE
    hmac: Hmac | None = None
    keys: PublicKeys | None = None

    def url_of(self, delivery: Delivery) -> str | None:
        """The address that was signed, where `url` names it, with the query that was called."""
        if self.url is None or "?" in self.url:
            return self.url
        query = urlsplit(delivery.url).query
        return self.url + (f"?{query}" if query else "")


Check = Callable[[Delivery, Terms], object]
Sign = Callable[[Delivery, Terms, str], Delivery]


@dataclass(frozen=True, slots=True)
class Scheme:
    """One row. Paths and headers are written as in the configuration: `$.type`, `header:NAME`.

    `proof` names the keys under `webhook` that can prove a delivery, one of which must be there;
    none where the proof needs no secret of ours. `needs` and `takes` are the words of the
    configuration that must and may stand beside it.
    """

    about: str
    check: Check
    sign: Sign
    proof: tuple[str, ...] = ("secret",)
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    covers: frozenset[str] = frozenset()
    """Headers that the signature covers."""
    vouches: bool = False
    """Whether it vouches for the sender, who wrote the headers too, rather than for the bytes."""
    key: KeyForm = "utf8"
    """How the secret is written."""
    event: tuple[str, ...] = ()
    """Where the type of event stands, joined by dots: `Issue.update`."""
    delivery: str | None = None
    """Where the vendor's own name for a delivery stands."""
    identify: delivery_ids.Identify | None = None
    """What names a delivery where the vendor does not; None is then no id at all."""
    each: str | None = None
    """Where the list of events stands, for vendors that send several at once."""
    read: Callable[[Delivery], Json] | None = None
    """The event in a genuine delivery, where it is not just the JSON of the body."""
    handshake: Callable[[Delivery], Reply | None] | None = None
    unproved: bool = False
    """Whether the handshake is answered before a delivery is proved, because it cannot be."""
    hands_over: bool = False
    """Whether the handshake hands over the secret."""
    reply: Reply | None = None
    """The answer to a delivery, where our JSON will not do."""
    content: str = "application/json"
    """Content type that the sender uses."""
    beside: Callable[[Delivery, str], Delivery] | None = None
    """Further headers of a genuine delivery, its id among them."""

    def signed(self, delivery: Delivery, terms: Terms, id: str = "") -> Delivery:
        """`delivery` as its genuine sender would send it. Raises ConfigError, UnsupportedError."""
        if self.content:
            delivery = senders.with_default(delivery, "content-type", self.content)
        if self.beside:
            delivery = self.beside(delivery, id)
        return self.sign(delivery, terms, id)


def check_hmac_scheme(scheme: Hmac, delivery: Delivery, terms: Terms) -> None:
    scheme.check(delivery, terms.secrets, url=terms.url_of(delivery), tolerance=terms.tolerance)


def sign_hmac_scheme(scheme: Hmac, delivery: Delivery, terms: Terms, id: str) -> Delivery:
    return senders.sign_hmac(scheme, delivery, terms.secrets, id=id, url=terms.url_of(delivery))


def named(header: str) -> Callable[[Delivery, str], Delivery]:
    """A header that names the delivery and is not signed."""
    return lambda delivery, id: senders.with_default(delivery, header, id or senders.new_id())


def of_hmac(about: str, scheme: Hmac, **more: object) -> Scheme:
    takes = (*(("tolerance",) if scheme.timestamp_header else ()), *_url_word(scheme))
    covers = frozenset({scheme.timestamp_header} if scheme.timestamp_header else ())
    return Scheme(
        about,
        check=partial(check_hmac_scheme, scheme),
        sign=partial(sign_hmac_scheme, scheme),
        key=scheme.key,
        **{"takes": takes, "covers": covers, **more},  # type: ignore[arg-type]
    )


def _url_word(scheme: Hmac) -> tuple[str, ...]:
    return ("url",) if "url" in scheme.names() else ()
