"""Which issue is where: comments name theirs by number only, and changes name it by id."""

from __future__ import annotations

import threading

REMEMBERED = 20_000
"""Issues kept in memory. Neither their ids nor their numbers ever change."""


class Places:
    """Ids of issues by repository and number, and back. Safe in threads."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, int], str] = {}
        self._places: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()

    def remember(self, repository: str, number: int, id: str) -> None:
        with self._lock:
            if len(self._ids) >= REMEMBERED:
                self._ids.clear()
                self._places.clear()
            self._ids[(repository.casefold(), number)] = id
            self._places[id] = (repository, number)

    def id(self, repository: str, number: int) -> str | None:
        with self._lock:
            return self._ids.get((repository.casefold(), number))

    def place(self, id: str | None) -> tuple[str, int] | None:
        """Repository and number of an issue."""
        with self._lock:
            return self._places.get(id or "")
