"""Reading a mail as it came: headers, text, attachments, bounces. Never raises: what cannot be read
is said in `error`, beside the headers that could.
"""

from __future__ import annotations

import codecs
import email.utils
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import compat32
from typing import Any

from connectors.email.text import html_to_text, reply_text, unflow

TEXT_LIMIT = 200_000
"""Characters of text kept in a record."""

HEADER_LIMIT = 20_000
"""Characters of a header field that are read; a thousand recipients fit."""

_ID = re.compile(r"<[^<>\s]+>")
_SAFE_ID = re.compile(r"<[\x21-\x7e]{1,250}>")
_UNSAFE_CODECS = frozenset(
    ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem")
)
_AUTOMATIC_HEADERS = (
    "list-id",
    "list-unsubscribe",
    "x-auto-response-suppress",
    "x-autoreply",
    "x-autorespond",
    "x-auto-reply",
)


class Headers:
    """The header fields of a message as readable text; names are lower case."""

    def __init__(self, message: Message) -> None:
        self.raw: dict[str, list[str]] = {}
        for name, value in message.raw_items():
            self.raw.setdefault(name.lower(), []).append(_unbyte(str(value)[:HEADER_LIMIT]))

    def text(self, name: str) -> str:
        """The first field of this name, encoded words decoded; empty if there is none."""
        return decode_words(self.raw[name][0]) if name in self.raw else ""

    def addresses(self, name: str) -> list[tuple[str, str]]:
        """(name, address) pairs; the address is empty where none can be read."""
        try:
            pairs = email.utils.getaddresses(self.raw.get(name, []))
        except (ValueError, IndexError, TypeError, RecursionError):
            return []
        return [
            (decode_words(who), spec if re.fullmatch(r"[^\s@]+@[^\s@]+", spec) else "")
            for who, spec in pairs[:500]
            if spec or who
        ]

    def ids(self, name: str) -> list[str]:
        return _ID.findall(" ".join(self.raw.get(name, [])))[:100]


def _unbyte(text: str) -> str:
    """Raw bytes in a header are parsed as lone surrogates: read them as UTF-8, else cp1252."""
    text = re.sub(r"\r?\n", "", text)
    if text.isascii():
        return text
    return decode_bytes(text.encode("utf-8", "surrogateescape"), "utf-8")


def decode_words(text: str) -> str:
    """RFC 2047 encoded words decoded; a word that is broken is decoded as well as it can be."""
    if "=?" not in text:
        return text.strip()
    try:
        pieces = decode_header(text)
    except (HeaderParseError, ValueError):
        return text.strip()
    decoded = [
        piece if isinstance(piece, str) else decode_bytes(piece, charset or "utf-8")
        for piece, charset in pieces
    ]
    # a decoded line break must not become one in anything that is built from this text
    return re.sub(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+", " ", "".join(decoded)).strip()


def decode_bytes(data: bytes, charset: str) -> str:
    """Bytes in a charset that the sender claims: charsets lie, so UTF-8 and cp1252 follow."""
    for name in (charset, "utf-8", "cp1252"):
        try:
            if codecs.lookup(name).name.replace("-", "_") in _UNSAFE_CODECS:
                continue
            return data.decode(name)
        except (LookupError, UnicodeError, ValueError):
            continue
    return data.decode("utf-8", "replace")


def _children(part: Message) -> list[Message]:
    # get_payload decodes what is not a list by the charset it claims, and may fail at that
    payload = part.get_payload() if part.is_multipart() else []
    return [child for child in payload if isinstance(child, Message)]


def _leaves(part: Message) -> Iterator[Message]:
    """The parts that hold content; an attached message is one part and is not entered."""
    if part.get_content_maintype() == "multipart" and part.is_multipart():
        for child in _children(part):
            yield from _leaves(child)
    else:
        yield part


def _content(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload
    return b"".join(child.as_bytes() for child in _children(part))


def _param(part: Message, name: str) -> str:
    value = part.get_param(name)
    return email.utils.collapse_rfc2231_value(value) if value else ""


def _text_of(part: Message) -> str:
    text = decode_bytes(_content(part), _param(part, "charset") or "utf-8")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    if part.get_content_subtype() == "plain" and _param(part, "format").lower() == "flowed":
        text = unflow(text, delsp=_param(part, "delsp").lower() == "yes")
    return text


def _is_text(part: Message) -> bool:
    return (
        part.get_content_type() in ("text/plain", "text/html")
        and (part.get_content_disposition() or "").lower() != "attachment"
        and not part.get_filename()
    )


def attachment(raw: bytes, number: int) -> bytes | None:
    """The bytes of the attachment that `attachments` lists at this place, counted from 1."""
    message = BytesParser(policy=compat32).parsebytes(raw)
    parts = [part for part in _leaves(message) if not _is_text(part) and not _is_report(part)]
    return _content(parts[number - 1]) if 0 < number <= len(parts) else None


def _is_report(part: Message) -> bool:
    return part.get_content_type() in ("message/delivery-status", "text/rfc822-headers")


def _body(message: Message) -> tuple[str, list[dict[str, Any]]]:
    """(text, attachments). Plain text if there is any, else the visible text of the HTML."""
    plain: list[str] = []
    html: list[str] = []
    attachments: list[dict[str, Any]] = []
    for part in _leaves(message):
        kind = part.get_content_type()
        name = decode_words(_unbyte(part.get_filename() or ""))
        if _is_text(part):
            (plain if kind == "text/plain" else html).append(_text_of(part))
        elif not _is_report(part):
            attachments.append({"name": name or None, "type": kind, "size": len(_content(part))})
    if any(piece.strip() for piece in plain):
        return "\n".join(piece.strip("\n") for piece in plain).strip(), attachments
    return "\n".join(map(html_to_text, html)).strip(), attachments


def _bounce(message: Message, headers: Headers, text: str) -> dict[str, Any] | None:
    """What a delivery status notification (RFC 3464) says, the worst recipient first.

    Exim writes no such report but names the recipient in X-Failed-Recipients.
    """
    if (
        message.get_content_type() != "multipart/report"
        or _param(message, "report-type").lower() != "delivery-status"
    ):
        failed = headers.addresses("x-failed-recipients")
        if not failed:
            return None
        original = re.search(r"^>?\s*message-id:\s*(<[^<>\s]+>)", text, re.I | re.M)
        return {
            "recipient": failed[0][1].lower() or None,
            "action": "failed",
            "status": None,
            "message_id": original[1] if original else None,
        }
    reports: list[dict[str, Any]] = []
    message_id: str | None = None
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "message/delivery-status" and not reports:
            for block in _children(part):
                fields = Headers(block)
                if "action" not in fields.raw:
                    continue
                who = fields.text("final-recipient") or fields.text("original-recipient")
                reports.append(
                    {
                        "recipient": who.rpartition(";")[2].strip().strip("<>").lower() or None,
                        "action": fields.text("action").split(" ")[0].lower(),
                        "status": fields.text("status").split(" ")[0] or None,
                    }
                )
        elif kind in ("text/rfc822-headers", "message/rfc822") and message_id is None:
            inner = next(iter(_children(part)), None) or BytesHeaderParser(
                policy=compat32
            ).parsebytes(_content(part))
            found = Headers(inner).ids("message-id")
            message_id = found[0] if found else None
    reports.sort(key=lambda report: report["action"] != "failed")
    return {**reports[0], "message_id": message_id} if reports else None


def _is_automatic(headers: Headers, own_address: str) -> bool:
    """The loop guards: nothing that a machine sent is ever taken for a person's answer."""
    submitted = headers.text("auto-submitted").split(";")[0].split("(")[0].strip().lower()
    sender = next((spec.lower() for _, spec in headers.addresses("from")), "")
    return (
        submitted not in ("", "no")
        or headers.text("precedence").lower() in ("bulk", "junk", "list")
        or any(name in headers.raw for name in _AUTOMATIC_HEADERS)
        or headers.text("return-path").strip() == "<>"
        or sender.split("@")[0] in ("mailer-daemon", "postmaster")
        or (own_address != "" and sender == own_address.lower())
    )


def utc_iso(moment: datetime) -> str:
    """RFC 3339 in UTC; a time without a zone is taken for UTC."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _date(text: str) -> str | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
        return utc_iso(moment)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def id_of(headers: Headers, raw: bytes) -> str:
    """The Message-ID if it is usable as a name, else a hash of the message."""
    ids = headers.ids("message-id")
    if ids and _SAFE_ID.fullmatch(ids[0]):
        return ids[0]
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def origin_of(raw: bytes) -> str:
    """What two mails with one Message-ID must share to be one mail that came twice."""
    headers = Headers(BytesHeaderParser(policy=compat32).parsebytes(raw))
    text = "\n".join(value for name in ("from", "date") for value in headers.raw.get(name, [])[:1])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_message(
    raw: bytes, *, own_address: str = "", received_at: datetime | None = None, error: str = ""
) -> tuple[str, dict[str, Any]]:
    """(record id, data) of a message. With `error` only the headers in `raw` are read."""
    nothing = Headers(Message())
    headers = nothing
    data = _envelope(nothing, "")
    try:
        headers = Headers(BytesHeaderParser(policy=compat32).parsebytes(raw))
        data = _envelope(headers, own_address)
        if not error:
            _add_content(data, raw, headers)
    except Exception as problem:  # hostile input finds every corner of a MIME parser
        error = f"The message cannot be read: {type(problem).__name__}."
    if error:
        fields = list(headers.raw.items())[:100]
        data["error"] = error
        data["headers"] = {name: values[0][:1000] for name, values in fields}
    data["received_at"] = utc_iso(received_at) if received_at else None
    id = id_of(headers, raw)
    for number, one in enumerate(data["attachments"], start=1):
        one["id"] = f"{id}#{number}"
    return id, data


def _envelope(headers: Headers, own_address: str) -> dict[str, Any]:
    sender = next(iter(headers.addresses("from")), ("", ""))
    parents = headers.ids("in-reply-to")
    ids = headers.ids("message-id")
    data: dict[str, Any] = {
        "message_id": ids[0] if ids else None,
        "in_reply_to": parents[0] if parents else None,
        "references": headers.ids("references"),
        "from": sender[1].lower() or None,
        "from_name": sender[0] or None,
        "to": [spec.lower() for _, spec in headers.addresses("to") if spec],
        "cc": [spec.lower() for _, spec in headers.addresses("cc") if spec],
        "subject": headers.text("subject"),
        "list_unsubscribe": re.findall(r"<([^<>\s]+)>", headers.text("list-unsubscribe"))[:10],
        "date": _date(headers.text("date")),
        "text": "",
        "reply": "",
        "auto_submitted": _is_automatic(headers, own_address),
        "bounce": None,
        "attachments": [],
    }
    own = own_address.lower()
    tag = _tag(headers, own)
    if tag is not None:
        data["tag"] = tag
    if own and data["from"] == own and "x-hub-key" in headers.raw:
        data["own"] = True
        data["key"] = headers.text("x-hub-key")
    return data


def _tag(headers: Headers, own: str) -> str | None:
    """What stands behind the plus of our own address, where the mail came to such a one."""
    name, _, domain = own.partition("@")
    for header in ("delivered-to", "x-original-to", "envelope-to", "to", "cc"):
        for _, spec in headers.addresses(header):
            local, _, host = spec.lower().partition("@")
            if name and host == domain and local.startswith(f"{name}+"):
                return local[len(name) + 1 :] or None
    return None


def _add_content(data: dict[str, Any], raw: bytes, headers: Headers) -> None:
    message = BytesParser(policy=compat32).parsebytes(raw)
    text, attachments = _body(message)
    bounce = _bounce(message, headers, text)
    if len(text) > TEXT_LIMIT:
        text = text[:TEXT_LIMIT]
        data["truncated"] = True
    data |= {
        "text": text,
        "reply": reply_text(text),
        "attachments": attachments,
        "bounce": bounce,
        "auto_submitted": data["auto_submitted"] or bounce is not None,
    }
