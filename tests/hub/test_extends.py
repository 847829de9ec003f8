"""A team changes two fields of a mapping that a connector ships, and keeps the rest: now, and when
a newer version of the connector comes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub.registry import connector_classes
from hub.workspace import mapping_files
from hub.workspace.connections import ConnectionSpec
from hub.workspace.mapping_files import load_mappings
from mappings.compiler import CompiledMapping
from mappings.examples import Namesakes
from mappings.language import load_mapping
from mappings.source import Map, Place
from mappings.spec import MappingSpec
from mappings.written_mapping import extending_text, resolved_text

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(ROOT.glob("connectors/*/mappings/*.yaml"))
HERE = Place("hub.yaml")


def shipped(path: Path) -> MappingSpec:
    spec, findings = load_mapping(str(path.relative_to(ROOT)), path.read_text())
    assert findings == []
    assert spec is not None
    return spec


def in_force(connector: str, object: str, **files: str) -> CompiledMapping:
    """The mapping that a connection of this connector uses, with these files in mappings/."""
    compiled, findings = load_mappings(
        {f"mappings/{name}.yaml": text for name, text in files.items()},
        [],
        {"tool": ConnectionSpec("tool", connector, Map(HERE), HERE)},
        connector_classes(),
        "UTC",
    )
    errors = [found for found in findings if found.severity == "error"]
    assert errors == [], "\n".join(map(str, errors))
    return compiled[("tool", object)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
@pytest.mark.parametrize("called", ["ours", "by the same name"])
def test_two_fields_are_overridden_and_the_rest_is_kept(path: Path, called: str) -> None:
    base = shipped(path)
    assert base.object is not None
    changed = [*base.fields][:2]
    name = base.name if called != "ours" else "ours"
    own = f"mapping: {name}\nextends: {base.name}\nfields:\n" + "".join(
        f"  {field}: {{from: $.our_{number}, direction: in}}\n"
        for number, field in enumerate(changed)
    )
    spec = in_force(path.parts[-3], base.object, ours=own).spec
    assert spec.place.file == "mappings/ours.yaml"
    assert list(spec.fields) == list(base.fields)
    for field_name, field in spec.fields.items():
        if field_name in changed:
            assert field.sources[0].text == f"$.our_{changed.index(field_name)}"
            assert field.place.file == "mappings/ours.yaml"
        else:
            assert field == base.fields[field_name]
            assert field.place.file == str(path.relative_to(ROOT))
    for key in ("entity", "filter", "direction", "conflict", "deletes_in", "deletes_out"):
        assert getattr(spec, key) == getattr(base, key)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_an_ejected_mapping_means_what_the_default_means(path: Path) -> None:
    base = shipped(path)
    assert base.object is not None
    text = extending_text(base, base.name, None)
    spec = in_force(path.parts[-3], base.object, ours=text).spec
    assert spec.fields == base.fields
    # every commented field holds when its mark is taken away
    taken = text.replace("\n#  ", "\n  ")
    again = in_force(path.parts[-3], base.object, ours=taken).spec
    assert again.fields.keys() == base.fields.keys()
    assert {one.place.file for one in again.fields.values()} == {"mappings/ours.yaml"}
    assert_same_meaning(again, base)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_a_resolved_mapping_reads_back_as_the_same(path: Path) -> None:
    base = shipped(path)
    spec, findings = load_mapping("shown.yaml", resolved_text(base))
    assert findings == []
    assert spec is not None
    assert (spec.connector, spec.object, spec.entity) == (base.connector, base.object, base.entity)
    assert (spec.filter and spec.filter.text) == (base.filter and base.filter.text)
    assert_same_meaning(spec, base)


def assert_same_meaning(one: MappingSpec, other: MappingSpec) -> None:
    def said(spec: MappingSpec) -> dict[str, Any]:
        return {
            name: (
                [source.text for source in field.sources], field.text and field.text.text,
                field.value, field.condition and field.condition.text,
                field.values and [(p.vendor, p.canonical) for p in field.values],
                {p.canonical: p.vendor for p in field.back}, field.otherwise,
                [(use.name, dict(use.params), use.argument) for use in field.transforms],
                field.to and field.to.text, field.default, field.direction,
                field.system_of_record, field.conflict,
            )
            for name, field in spec.fields.items()
        }  # fmt: skip

    assert said(one) == said(other)


def test_what_a_newer_version_of_the_default_says_is_picked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = "mapping: ours\nextends: github-issue\nfields:\n  title: $.our_title\n  labels: null\n"
    record = {"title": "A", "our_title": "B", "body": "C", "state": "open", "body_html": "D",
              "milestone": {"due_on": "2026-03-04"}, "start": "2026-03-01"}  # fmt: skip
    before = in_force("github", "issue", ours=own).inward(record, Namesakes(), "tool")
    assert before.values["title"] == "B"
    assert before.values["description"] == "C"
    assert "labels" not in before.values
    assert "start_by" not in before.values

    file = ROOT / "connectors" / "github" / "mappings" / "issue.yaml"
    newer = file.read_text().replace("$.body ", "$.body_html ")
    newer = newer.replace("\nfields:", "\nfields:\n  start_by: {from: $.start, as: date}", 1)
    spec, findings = load_mapping("connectors/github/mappings/issue.yaml", newer)
    assert findings == []
    monkeypatch.setattr(mapping_files, "_default_specs", lambda connector: ((spec,), ()))
    after = in_force("github", "issue", ours=own).inward(record, Namesakes(), "tool")
    assert after.values["title"] == "B"
    assert after.values["description"] == "D"
    assert after.values["start_by"] == {"date": "2026-03-01"}
    assert "labels" not in after.values
