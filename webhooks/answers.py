"""The answers of the intake: JSON, problem documents (RFC 9457) and what a vendor insists on.

Problems are rendered once. Their text is fixed, so that a refusal tells a stranger nothing about
which connections exist or why exactly a proof failed; the reason goes to the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from connectors.sdk import Reply

Headers = tuple[tuple[bytes, bytes], ...]

_NOSNIFF = (b"x-content-type-options", b"nosniff")
_JSON: Headers = ((b"content-type", b"application/json"), _NOSNIFF)
_PROBLEM: Headers = ((b"content-type", b"application/problem+json"), _NOSNIFF)


class Answer(NamedTuple):
    """One complete HTTP answer, its length among its headers. `outcome` is the word for it in logs
    and metrics.
    """

    status: int
    body: bytes
    headers: Headers
    outcome: str


@lru_cache(maxsize=64)
def _measured(headers: Headers, size: int) -> Headers:
    """Headers with the length of the body. Most answers are of a few lengths."""
    return (*headers, (b"content-length", b"%d" % size))


class Refused(Exception):
    """Stop here and answer with the problem `code`. `reason`, and `part` where the code alone does
    not name the check that failed, are for the operator, never the sender.
    """

    def __init__(self, code: str, reason: str = "", part: str = "") -> None:
        super().__init__(reason or code)
        self.code = code
        self.reason = reason
        self.part = part


@dataclass(frozen=True, slots=True)
class _Problem:
    status: HTTPStatus
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)


_PROBLEMS = {
    "connection_unknown": _Problem(
        HTTPStatus.NOT_FOUND,
        "No connection takes deliveries at this address. Check the name after /webhooks/.",
    ),
    "connection_unavailable": _Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "No deliveries can be taken at this address just now. Send it again later.",
    ),
    "method_not_allowed": _Problem(
        HTTPStatus.METHOD_NOT_ALLOWED, "Deliveries are sent with POST.", {"allow": "POST"}
    ),
    "signature_invalid": _Problem(
        HTTPStatus.UNAUTHORIZED,
        "The delivery does not prove where it comes from. Check the signing secret and the"
        " address on both sides.",
    ),
    "timestamp_out_of_window": _Problem(
        HTTPStatus.UNAUTHORIZED,
        "The signed timestamp is missing, malformed or too far from the time here. Check the"
        " sender's clock.",
    ),
    "xml_dtd_forbidden": _Problem(
        HTTPStatus.BAD_REQUEST,
        "The XML declares a DTD, which is never read here. Send it without.",
    ),
    "handshake_rejected": _Problem(
        HTTPStatus.BAD_REQUEST, "This handshake cannot be answered as it was sent."
    ),
    "request_malformed": _Problem(
        HTTPStatus.BAD_REQUEST,
        "The request says contradictory things about its length. Send either Content-Length or"
        " chunks.",
    ),
    "encoding_invalid": _Problem(
        HTTPStatus.BAD_REQUEST,
        "The body is not what its Content-Encoding says, or it ends too early.",
    ),
    "encoding_unsupported": _Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Send the body as it is, or with Content-Encoding gzip or deflate.",
        {"accept-encoding": "gzip, deflate, identity"},
    ),
    "body_too_large": _Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The body, or what it unpacks to, is larger than this connection takes.",
    ),
    "body_timeout": _Problem(
        HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time. Send it again."
    ),
    "cannot_store": _Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The delivery could not be stored and was not accepted. Send it again later.",
    ),
}


def _render(code: str, problem: _Problem, retry_after: int) -> Answer:
    extra = dict(problem.headers)
    if problem.status is HTTPStatus.SERVICE_UNAVAILABLE:
        extra["retry-after"] = str(retry_after)
    document = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "code": code,
        "detail": problem.detail,
    }
    body = json.dumps(document).encode()
    headers = (*_PROBLEM, *((name.encode(), value.encode()) for name, value in extra.items()))
    return Answer(problem.status.value, body, _measured(headers, len(body)), code)


def problems(retry_after: int) -> Mapping[str, Answer]:
    """Every refusal by its code. `retry_after` is in seconds."""
    return {code: _render(code, problem, retry_after) for code, problem in _PROBLEMS.items()}


def _quoted(id: str) -> str:
    """JSON of an id, the usual kind of which needs no escape."""
    return f'"{id}"' if id.isascii() and id.isidentifier() else json.dumps(id)


def accepted(id: str) -> Answer:
    """The delivery is durable and new."""
    body = f'{{"id": {_quoted(id)}, "status": "accepted"}}'.encode()
    return Answer(202, body, _measured(_JSON, len(body)), "accepted")


def duplicate(id: str) -> Answer:
    """The delivery was durable before."""
    body = f'{{"status": "duplicate", "id": {_quoted(id)}}}'.encode()
    return Answer(200, body, _measured(_JSON, len(body)), "duplicate")


def id_of(answer: Answer) -> str:
    """The delivery that a `duplicate` of ours names; empty for a vendor's own words."""
    try:
        return str(json.loads(answer.body)["id"])
    except (ValueError, KeyError, TypeError):
        return ""


def from_reply(reply: Reply, outcome: str) -> Answer:
    """A connector's reply as an answer. Raises ValueError where it could not be sent as HTTP.

    A reply often echoes what the sender wrote, so a line break in a header is refused here, and
    text without a type is plain text, never something that a browser would guess at.
    """
    if not 200 <= reply.status <= 599:
        raise ValueError(f"{reply.status} is no final HTTP status")
    headers = [_NOSNIFF]
    for name, value in reply.headers.items():
        if any((ord(c) < 32 and c != "\t") or ord(c) == 127 for c in name + value):
            raise ValueError("a reply header contains a control character")
        if name.lower() not in ("content-length", "transfer-encoding", "connection"):
            headers.append((name.lower().encode("ascii"), value.encode("latin-1")))
    if reply.body and not any(name == b"content-type" for name, _ in headers):
        headers.append((b"content-type", b"text/plain; charset=utf-8"))
    if reply.status in (204, 304):
        return Answer(reply.status, b"", tuple(headers), outcome)
    headers.append((b"content-length", b"%d" % len(reply.body)))  # not remembered: one of a kind
    return Answer(reply.status, reply.body, tuple(headers), outcome)
