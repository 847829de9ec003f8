"""Every way in which a delivery may prove itself, as one table: how it is checked and made, which
words of the configuration it takes, what it covers, what names a delivery, and what its vendor
wants answered. `SCHEMES` is all that a connector, a schema or a page of documentation asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import SecretStr

from connectors.sdk import delivery_ids, handshakes, senders
from connectors.sdk.encodings import KeyForm, key_of
from connectors.sdk.errors import ConfigError
from connectors.sdk.records import Reply
from connectors.sdk.scheme import Scheme, check_hmac_scheme, named, of_hmac, sign_hmac_scheme
from connectors.sdk.signatures import (
    AIRTABLE,
    ASANA,
    GITHUB,
    HUBSPOT,
    JIRA,
    LINEAR,
    REDMINE,
    SLACK,
    TRELLO,
    ZENDESK,
    check_basic,
)
from connectors.sdk.token_schemes import (
    CHANNEL_TOKEN,
    channel_event,
    channel_headers,
    check_app,
    check_channel,
    check_google,
    check_linear_scheme,
    check_shared,
    configured,
    pushed_event,
    sign_app,
    sign_google,
    sign_graph,
    sign_shared,
    stripe_header,
)
from connectors.sdk.vendor_signatures import (
    check_graph,
    check_standard_webhooks,
    check_stripe,
    check_twilio,
)

_TWIML = Reply(200, b"<Response/>", {"content-type": "text/xml; charset=utf-8"})

SCHEMES: dict[str, Scheme] = {
    "standard-webhooks": Scheme(
        "Standard Webhooks: webhook-signature over id, time and body. Secret `whsec_…`, or the "
        "sender's public key `whpk_…`.",
        check=lambda delivery, terms: check_standard_webhooks(
            delivery, terms.secrets, tolerance=terms.tolerance
        ),
        sign=lambda delivery, terms, id: senders.sign_standard_webhooks(
            delivery, terms.secrets, id=id
        ),
        takes=("tolerance",),
        covers=frozenset({"webhook-id", "webhook-timestamp"}),
        key="base64",
        event=("$.type",),
        delivery="header:webhook-id",
    ),
    "hmac": Scheme(
        "Any HMAC in a header, described by the keys below.",
        check=lambda delivery, terms: check_hmac_scheme(configured(terms), delivery, terms),
        sign=lambda delivery, terms, id: sign_hmac_scheme(configured(terms), delivery, terms, id),
        needs=("header",),
        takes=(
            "prefix",
            "algorithm",
            "encoding",
            "key",
            "base",
            "timestamp_header",
            "unit",
            "tolerance",
            "id_header",
            "url",
        ),
    ),
    "github": of_hmac(
        "GitHub: X-Hub-Signature-256. `ping` is answered and gives no record.",
        GITHUB,
        event=("$.action",),
        delivery="header:x-github-delivery",
        handshake=handshakes.github_ping,
        beside=named("x-github-delivery"),
    ),
    "jira": of_hmac(
        "Jira, a webhook that an administrator made with a secret: X-Hub-Signature.",
        JIRA,
        event=("$.webhookEvent",),
        delivery="header:x-atlassian-webhook-identifier",
        beside=named("x-atlassian-webhook-identifier"),
    ),
    "jira-app": Scheme(
        "Atlassian apps: a JWT (HS256) in Authorization, bound to the address by `qsh`. The secret "
        "is the app's shared secret.",
        check=check_app,
        sign=sign_app,
        takes=("app_url",),
        vouches=True,
        event=("$.webhookEvent",),
        delivery="header:x-atlassian-webhook-identifier",
        beside=named("x-atlassian-webhook-identifier"),
    ),
    "redmine": of_hmac(
        "Redmine 7: X-Redmine-Signature-256.",
        REDMINE,
        event=("$.type",),
        identify=delivery_ids.of_body,
    ),
    "linear": Scheme(
        "Linear: Linear-Signature; the signed time is inside the body.",
        check=check_linear_scheme,
        sign=partial(sign_hmac_scheme, LINEAR),
        takes=("tolerance",),
        event=("$.type", "$.action"),
        identify=delivery_ids.of_linear,
        beside=named("linear-delivery"),
    ),
    "asana": of_hmac(
        "Asana: X-Hook-Signature. The first POST hands the secret over (X-Hook-Secret): set "
        "webhook.token, and the hub stores it; or webhook.secret, if you know it.",
        ASANA,
        proof=("secret", "token"),
        identify=delivery_ids.of_asana,
        each="$.events",
        event=("$.resource.resource_type", "$.action"),
        handshake=handshakes.asana_secret,
        unproved=True,
        hands_over=True,
    ),
    "stripe": Scheme(
        "Stripe and its like: t=…,v1=… in one header. The whole secret is the key.",
        check=lambda delivery, terms: check_stripe(
            delivery, terms.secrets, header=stripe_header(terms), tolerance=terms.tolerance
        ),
        sign=lambda delivery, terms, id: senders.sign_stripe(
            delivery, terms.secrets, header=stripe_header(terms)
        ),
        takes=("header", "tolerance"),
        event=("$.type",),
        delivery="$.id",
    ),
    "slack": of_hmac(
        "Slack: X-Slack-Signature over time and body. The url_verification challenge is answered.",
        SLACK,
        event=("$.event.type",),
        identify=delivery_ids.of_slack,
        handshake=handshakes.slack_challenge,
        reply=Reply(200),
    ),
    "zendesk": of_hmac(
        "Zendesk: X-Zendesk-Webhook-Signature over time and body.",
        ZENDESK,
        event=("$.type",),
        delivery="header:x-zendesk-webhook-invocation-id",
        beside=named("x-zendesk-webhook-invocation-id"),
    ),
    "hubspot": of_hmac(
        "HubSpot v3: X-HubSpot-Signature-v3 over method, address, body and time. The secret is the "
        "app's client secret.",
        HUBSPOT,
        each="$",
        event=("$.subscriptionType",),
        identify=delivery_ids.of_hubspot,
    ),
    "trello": of_hmac(
        "Trello: X-Trello-Webhook over body and callback address, which HEAD probes. The secret is "
        "the app's; `url` the callback as it was registered, where another is called.",
        TRELLO,
        event=("$.action.type",),
        delivery="$.action.id",
        handshake=handshakes.trello_probe,
    ),
    "airtable": of_hmac(
        "Airtable: X-Airtable-Content-MAC. The secret is the macSecretBase64 of the webhook.",
        AIRTABLE,
        identify=delivery_ids.of_airtable,
    ),
    "twilio": Scheme(
        "Twilio: X-Twilio-Signature over the address and the form. The secret is the auth token.",
        check=lambda delivery, terms: check_twilio(
            delivery, terms.secrets, url=terms.url_of(delivery)
        ),
        sign=lambda delivery, terms, id: senders.sign_twilio(
            delivery, terms.secrets, url=terms.url_of(delivery)
        ),
        takes=("url",),
        delivery="header:i-twilio-idempotency-token",
        reply=_TWIML,
        content="application/x-www-form-urlencoded",
        beside=named("i-twilio-idempotency-token"),
    ),
    "graph": Scheme(
        "Microsoft Graph: the clientState in every notification is webhook.secret. The "
        "validationToken is answered.",
        check=lambda delivery, terms: check_graph(delivery, terms.secrets),
        sign=sign_graph,
        vouches=True,
        each="$.value",
        event=("$.changeType",),
        identify=delivery_ids.of_graph,
        handshake=handshakes.graph_validation,
        unproved=True,
        reply=Reply(202),
    ),
    "google-channel": Scheme(
        "Google channels (Drive, Calendar): X-Goog-Channel-Token is webhook.secret. `sync` is "
        "answered.",
        check=check_channel,
        sign=lambda delivery, terms, id: senders.sign_token(
            delivery, terms.secrets, header=CHANNEL_TOKEN
        ),
        vouches=True,
        event=("header:x-goog-resource-state",),
        identify=delivery_ids.of_channel,
        read=channel_event,
        handshake=handshakes.google_sync,
        content="",
        beside=channel_headers,
    ),
    "google-oidc": Scheme(
        "Google Pub/Sub, as Gmail pushes by it: a JWT (RS256) against Google's public keys, for "
        "`audience`, by the service `account`. No secret.",
        check=check_google,
        sign=sign_google,
        proof=(),
        needs=("audience", "account"),
        takes=("issuer", "keys_url"),
        vouches=True,
        delivery="$.message.messageId",
        read=pushed_event,
    ),
    "basic": Scheme(
        "Name and password (Authorization: Basic); webhook.secret is the password.",
        check=lambda delivery, terms: check_basic(
            delivery.headers.get("authorization", ""), terms.user, terms.secrets
        ),
        sign=lambda delivery, terms, id: senders.sign_basic(delivery, terms.user, terms.secrets),
        takes=("user",),
        vouches=True,
    ),
    "token": Scheme(
        "A shared secret in a header (Authorization: Bearer … unless `header` names another); or, "
        "as webhook.token, in the address, for senders that can do nothing else.",
        check=check_shared,
        sign=sign_shared,
        proof=("secret", "token"),
        takes=("header", "prefix"),
        vouches=True,
    ),
}
"""By the name that stands behind `scheme:`."""

WORDS = frozenset(word for one in SCHEMES.values() for word in (*one.needs, *one.takes))
"""Every word of the configuration that some scheme takes."""


def check_secrets(scheme: str, secrets: Sequence[SecretStr], key: KeyForm | None = None) -> None:
    """Raises ConfigError for a secret that could never verify anything, without showing it."""
    form = key or SCHEMES[scheme].key
    for number, secret in enumerate(secrets, 1):
        text = secret.get_secret_value()
        for mark in ("whsec_", "whpk_", "whsk_") if scheme == "standard-webhooks" else ():
            text = text.removeprefix(mark)
        if text and not key_of(SecretStr(text), form):
            raise ConfigError(
                f"webhook.secret number {number} is not written in {form}: copy it again from the "
                "sender" + (", or set `key`." if scheme == "hmac" else ".")
            )
        if text != text.strip():
            raise ConfigError(
                f"webhook.secret number {number} has white space around it, which is taken as part "
                "of it: store it again without."
            )
