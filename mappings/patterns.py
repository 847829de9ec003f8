"""Regular expressions of RE2: they take linear time, whatever stands in a file or a record."""

from __future__ import annotations

from typing import Any

import re2  # type: ignore[import-untyped]  # publishes no types

FAILURES: tuple[type[Exception], ...] = (re2.error, UnicodeEncodeError)
"""What comes of a text with half a surrogate pair, or of a pattern that takes too much memory."""
_MEMORY = 1 << 20
"""Bytes of one pattern: it may be a record's text, and some are kept for a while."""


class PatternError(ValueError):
    """A text is no pattern; the message says why."""


def compiled(text: str) -> Any:
    """The compiled pattern. Raises PatternError."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(text, options)
    except FAILURES as error:
        reason = error.args[0] if error.args else error
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise PatternError(said) from None
