"""The commands of integrators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub.cli import connector as room

Run = Callable[..., Any]


def test_every_connector_is_listed_with_its_tier(read: Run, run: Run) -> None:
    listed = {one["name"]: one for one in read("connector", "list")}
    assert listed["github"]["tier"] == "gold"
    assert "issue" in listed["github"]["objects"]
    assert "gold" in run("connector", "list").stdout


def test_docs_tell_settings_objects_and_mappings(run: Run, read: Run) -> None:
    page = run("connector", "docs", "github").stdout
    assert "`repositories`" in page
    assert "mapping: github-issue" in page
    assert read("connector", "docs", "github")["objects"]["issue"]["lost_create"] == "looked up"


def test_a_misspelt_connector_gets_a_suggestion(run: Run) -> None:
    assert "Did you mean 'github'?" in run("connector", "docs", "gihub", code=1).stderr


def test_one_check_can_be_played_alone(run: Run, read: Run) -> None:
    out = run("connector", "test", "github", "--check", "creates").stdout
    assert "✓ silver creates" in out
    assert "earns" not in out  # one check makes no tier
    [check] = read("connector", "test", "github", "--check", "creates")["checks"]
    assert (check["verdict"], check["objects"]) == ("passed", ["issue", "comment"])


def test_a_misspelt_check_is_wrong_use(run: Run) -> None:
    error = run("connector", "test", "github", "--check", "create", code=2).stderr
    assert "Did you mean 'creates'?" in error


def test_a_connector_is_found_by_its_folder(run: Run) -> None:
    folder = Path(room.__file__).parents[2] / "connectors" / "github"
    run("connector", "test", folder, "--check", "documents-its-settings")


def test_a_folder_that_is_no_connector_is_said_to_be_none(run: Run, tmp_path: Path) -> None:
    assert "pyproject.toml" in run("connector", "test", tmp_path, code=1).stderr


def test_a_new_connector_says_what_to_do_next(run: Run, tmp_path: Path) -> None:
    made = run("connector", "new", "desk_nine", "--dir", tmp_path / "desk")
    assert "hub connector test ." in made.stderr
    assert (tmp_path / "desk" / "hub_desk_nine" / "connector.py").is_file()
    assert "something" in run("connector", "new", "x", "--dir", tmp_path / "desk", code=1).stderr
    assert "my_tracker" in run("connector", "new", "X-Y", code=2).stderr
