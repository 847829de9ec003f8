"""What follows from the hour alone: who is there now, what was offered and not taken, and voices
given on what has changed since.
"""

from __future__ import annotations

from typing import Any

from hub.hub import Hub
from hub.process import chasing, ownership, questions

_BUCKET = 60


class Tending:
    """Sees to it in the rhythm of the scheduler: at once when people or absences change, and every
    minute, as days begin at other times elsewhere, and work begins where nobody is there.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seen: tuple[Any, int] | None = None

    def tend(self) -> int:
        """Chase handoffs, settle who answers for what, and ask those again whose voice counts no
        more; how much there was.
        """
        hub = self._hub
        now = hub.clock()
        seen = (hub.live.current().presence, int(now.timestamp()) // _BUCKET)
        with hub.unit() as unit:
            done = chasing.chase(unit)
            if seen != self._seen:
                done += ownership.settle(unit)
                done += questions.ask_who_saw_less(unit)
        self._seen = seen
        return done
