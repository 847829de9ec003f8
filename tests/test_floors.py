"""The floors of the house: imports point down only, and rooms stay a size that one can read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("hub", "webhooks", "mappings", "connectors")

# what each floor may import of ours, by the start of the module's name
MAY_IMPORT = {
    "hub": ("hub", "webhooks", "mappings", "connectors"),
    "webhooks": ("webhooks", "connectors.sdk"),
    "mappings": ("mappings",),
    "connectors.sdk": ("connectors.sdk",),
}
LONGEST = 600
"""Lines. The aim is 400; a room beyond this must be redrawn."""


def _modules() -> Iterator[Path]:
    for floor in FLOORS:
        yield from sorted((ROOT / floor).rglob("*.py"))


def _floor_of(path: Path) -> tuple[str, tuple[str, ...]]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == "connectors":
        if len(parts) > 2 and parts[1] != "sdk":
            vendor = f"connectors.{parts[1]}"
            return vendor, (vendor, "connectors.sdk")
        return "connectors.sdk", MAY_IMPORT["connectors.sdk"]
    return parts[0], MAY_IMPORT[parts[0]]


def imports_of(source: str) -> Iterator[tuple[int, str]]:
    """Every module that a source imports anywhere, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level + (node.module or "")
            elif node.module in FLOORS:
                for name in node.names:
                    yield node.lineno, f"{node.module}.{name.name}"
            else:
                yield node.lineno, node.module or ""


def breaches(path: Path, source: str) -> list[str]:
    """Imports of a module that point up, sideways to a sibling, or relative."""
    floor, allowed = _floor_of(path)
    found = []
    for line, name in imports_of(source):
        ours = name.startswith(".") or name.split(".")[0] in FLOORS
        fine = any(name == one or name.startswith(one + ".") for one in allowed)
        if ours and not fine:
            found.append(f"{path.relative_to(ROOT)}:{line} ({floor}) imports {name}")
    return found


def test_imports_point_down() -> None:
    """hub > webhooks, mappings > connectors > connectors.sdk; a connector knows no sibling."""
    found = [breach for path in _modules() for breach in breaches(path, path.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("mappings/x.py", "import hub.store"),
        ("mappings/x.py", "from connectors import sdk"),
        ("webhooks/x.py", "from hub.store import inbox"),
        ("webhooks/x.py", "from connectors.github import connector"),
        ("connectors/sdk/x.py", "from mappings import canonical"),
        ("connectors/github/x.py", "from connectors.salesforce import connector"),
        ("connectors/github/x.py", "def f():\n    from hub import app"),
        ("hub/x.py", "from .store import inbox"),
    ],
)
def test_an_import_that_points_up_is_seen(path: str, source: str) -> None:
    """The check above can fail."""
    assert breaches(ROOT / path, source)


def test_mappings_know_no_clock_and_no_network() -> None:
    """Time is passed in; nothing is read or sent."""
    forbidden = {"time", "socket", "httpx", "requests", "random", "os", "subprocess", "sqlalchemy"}
    found = [
        f"{path.name}:{line} imports {name}"
        for path in sorted((ROOT / "mappings").rglob("*.py"))
        for line, name in imports_of(path.read_text())
        if name.split(".")[0] in forbidden
    ]
    assert not found, "\n".join(found)


def test_rooms_stay_readable() -> None:
    """No module grows beyond what one can hold in mind."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in _modules()
        if "migrations/versions" not in str(path)
        and (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert not long


def test_every_module_says_what_it_is_for() -> None:
    """One to three sentences at the top; only empty package markers may stay silent."""
    silent = [
        str(path.relative_to(ROOT))
        for path in _modules()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent
