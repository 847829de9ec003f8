"""Places where a test can have the process die, as a power cut would: between an effect and its
record, above all.

`HUB_FAILPOINT=deliver.pushed:3:/tmp/once` kills the process the third time it reaches that place,
once: the named file is made first, and while it exists nothing is killed. Unset, this costs
nothing.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

RARE = ("drain.queued",)
"""Places that data passes only where something was mended."""

PLACES = (
    "intake.stored",
    "intake.parsed",
    "intake.brought_in",
    "intake.committed",
    "pull.stored",
    "bring_in.claimed",
    "bring_in.committed",
    "deliver.claimed",
    "deliver.pushed",
    "deliver.recorded",
)
"""Every place there is, in the order in which data passes them."""

_wanted = os.environ.get("HUB_FAILPOINT")
_lock = threading.Lock()
_reached = 0


def reach(place: str) -> None:
    """Say that the process is at this place. Does nothing unless a test asked for it to die
    here.
    """
    if _wanted is not None:
        _perhaps_die(place, _wanted)


def _perhaps_die(place: str, wanted: str) -> None:
    global _reached
    name, nth, once = wanted.split(":", 2)
    if name != place:
        return
    with _lock:
        _reached += 1
        if _reached == int(nth) and not Path(once).exists():
            Path(once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
