"""Opaque identifiers: a short prefix that says what it names, then 48 bits of milliseconds, a count
of 20 within each of them and 60 random bits, so that they sort by birth.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from datetime import UTC, datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_OURS = bytes.maketrans(_STANDARD, _ALPHABET.encode())
_TAIL = 12
"""Letters of random, each of 5 bits."""

_lock = threading.Lock()
_at = -1
"""The millisecond of the last identifier."""
_head = ""
"""How that is written."""
_count = 0
_noise = ""
"""Random letters that no identifier was made of yet: asking the system for each of them costs more
than all the rest.
"""
_next = 0


def _forget() -> None:
    """A forked process must not make of its parent's letters what its parent makes of them."""
    global _noise, _next
    _noise, _next = "", 0


os.register_at_fork(after_in_child=_forget)


def _begin(millisecond: int) -> None:
    """Begin a millisecond: a new one, or, where that is full or the clock went back, the one after
    the last.
    """
    global _at, _head, _count
    _at, _count = max(millisecond, _at + 1), 0
    _head = "".join([_PAIRS[_at >> shift & 1023] for shift in (40, 30, 20, 10, 0)])


def _stock() -> None:
    global _noise, _next
    letters = base64.b32encode(os.urandom(7680)).translate(_OURS)
    _noise, _next = letters.decode(), 0


def new_id(prefix: str) -> str:
    """A fresh identifier such as `tsk_01jd…`. Those made by one process sort in the order they were
    made.
    """
    global _count, _next
    with _lock:
        now = time.time_ns() // 1_000_000
        if now > _at or _count >> 20:
            _begin(now)
        count, _count = _count, _count + 1
        if _next >= len(_noise):
            _stock()
        begin = _next
        _next = end = begin + _TAIL
        head, tail = _head, _noise[begin:end]
    return f"{prefix}_{head}{_PAIRS[count >> 10]}{_PAIRS[count & 1023]}{tail}"


def new_ids(prefix: str, count: int) -> list[str]:
    """Many at once: they sort in their order too."""
    return [new_id(prefix) for _ in range(count)]


def born(id: str) -> datetime:
    """When an identifier was made, to the millisecond."""
    number = 0
    for letter in id.rpartition("_")[2]:
        number = number << 5 | _ALPHABET.index(letter)
    return datetime.fromtimestamp((number >> 80) / 1000, UTC)
