"""Opaque identifiers: a short prefix that says what it names, then a UUIDv7, so that they sort
by birth.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from datetime import UTC, datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_TAIL = (70, 60, 50, 40, 30, 20, 10, 0)

_lock = threading.Lock()
_last = 0
_noise: list[int] = []
"""Random numbers of 64 bits that no identifier was made of yet: asking the system for each costs
more than all the rest.
"""
_head = (-1, "")
"""The time of the last identifier, and how that is written."""


def _forget() -> None:
    """A forked process must not make of its parent's numbers what its parent makes of them."""
    _noise.clear()


os.register_at_fork(after_in_child=_forget)


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
    global _last, _head
    with _lock:
        if len(_noise) < 2:
            _noise.extend(struct.unpack("=512Q", os.urandom(4096)))
        first, second = _noise.pop(), _noise.pop()
        number = (time.time_ns() // 1_000_000) << 80 | first << 16 | second & 0xFFFF
        number = _last = max(number, _last + 1 + (second >> 32))
        high = number >> 80
        if _head[0] != high:
            text = "".join([_PAIRS[high >> shift & 1023] for shift in (40, 30, 20, 10, 0)])
            _head = (high, text)
        head = _head[1]
    pairs, low = _PAIRS, number & 0xFFFFFFFFFFFFFFFFFFFF
    upper, lower = low >> 40, low & 0xFFFFFFFFFF
    return (
        f"{prefix}_{head}{pairs[upper >> 30]}{pairs[upper >> 20 & 1023]}{pairs[upper >> 10 & 1023]}"
        f"{pairs[upper & 1023]}{pairs[lower >> 30]}{pairs[lower >> 20 & 1023]}"
        f"{pairs[lower >> 10 & 1023]}{pairs[lower & 1023]}"
    )


def born(id: str) -> datetime:
    """When an identifier was made, to the millisecond."""
    number = 0
    for letter in id.rpartition("_")[2]:
        number = number << 5 | _ALPHABET.index(letter)
    return datetime.fromtimestamp((number >> 80) / 1000, UTC)
