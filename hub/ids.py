"""Opaque identifiers: a short prefix that says what it names, then a UUIDv7, so that they sort
by birth.
"""

from __future__ import annotations

import os
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


_lock = threading.Lock()
_last = 0


def new_id(prefix: str) -> str:
    """A fresh identifier such as `tsk_01jd…`: 48 bits of milliseconds, 80 random bits.

    Those made by one process sort in the order they were made.
    """
    global _last
    random = int.from_bytes(os.urandom(14))
    number = (time.time_ns() // 1_000_000) << 80 | random >> 32
    with _lock:
        number = _last = max(number, _last + 1 + (random & 0xFFFFFFFF))
    pairs = [_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)]
    return f"{prefix}_{''.join(pairs)}"
