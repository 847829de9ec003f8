"""The examples of a workspace as pytest tests, for whoever keeps a workspace in a repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hub.workspace.examples import suite

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "onboarding"

test_examples_of_the_demo = suite(EXAMPLE)
test_examples_of_order_to_cash = suite(ROOT / "examples" / "order-to-cash")
test_examples_of_the_incident = suite(ROOT / "examples" / "incident")


def played(folder: Path) -> subprocess.CompletedProcess[str]:
    """What pytest says in a folder with a workspace and the two lines of the page."""
    (folder / "test_workspace.py").write_text(
        'from hub.workspace.examples import suite\n\ntest_examples = suite("acme")\n'
    )
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_workspace.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_a_workspace_is_tested_by_pytest_and_a_failure_points_at_its_line(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "acme")
    ran = played(tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert " passed" in ran.stdout
    rules = next((tmp_path / "acme" / "rules").glob("*.yaml"))
    rules.write_text(rules.read_text().replace("expect: [", "expect: [deal-lost, ", 1))
    ran = played(tmp_path)
    assert ran.returncode != 0
    assert f"rules/{rules.name}:" in ran.stdout + ran.stderr


def test_a_workspace_with_mistakes_says_so_instead_of_passing(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "acme")
    (tmp_path / "acme" / "mappings").mkdir(exist_ok=True)
    (tmp_path / "acme" / "mappings" / "bad.yaml").write_text("mapping: bad\n")
    with pytest.raises(ValueError, match=r"mappings/bad\.yaml"):
        suite(tmp_path / "acme")
