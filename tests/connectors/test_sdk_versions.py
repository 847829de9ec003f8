"""Versions as text: whatever a vendor counts by sorts as it counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sdk.versions import LONGEST, comparable


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (9, 10),
        (9.5, 10),
        (7, 7.5),
        (-1, 0),
        (-1.5, -1),
        ("-2", "1"),
        ("9", 10),
        ("8", "10"),
        (1767225600, 1767225600.5),
        ("1767225600.25", "1767225600.5"),
        ("v9", "v10"),
        ("Rev. 9", "rev. 10"),
        ("9.1", "10.0"),
        ("1.9", "1.10"),
        ("1.9", "1.9.1"),
        ("2026-01-01", "2026-01-01T00:00:01Z"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00.5"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"),
        ("2026-01-01T00:30:00+01:00", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_later_version_sorts_later(older: Any, newer: Any) -> None:
    first, second = comparable(older), comparable(newer)
    assert first
    assert second
    assert first < second


@given(st.lists(st.integers(-(10**19), 10**19) | st.floats(-1e15, 1e15), min_size=2))
def test_numbers_sort_as_they_count(numbers: list[int | float]) -> None:
    versions = [comparable(one) for one in sorted(numbers)]
    assert versions == sorted(str(one) for one in versions)


@pytest.mark.parametrize(
    "value",
    [
        None, True, [], {}, "", "draft", "3f2a9c", "1.2.3-rc1", "2026-13-01", "9" * 21, 10**20,
        -(10**20), 10**5000, float("nan"), float("inf"), "v1" + ".1" * 60, "٣", "1.99999999999",
    ],
    ids=lambda value: str(type(value).__name__),
)  # fmt: skip
def test_what_has_no_order_is_no_version(value: Any) -> None:
    """Nor what would be too long for the store."""
    assert comparable(value) is None


@given(st.text() | st.floats() | st.integers())
def test_a_version_is_short(value: Any) -> None:
    found = comparable(value)
    assert found is None or 0 < len(found) <= LONGEST
