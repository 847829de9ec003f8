"""What docs/mappings.md shows is run: somebody writes their first mapping from it, alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub import mapping_docs
from hub.flow.merge import FieldPolicy, merge
from hub.mapping_docs import mapping_of
from mappings.check import check_mapping
from mappings.compiler import compile_mapping
from mappings.examples import run_examples
from mappings.keys import CONFLICTS
from mappings.language import MappingSpec, extend, load_mapping
from mappings.source import Finding

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / mapping_docs.FILE).read_text("utf-8")
STAYS = "—"
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


class Office:
    """Dana, as the page has her in people.yaml; everybody else is called as in the tool."""

    def party_for(self, connection: str, handle: str) -> str | None:
        return "dana" if handle == "3791" else handle

    def handle_for(self, connection: str, party: str) -> str | None:
        return "3791" if party == "dana" else party


@dataclass(frozen=True)
class Row:
    """One line of a table: some lines of `fields`, a record, and what comes of it both ways."""

    written: str
    record: Any
    here: Any
    back: Any


def code(cell: str) -> Any:
    return json.loads(cell.strip("`")) if cell else {}


def rows() -> Iterator[Row]:
    """The lines of all tables with the columns: written, in the tool, here, written back."""
    for table in re.findall(r"\| written \| in the tool .*?\n\|[-|]+\n((?:\|.*\n)+)", PAGE):
        for line in table.splitlines():
            cells = line.removeprefix("|").removesuffix("|").split(" | ")
            written, record, here, back = (cell.strip() for cell in cells)
            value = STAYS if here == STAYS else code(here)
            yield Row(written.strip("`"), code(record), value, code(back))


ROWS = list(rows())


@pytest.mark.parametrize("row", ROWS, ids=[f"{at}-{one.written}" for at, one in enumerate(ROWS)])
def test_a_row_of_a_table_holds_both_ways(row: Row) -> None:
    name = row.written.partition(":")[0]
    compiled = mapping_of(row.written)
    assert [one for one in check(compiled.spec) if "is not filled" not in one.message] == []
    mapped = compiled.inward(row.record, Office(), "support")
    assert mapped.problems == []
    assert mapped.values.get(name, STAYS) == row.here
    back = compiled.outward(mapped.values, Office(), "support")
    assert back.problems == []
    assert back.fields == row.back


def check(spec: MappingSpec) -> list[Finding]:
    return list(check_mapping(spec))


def blocks() -> list[tuple[str, list[Any]]]:
    """Each whole mapping of the page, with the documents shown beside it: the record, what it
    becomes, and what is written back.
    """
    found: list[tuple[str, list[Any]]] = []
    fresh = False
    for language, text in _BLOCK.findall(PAGE):
        if language == "yaml":
            fresh = bool(re.search(r"^mapping: ", text, re.MULTILINE))
            if fresh:
                found.append((text, []))
        elif language == "json" and fresh:
            found[-1][1].append(json.loads(text))
    return found


BLOCKS = blocks()


def test_every_json_document_of_the_page_belongs_to_a_mapping() -> None:
    shown = sum(language == "json" for language, _ in _BLOCK.findall(PAGE))
    assert shown == sum(len(documents) for _, documents in BLOCKS) > 5


@pytest.mark.parametrize(("text", "documents"), BLOCKS, ids=[str(n) for n in range(len(BLOCKS))])
def test_a_mapping_of_the_page_does_what_is_shown_beside_it(
    text: str, documents: list[Any]
) -> None:
    spec, findings = load_mapping("page.yaml", text)
    assert findings == []
    assert spec is not None
    if spec.extends:
        base = ROOT / "connectors" / "github" / "mappings" / "issue.yaml"
        parent, _ = load_mapping("issue.yaml", base.read_text("utf-8"))
        assert parent is not None
        spec = extend(parent, spec)
        assert "due" not in spec.fields
    assert check(spec) == []
    compiled = compile_mapping(spec, "Europe/Zurich")
    assert run_examples(compiled, lambda _: documents[0]) == []
    if not documents:
        assert spec.extends
        return
    record, here, *back = documents
    assert compiled.matches(record)
    mapped = compiled.inward(record, Office(), "support")
    assert (mapped.problems, mapped.values) == ([], here)
    if back:
        assert compiled.outward(mapped.values, Office(), "support").fields == back[0]


POLICIES = re.findall(
    r"^\| `(conflict|system_of_record|direction): (\w+)`[^|]*\| (ours|theirs|the later edit)",
    PAGE,
    re.MULTILINE,
)


def test_the_table_of_conflicts_has_every_policy() -> None:
    assert {(key, word) for key, word, _ in POLICIES} == {
        *(("conflict", word) for word in CONFLICTS),
        *(("system_of_record", word) for word in ("hub", "support", "crm")),
        ("direction", "in"),
    }


@pytest.mark.parametrize("newer", [True, False], ids=["theirs is newer", "ours is newer"])
@pytest.mark.parametrize(("key", "word", "holds"), POLICIES)
def test_the_side_that_the_page_names_holds(key: str, word: str, holds: str, newer: bool) -> None:
    said: dict[str, Any] = {"direction": "both", "conflict": "review"}
    said["authority" if key == "system_of_record" else key] = word
    ours, theirs, base = {"title": "Ours"}, {"title": "Theirs"}, {"title": "Base"}
    policy, link = FieldPolicy(**said), {"remote_base": base, "hub_base": base}
    merged = merge(
        "support", {"title": policy}, theirs, theirs, ours, link, remote_is_newer=lambda _: newer
    )
    later = "theirs" if newer else "ours"
    expected = later if holds == "the later edit" else holds
    assert ("theirs" if merged.values else "ours") == expected
    assert bool(merged.conflicts) is (word == "review")


def test_every_message_that_the_page_explains_is_one_that_is_said() -> None:
    """By its words: between those that stand for something, each must be in the source."""
    source = "\n".join(file.read_text("utf-8") for file in (ROOT / "mappings").rglob("*.py"))
    plain = re.sub(r"\{[^{}]*\}", "…", re.sub(r"\"\s*\n\s*f?\"", "", source))
    table = PAGE.partition("## Errors you may meet")[2].partition("\n## ")[0]
    messages = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert len(messages) > 9
    for message in messages:
        shape = re.sub(r"'[^']*'", "'…'", message).replace("a task", "a …")
        parts = [part.strip() for part in re.split("…", shape)]
        missing = [part for part in parts if len(part) > 3 and part not in plain]
        assert missing == [], message


def test_every_link_of_the_page_leads_somewhere() -> None:
    titles = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, anchor = target.partition("#")
        if target.startswith("#"):
            assert anchor in anchors, target
        elif not target.startswith("https:"):
            assert (ROOT / "docs" / file).is_file(), target


def test_the_tables_are_those_that_the_code_tells() -> None:
    assert mapping_docs.page(PAGE) == PAGE, "run make docs"
