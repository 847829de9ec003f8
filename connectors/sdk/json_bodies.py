"""JSON that others wrote: read strictly, so that no two readers could take it differently, and
never deeper than can be stored again.
"""

from __future__ import annotations

import json

import orjson

from connectors.sdk.errors import PayloadError
from connectors.sdk.records import Json

MAX_DEPTH = 250
"""Levels of JSON that may be nested; deeper values cannot be stored again."""


def decode_json(body: bytes, place: str) -> Json:
    """JSON of a delivery or a token. Raises PayloadError for anything malformed, too deep or not
    UTF-8, and for a key that stands in one object twice, which parsers read differently.
    """
    value, anew = read_json(body, place)
    if not _surely_once(body, anew):
        try:
            json.loads(body, object_pairs_hook=_once_each, parse_int=str)
        except _Twice as twice:
            raise PayloadError(
                f"The key {json.dumps(str(twice)[:100])} stands in one object twice in {place}.",
                place,
            ) from None
    return value


def read_json(body: bytes, place: str) -> tuple[Json, bytes]:
    """JSON, and the same written anew; that is empty where only the standard library reads it.
    Raises PayloadError.
    """
    try:
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if "surrogate" not in error.msg:
                raise
            return _with_halves(body, error), b""
        return value, orjson.dumps(value)  # its own limit is 254 levels; it raises beyond them
    except orjson.JSONDecodeError as error:
        raise PayloadError(f"Not valid JSON in {place}: {error.msg}.", place) from None
    except (TypeError, RecursionError):
        raise PayloadError(
            f"JSON nested deeper than {MAX_DEPTH} levels in {place}.", place
        ) from None


def _with_halves(body: bytes, error: orjson.JSONDecodeError) -> Json:
    """JSON with half a surrogate pair in it, which is legal. Whoever uses that text is told; the
    rest is good.
    """
    try:
        value = json.loads(body, parse_constant=_no_number)
    except ValueError:
        raise error from None
    _refuse_depth(value)
    return value


def _refuse_depth(value: Json) -> None:
    """Raises RecursionError beyond MAX_DEPTH levels: orjson cannot write such texts to see."""
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    raise RecursionError


def _surely_once(body: bytes, anew: bytes) -> bool:
    """Whether no key was given twice. Most senders write just what we would; else quotes are
    counted: what was dropped had some. A fraction of the time of looking at each key; False where
    unsure.
    """
    if body == anew:
        return True
    # a quote may be written otherwise
    return b"\\u0022" not in body and body.count(b'"') == anew.count(b'"')


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


class _Twice(ValueError):
    pass


def _once_each(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return found
