"""Mail as bytes and mail as data: composing what the hub sends, reading what arrives. Pure.

Composing refuses what could be misread (a line break in a subject); reading never raises, because
one broken message must not hide the others.
"""

from __future__ import annotations

import email.utils
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any
from urllib.parse import quote

from connectors.email.reading import read_message
from connectors.email.text import html_to_text, reply_text
from connectors.sdk import RejectedError

__all__ = [
    "KEY_HEADER",
    "Composed",
    "address_of",
    "compose",
    "message_id_of",
    "read_message",
    "reply_text",
]

KEY_HEADER = "X-Hub-Key"
FIELDS = (
    "to",
    "cc",
    "subject",
    "text",
    "html",
    "in_reply_to",
    "references",
    "reply_to",
    "tag",
    "headers",
)
MAX_REFERENCES = 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]")
_TAG = re.compile(r"[A-Za-z0-9._-]{1,60}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,60}")
_OURS = re.compile(
    r"(?:from|sender|to|cc|bcc|reply-to|subject|date|message-id|in-reply-to|references|"
    r"return-path|received|auto-submitted|dkim-signature|mime-version|x-hub-key"
    r"|x-auto-response-suppress|content-.*|resent-.*|arc-.*)",
    re.IGNORECASE,
)
_ID = re.compile(r"<[^<>\s]+>")


class _MessagePolicy(EmailPolicy):
    """Folds lists of message ids only between ids: the standard fold would encode a long one."""

    def _plain(self, name: str, value: Any) -> str | None:
        if name.lower() in ("message-id", "in-reply-to", "references"):
            return f"{name}: {(self.linesep + ' ').join(str(value).split())}{self.linesep}"
        return None

    def fold(self, name: str, value: Any) -> str:
        return self._plain(name, value) or super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        plain = self._plain(name, value)
        return plain.encode("ascii", "replace") if plain else super().fold_binary(name, value)


_POLICY = _MessagePolicy(linesep="\r\n", max_line_length=78, cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Composed:
    """A message ready to be sent: its envelope and its bytes. `utf8`: an address needs SMTPUTF8."""

    message_id: str
    sender: str
    recipients: Sequence[str]
    raw: bytes
    utf8: bool = False


def address_of(text: str) -> Address:
    """One address, `a@b` or `Name <a@b>`. Raises ValueError that says what is wrong with it.

    An international domain becomes its ASCII form; an international local part is kept.
    """
    if _CONTROL.search(text):
        raise ValueError("an address has no line breaks or control characters")
    name, spec = email.utils.parseaddr(text)
    local, at, domain = spec.rpartition("@")
    if not at or not local or not domain or re.search(r"[\s<>@,;:\"()\[\]\\]", local + domain):
        raise ValueError(f"'{text[:100]}' is not an e-mail address; write name@example.com")
    if len(email.utils.getaddresses([text])) != 1 or text.count("@") != 1 + name.count("@"):
        raise ValueError(f"'{text[:100]}' is not one e-mail address; write a list for several")
    try:
        domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"'{domain[:100]}' is not a domain name") from None
    if len(local.encode()) > 64:
        raise ValueError("the part before the @ is longer than 64 characters")
    return Address(display_name=" ".join(name.split()), username=local, domain=domain)


def message_id_of(key: str, from_address: str) -> str:
    """The Message-ID of the message with this idempotency key; equal keys, equal ids."""
    return f"<{safe_key(key)}@{address_of(from_address).domain}>"


def safe_key(key: str) -> str:
    """The key as it stands in headers: characters that a message id cannot hold are %-encoded."""
    text = quote(key, safe="!#$&'*+-/=?^_`{|}~.")
    return text if len(text) <= 180 else hashlib.sha256(key.encode()).hexdigest()


class _Errors(dict[str, str]):
    """Collects what is wrong per field, so that a person sees everything at once."""

    def text(self, fields: Mapping[str, Any], name: str, *, lines: bool = False) -> str:
        value = fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self[name] = "must be text"
            return ""
        if not lines and _CONTROL.search(value):
            self[name] = "must be one line, without control characters"
            return ""
        if any("\ud800" <= c <= "\udfff" for c in value):
            self[name] = "is not valid Unicode text"
            return ""
        return value.replace("\x00", "")

    def addresses(self, fields: Mapping[str, Any], name: str) -> list[Address]:
        value = fields.get(name) or []
        result: dict[str, Address] = {}
        for entry in [value] if isinstance(value, str) else value:
            try:
                if not isinstance(entry, str):
                    raise ValueError("must be text, or a list of texts")
                address = address_of(entry)
                result.setdefault(address.addr_spec.lower(), address)
            except ValueError as error:
                self[name] = str(error)
        return list(result.values())

    def ids(self, fields: Mapping[str, Any], name: str) -> list[str]:
        value = fields.get(name) or []
        text = value if isinstance(value, str) else " ".join(map(str, value))
        if not text.isascii() or _CONTROL.search(text):
            self[name] = "must be message ids such as <id@example.com>"
            return []
        return _ID.findall(text)


def compose(
    key: str,
    from_address: str,
    fields: Mapping[str, Any],
    date: datetime,
    unsubscribe: str | None = None,
    plus: bool = False,
) -> Composed:
    """The message that `fields` describe. Raises RejectedError with every field that is wrong.

    `date` must have a zone. The same key gives the same Message-ID. `unsubscribe` is where readers
    turn such mail off. `plus`: what is sent to our address with `+tag` in it reaches us, so that
    answers go there.
    """
    errors = _Errors()
    for name in fields:
        if name not in FIELDS:
            errors[name] = f"is not a field of a message; known: {', '.join(FIELDS)}"
    subject = " ".join(errors.text(fields, "subject").split())
    text = errors.text(fields, "text", lines=True)
    html = errors.text(fields, "html", lines=True)
    to, cc, reply_to = (errors.addresses(fields, name) for name in ("to", "cc", "reply_to"))
    parents, references = (errors.ids(fields, name) for name in ("in_reply_to", "references"))
    extra = _extra_headers(fields.get("headers"), errors)
    if fields.get("tag") and not _TAG.fullmatch(str(fields["tag"])):
        errors["tag"] = "must be letters, digits, dots, dashes and underscores"
    if not (to or cc) and "to" not in errors and "cc" not in errors:
        errors["to"] = "names nobody to send to"
    if not (text or html) and "text" not in errors and "html" not in errors:
        errors["text"] = "is empty, and there is no html either"
    if errors:
        raise RejectedError("The message cannot be sent as it is.", dict(errors))

    sender = address_of(from_address)
    tag = fields.get("tag")
    if plus and tag and not reply_to:
        reply_to = [Address(sender.display_name, f"{sender.username}+{tag}", sender.domain)]
    everyone = {address.addr_spec: address for address in (*to, *cc)}
    utf8 = not all(spec.isascii() for spec in (sender.addr_spec, *everyone))
    message_id = message_id_of(key, from_address)
    message = EmailMessage(policy=_POLICY.clone(utf8=utf8))
    message["Message-ID"] = message_id
    message["Date"] = email.utils.format_datetime(date)
    message["From"] = sender
    for name, addresses in (("To", to), ("Cc", cc), ("Reply-To", reply_to)):
        if addresses:
            message[name] = addresses
    if parents:
        message["In-Reply-To"] = parents[0]
        references = list(dict.fromkeys([*references, parents[0]]))
    if len(references) > MAX_REFERENCES:
        references = [references[0], *references[1 - MAX_REFERENCES :]]
    if references:
        message["References"] = " ".join(references)
    message[KEY_HEADER] = safe_key(key)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    if unsubscribe and "list-unsubscribe" not in {name.lower() for name in extra}:
        message["List-Unsubscribe"] = f"<{unsubscribe}>"
        if unsubscribe.startswith("https:"):
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    for name, value in extra.items():
        message[name] = value
    message.set_content(text or html_to_text(html), cte="quoted-printable")
    if html:
        message.add_alternative(html, subtype="html", cte="quoted-printable")
    raw = _subject_line(subject) + message.as_bytes()
    return Composed(message_id, sender.addr_spec, tuple(everyone), raw, utf8)


def _subject_line(subject: str) -> bytes:
    """The whole header. EmailMessage loses spaces of a long subject, and decodes what merely looks
    encoded.
    """
    plain = subject.isascii() and "=?" not in subject
    header = Header(subject, "us-ascii" if plain else "utf-8", 76, "Subject")
    return f"Subject: {header.encode(linesep=_POLICY.linesep)}\r\n".encode("ascii")


def _extra_headers(value: Any, errors: _Errors) -> dict[str, str]:
    if not value:
        return {}
    if not isinstance(value, Mapping):
        errors["headers"] = "must be names and values"
        return {}
    for name, text in value.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            errors["headers"] = f"'{str(name)[:60]!r}' is not a header name"
        elif _OURS.fullmatch(name):
            errors["headers"] = f"'{name}' is set by the hub"
        elif not isinstance(text, str) or _CONTROL.search(text) or len(text) > 900:
            errors["headers"] = f"the value of '{name}' must be one line of text"
    return {} if "headers" in errors else dict(value)
