"""The mappings that connectors bring along: each loads, checks clean and holds its examples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mappings.check import check_mapping
from mappings.compiler import compile_mapping
from mappings.examples import run_examples
from mappings.language import load_mapping

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(ROOT.glob("connectors/*/mappings/*.yaml"))


def test_the_connectors_bring_mappings() -> None:
    assert {path.parts[-3] for path in FILES} >= {"github", "salesforce"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_a_default_mapping_is_sound(path: Path) -> None:
    spec, findings = load_mapping(str(path.relative_to(ROOT)), path.read_text())
    assert findings == []
    assert spec is not None
    assert spec.connector == path.parts[-3], "a default serves every connection of its connector"
    errors = [finding for finding in check_mapping(spec) if finding.severity == "error"]
    assert errors == [], "\n".join(finding.with_caret() for finding in errors)

    def sample(name: str) -> object:
        return json.loads((path.parent.parent / name).read_text())

    wrong = run_examples(compile_mapping(spec), sample)
    assert wrong == [], "\n".join(finding.with_caret() for finding in wrong)


@pytest.mark.parametrize("event", ["opened", "assigned", "edited", "labeled"])
def test_githubs_default_maps_its_recorded_events(event: str) -> None:
    connector = ROOT / "connectors" / "github"
    spec, _ = load_mapping("issue.yaml", (connector / "mappings" / "issue.yaml").read_text())
    assert spec is not None
    issue = json.loads((connector / "fixtures" / f"issues.{event}.json").read_text())["issue"]

    class Anyone:
        def party_for(self, connection: str, handle: str) -> str | None:
            return f"p_{handle}"

        def handle_for(self, connection: str, party: str) -> str | None:
            return party.removeprefix("p_")

    compiled = compile_mapping(spec)
    mapped = compiled.inward(issue, Anyone(), "github")
    assert mapped.problems == []
    assert mapped.values["title"] == issue["title"]
    assert mapped.values["status"] == "open"
    assert mapped.values["labels"] == [label["name"] for label in issue["labels"]]
    assignee = issue["assignee"] and f"p_{issue['assignee']['login']}"
    assert mapped.values["assignee"] == assignee
    outward = compiled.outward(mapped.values, Anyone(), "github", base=issue)
    assert outward.problems == []
    assert outward.fields["state"] == issue["state"]
