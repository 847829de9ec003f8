"""Opaque identifiers: a short prefix that says what it names, then a UUIDv7, so that they sort
by birth.
"""

from __future__ import annotations

import os
import struct
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_TAIL = (70, 60, 50, 40, 30, 20, 10, 0)

_lock = threading.Lock()
_last = 0


def new_ids(prefix: str, count: int) -> list[str]:
    """Many at once, for the intake: they sort in their order too."""
    global _last
    noise = os.urandom(10 + 4 * count)
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(noise[:10])
    numbers = []
    with _lock:
        number = max(number, _last)
        for (step,) in struct.iter_unpack("=I", noise[10:]):
            number += 1 + step
            numbers.append(number)
        _last = number
    pairs = _PAIRS
    # what changes within a batch is the tail: 80 of its bits are written one by one
    heads: dict[int, str] = {}
    found = []
    for number in numbers:
        high = number >> 80
        head = heads.get(high)
        if head is None:
            text = "".join([pairs[high >> shift & 1023] for shift in (40, 30, 20, 10, 0)])
            head = heads[high] = f"{prefix}_{text}"
        tail = "".join([pairs[number >> shift & 1023] for shift in _TAIL])
        found.append(head + tail)
    return found


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
