"""What a cursor remembers of a table: for every key a digest of its row, packed.

10,000 rows take about 100 kB with keys like T-00001 and 300 kB with random ones; unpacked JSON
would take 600 kB. The keys themselves are needed, to say which one is gone.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

SEPARATOR = "\0"  # no cell holds one
SIZE = 6
"""Bytes of a digest."""


@dataclass
class Memory:
    """`digests` is key to digest (12 hex digits), `missing` the keys missed once."""

    digests: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, cursor: Mapping[str, Any]) -> Memory:
        """What a stored cursor says; nothing where it says nothing that can be read."""
        try:
            keys = _keys(cursor["rows"])
            packed = base64.b85decode(cursor["digests"])
            digests = {
                key: packed[at * SIZE : at * SIZE + SIZE].hex() for at, key in enumerate(keys)
            }
            return cls(digests, set(_keys(cursor["missing"])))
        except (KeyError, ValueError, TypeError, zlib.error):
            return cls()

    def stored(self) -> dict[str, str]:
        """The same memory gives the same text."""
        keys = sorted(self.digests)
        packed = b"".join(bytes.fromhex(self.digests[key]) for key in keys)
        return {
            "rows": _packed(keys),
            "digests": base64.b85encode(packed).decode(),
            "missing": _packed(sorted(self.missing)),
        }


def _packed(keys: Iterable[str]) -> str:
    return base64.b85encode(zlib.compress(SEPARATOR.join(keys).encode())).decode()


def _keys(packed: str) -> list[str]:
    text = zlib.decompress(base64.b85decode(packed)).decode()
    return text.split(SEPARATOR) if text else []
