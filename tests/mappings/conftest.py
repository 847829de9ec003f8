"""A small directory of people, and mappings written inside a test."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mappings.compiler import CompiledMapping, compile_mapping
from mappings.language import MappingSpec, load_mapping

HEAD = "mapping: test\nconnection: desk\nobject: ticket\nentity: {entity}\n{extra}fields:\n"


class People:
    """Dana and Lee, as the tool `desk` calls them."""

    handles = {"dmeier": "p_dana", "lee@acme.test": "p_lee"}

    def party_for(self, connection: str, handle: str) -> str | None:
        return self.handles.get(handle) if connection == "desk" else None

    def handle_for(self, connection: str, party: str) -> str | None:
        back = {party: handle for handle, party in self.handles.items()}
        return back.get(party) if connection == "desk" else None


@pytest.fixture
def people() -> People:
    return People()


def spec_of(fields: str, entity: str = "task", extra: str = "") -> MappingSpec:
    """A mapping with these lines under `fields`; the form must be right."""
    head = HEAD.format(entity=entity, extra=extra)
    text = head + textwrap.indent(textwrap.dedent(fields), "  ")
    spec, findings = load_mapping("test.yaml", text)
    assert not findings, "\n".join(map(str, findings))
    assert spec is not None
    return spec


@pytest.fixture
def spec() -> Callable[..., MappingSpec]:
    return spec_of


@pytest.fixture
def mapping() -> Callable[..., CompiledMapping]:
    return lambda *args, zone="UTC", **kwargs: compile_mapping(spec_of(*args, **kwargs), zone)


@pytest.fixture
def github_issue() -> dict[str, Any]:
    """The issue of GitHub's published `issues.opened` example."""
    path = Path(__file__).parent / "fixtures" / "github.issues.opened.json"
    issue: dict[str, Any] = json.loads(path.read_text())["issue"]
    return issue
