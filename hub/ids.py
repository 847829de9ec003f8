"""Opaque identifiers: a short prefix that says what it names, then a UUIDv7, so that they sort
by birth.
"""

from __future__ import annotations

import os
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


_lock = threading.Lock()
_last = 0


def new_id(prefix: str) -> str:
    """A fresh identifier such as `tsk_01jd…`: 48 bits of milliseconds, 80 random bits.

    Those made by one process sort in the order they were made.
    """
    global _last
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    with _lock:
        number = _last = max(number, _last + 1 + int.from_bytes(os.urandom(4)))
    digits = []
    for _ in range(26):
        digits.append(_ALPHABET[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(digits))}"
