"""A delivery as the events it holds: plain JSON, a form, or CloudEvents in their three modes. Pure.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal
from urllib.parse import parse_qs, unquote_to_bytes

from connectors.sdk import Delivery, PayloadError
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.records import Json
from connectors.sdk.scheme import Scheme
from connectors.webhook.config import REQUIRED
from connectors.webhook.paths import path_of

Mode = Literal["batch", "structured", "binary"]
MOST = 1000
"""Events in one batch, fields in one form."""
_ATTRIBUTE = re.compile(r"ce-([a-z0-9]{1,50})")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def content_type(delivery: Delivery) -> str:
    """The media type alone, lower case."""
    return delivery.headers.get("content-type", "").partition(";")[0].strip().lower()


def mode_of(delivery: Delivery) -> Mode:
    """By content type alone; the longer prefix is asked first."""
    kind = content_type(delivery)
    if kind.startswith("application/cloudevents-batch"):
        return "batch"
    return "structured" if kind.startswith("application/cloudevents") else "binary"


def plain_event(delivery: Delivery) -> Json:
    """The body: JSON, or a form as an object of its fields (a list where one is repeated)."""
    kind = content_type(delivery)
    if kind == "application/x-www-form-urlencoded":
        try:
            fields = parse_qs(
                delivery.body.decode(), keep_blank_values=True, strict_parsing=True,
                max_num_fields=MOST, errors="strict",
            )  # fmt: skip
        except ValueError:
            raise PayloadError("The body says it is a form and is none.", "body") from None
        return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
    if kind == "multipart/form-data" or "xml" in kind:
        raise PayloadError(
            f"A body of type {kind} is not read; have the sender post JSON.", "content-type"
        )
    return decode_json(delivery.body, "the delivery")


def events_of(delivery: Delivery, scheme: Scheme | None) -> Sequence[Json]:
    """The events of a delivery: those of its list where the vendor sends several, else the body.
    Raises PayloadError.
    """
    body = scheme.read(delivery) if scheme and scheme.read else plain_event(delivery)
    if scheme is None or scheme.each is None:
        return [body]
    found = path_of(scheme.each).read(body)
    if scheme.each == "$" and isinstance(found, dict):
        return [found]
    if not isinstance(found, list) or len(found) > MOST:
        raise PayloadError(f"There is no list of at most {MOST} events at {scheme.each}.", "body")
    return found


def cloud_events(delivery: Delivery, covered: Callable[[str], bool]) -> list[Mapping[str, Json]]:
    """The events of a delivery, each in structured form whichever way it came.

    In binary mode only headers that `covered` names count. Raises PayloadError.
    """
    mode = mode_of(delivery)
    if mode == "binary":
        return [_binary(delivery, covered)]
    if content_type(delivery).rpartition("+")[2] not in ("json", content_type(delivery)):
        raise PayloadError("Of CloudEvents only the JSON format is read.", "content-type")
    value = decode_json(delivery.body, "the delivery")
    if mode == "structured":
        return [_complete(value, "the event")]
    if not isinstance(value, list) or len(value) > MOST:
        raise PayloadError(f"A batch is a JSON array of at most {MOST} events.", "body")
    return [_complete(one, f"event {number}") for number, one in enumerate(value, 1)]


def event_key(event: Mapping[str, Json]) -> str:
    """What tells a CloudEvent from every other: source and id together, never one for two."""
    source = str(event["source"]).replace("#", "%23")
    return f"{source}#{event['id']}"


def _complete(event: Json, where: str) -> Mapping[str, Json]:
    if not isinstance(event, dict):
        raise PayloadError(f"A CloudEvent is a JSON object; {where} is not.", where)
    for name in REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise PayloadError(f"The attribute '{name}' of {where} is missing.", f"{where}.{name}")
    if event["specversion"] != "1.0":
        raise PayloadError(
            f"{where} is not of CloudEvents 1.0 (specversion).", f"{where}.specversion"
        )
    if "data_base64" not in event:
        return event
    if "data" in event:
        raise PayloadError(f"{where} has both data and data_base64.", f"{where}.data")
    try:
        raw = base64.b64decode(event["data_base64"], validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise PayloadError(f"{where} has data that is not base64.", f"{where}.data") from None
    kind = str(event.get("datacontenttype") or "application/json")
    rest = {name: value for name, value in event.items() if name != "data_base64"}
    return {**rest, "data": _data(raw, kind.partition(";")[0].strip().lower())}


def _binary(delivery: Delivery, covered: Callable[[str], bool]) -> Mapping[str, Json]:
    event: dict[str, Json] = {}
    for header, text in delivery.headers.items():
        match = _ATTRIBUTE.fullmatch(header)
        if match and covered(header):
            event[match[1]] = _attribute(header, text)
    if "datacontenttype" in event:
        raise PayloadError("ce-datacontenttype is forbidden: Content-Type says it.", "content-type")
    kind = content_type(delivery)
    if kind:
        event["datacontenttype"] = kind
    for name in ("data", "data_base64"):
        event.pop(name, None)  # the body is the data, whatever a header says
    if delivery.body:
        event["data"] = _data(delivery.body, kind or "application/json")
    return _complete(event, "the event")


def _attribute(header: str, text: str) -> str:
    """A header's text: unquoted, then percent-decoded once."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    try:
        if not text.isascii() or _BROKEN_ESCAPE.search(text):
            raise ValueError
        return unquote_to_bytes(text).decode()
    except ValueError:
        raise PayloadError(f"The header {header} is not percent-encoded UTF-8.", header) from None


def _data(raw: bytes, kind: str) -> Json:
    if kind == "application/json" or kind.endswith("+json") or kind == "text/json":
        return decode_json(raw, "the event's data")
    raise PayloadError(f"Data of type {kind} is not read; have the sender use JSON.", "data")
