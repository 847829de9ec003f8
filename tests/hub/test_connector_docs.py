"""Documentation that is made from declarations is the documentation that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.sdk.conformance import CHECKS
from hub import connector_docs
from hub.registry import connector_classes

ROOT = Path(__file__).parents[2]
OURS = {
    name: cls for name, cls in connector_classes().items() if (ROOT / "connectors" / name).is_dir()
}


def test_what_make_docs_writes_is_what_is_there() -> None:
    stale = [
        str(file.relative_to(ROOT))
        for file, content in connector_docs.write(OURS, ROOT)
        if not file.is_file() or file.read_text("utf-8") != content
    ]
    assert stale == [], "run make docs"


@pytest.mark.parametrize("name", OURS)
def test_every_connector_s_readme_has_a_place_for_its_declarations(name: str) -> None:
    text = (ROOT / "connectors" / name / "README.md").read_text("utf-8")
    assert connector_docs.BEGIN in text
    assert connector_docs.END in text


@pytest.mark.parametrize("name", OURS)
def test_every_setting_is_described(name: str) -> None:
    settings = connector_docs.described(name, OURS[name])["settings"]
    assert [one["key"] for one in settings if not one["meaning"]] == []


def test_every_check_has_a_reason_that_is_a_sentence() -> None:
    for one in CHECKS.values():
        assert len(one.why) > 25, one.name
        assert one.why.endswith("."), one.name
