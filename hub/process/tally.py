"""Counting voices: from what people said on which evidence to whether that is a decision. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a decision is.

    `outcome` is what the voices decide, None while they do not. `counts` are the voices for each
    option that was chosen. `asked` and `waiting` are the ids of the seats whose voice is to be
    given now, and later. `stale` are those of voices that were given on other evidence: they do not
    count until they are given again.
    """

    outcome: str | None
    counts: Mapping[str, int]
    asked: tuple[str, ...]
    waiting: tuple[str, ...]
    stale: tuple[str, ...]
    needed: int

    @property
    def given(self) -> int:
        """Voices that count."""
        return sum(self.counts.values())

    @property
    def stalled(self) -> bool:
        """Everybody has spoken, and it decides nothing."""
        return self.outcome is None and not self.asked and not self.waiting

    def in_words(self) -> str:
        """`2 approved, 1 rejected; 3 alike are needed`."""
        said = ", ".join(
            f"{count} {option.replace('_', ' ')}" for option, count in self.counts.items()
        )
        return f"{said or 'no voice yet'}; {self.needed} alike are needed"


def counts(seat: Row, evidence_hash: str) -> bool:
    """Whether a voice was given in a seat, on this evidence."""
    return seat["outcome"] is not None and seat["evidence_hash"] == evidence_hash


def tally(
    decision: Row,
    seats: Sequence[Row],
    evidence_hash: str,
    decides_at_once: Collection[str] = (),
) -> Standing:
    """How a decision stands on this evidence. `seats` in their order; `decides_at_once` are the
    options that, in a sequence, are not passed on.
    """
    counting = [seat for seat in seats if counts(seat, evidence_hash)]
    open_ = [seat["id"] for seat in seats if not counts(seat, evidence_hash)]
    by_option = Counter(seat["outcome"] for seat in counting)
    stale = [seat["id"] for seat in seats if seat["outcome"] and not counts(seat, evidence_hash)]
    vetoed = next(
        (seat["outcome"] for seat in counting if seat["outcome"] in decision["veto"]), None
    )
    if decision["sequence"]:
        asked, waiting = open_[:1], open_[1:]
        at_once = (seat["outcome"] for seat in counting if seat["outcome"] in decides_at_once)
        ended = not open_ and len(counting) >= decision["quorum"]
        outcome = vetoed or next(at_once, counting[-1]["outcome"] if ended else None)
    else:
        asked, waiting = open_, []
        reached = (one for one, count in by_option.items() if count >= decision["quorum"])
        outcome = vetoed or next(reached, None)
    return Standing(
        outcome, dict(by_option), tuple(asked), tuple(waiting), tuple(stale), decision["quorum"]
    )
