"""Counting voices: when they are a decision, whose are still asked, and which do not count."""

from __future__ import annotations

from typing import Any

import pytest

from hub.process.tally import Standing, tally


def seats(*said: str) -> list[dict[str, Any]]:
    """`yes` on the evidence of now, `~yes` on other evidence, `` not yet."""
    return [
        {
            "id": f"s{number}",
            "outcome": text.lstrip("~") or None,
            "evidence_hash": "old" if text.startswith("~") else "now" if text else None,
        }
        for number, text in enumerate(said, 1)
    ]


def count(quorum: int, *said: str, veto: str = "", sequence: str | None = None) -> Standing:
    decision = {"quorum": quorum, "veto": veto.split(), "sequence": sequence is not None}
    return tally(decision, seats(*said), "now", (sequence or "").split())


@pytest.mark.parametrize(
    ("quorum", "said", "outcome"),
    [
        (1, ["yes"], "yes"),
        (1, ["", ""], None),
        (2, ["yes", ""], None),
        (2, ["yes", "no", ""], None),
        (2, ["yes", "no", "yes"], "yes"),
        (2, ["yes", "~yes", ""], None),
        (3, ["yes", "yes", "~yes"], None),
        (3, ["no", "no", "no", "yes"], "no"),
    ],
    ids=str,
)
def test_a_quorum_is_reached_by_voices_that_agree_on_the_same_evidence(
    quorum: int, said: list[str], outcome: str | None
) -> None:
    assert count(quorum, *said).outcome == outcome


def test_one_voice_is_enough_for_a_veto_unless_it_is_stale() -> None:
    assert count(3, "yes", "no", "", veto="no").outcome == "no"
    assert count(3, "yes", "~no", "", veto="no").outcome is None


def test_a_stale_voice_is_asked_for_again() -> None:
    found = count(2, "~yes", "no", "")
    assert (found.asked, found.stale, found.given) == (("s1", "s3"), ("s1",), 1)


def test_all_have_spoken_and_nothing_is_reached() -> None:
    found = count(2, "yes", "no")
    assert found.stalled
    assert found.in_words() == "1 yes, 1 no; 2 alike are needed"
    assert not count(2, "yes", "").stalled
    assert not count(2, "yes", "~no").stalled


@pytest.mark.parametrize(
    ("said", "outcome", "asked", "waiting"),
    [
        (["", "", ""], None, ("s1",), ("s2", "s3")),
        (["yes", "", ""], None, ("s2",), ("s3",)),
        (["back", "", ""], "back", ("s2",), ("s3",)),
        (["no", "yes", "no"], "no", (), ()),
        (["yes", "no", "yes"], "yes", (), ()),
        (["~yes", "no", "yes"], None, ("s1",), ()),
        (["~back", "", ""], None, ("s1",), ("s2", "s3")),
    ],
    ids=str,
)
def test_a_sequence_asks_one_after_the_other_and_the_last_one_decides(
    said: list[str], outcome: str | None, asked: tuple[str, ...], waiting: tuple[str, ...]
) -> None:
    """An option that ends the case or sends it back is not passed on."""
    found = count(3, *said, sequence="back")
    assert found.outcome == outcome
    assert (found.asked, found.waiting) == (asked, waiting)


def test_a_sequence_in_which_somebody_is_missing_does_not_end() -> None:
    assert count(3, "yes", "yes", sequence="").outcome is None
