"""A newcomer's connector: made from the template, tested, installed and seen, unedited."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from hub.scaffold import new_connector, template

ROOT = Path(__file__).parent.parent


def run(*words: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(300)
def test_a_new_connector_passes_its_tests_and_is_seen_before_its_first_edit(tmp_path: Path) -> None:
    """In a virtual environment of its own, which sees our libraries and installs nothing else."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    ours = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path)
    lent = f"{sysconfig.get_path('purelib')}\n{ROOT}\n"
    (Path(ours.strip()) / "lent.pth").write_text(lent)
    hub = (python, "-m", "hub", "connector")
    folder = tmp_path / "made"
    written = run(*hub, "new", "my_tracker", "--dir", folder, cwd=tmp_path)
    assert "hub_my_tracker/connector.py" in written
    run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation",
        "--editable", folder, cwd=tmp_path)  # fmt: skip
    listed = run(*hub, "list", cwd=tmp_path)
    assert "My Tracker" in listed
    assert "gold" in next(line for line in listed.splitlines() if "my_tracker" in line)
    passed = run(python, "-m", "pytest", cwd=folder)
    assert "passed" in passed
    assert "failed" not in passed
    card = run(*hub, "test", ".", "--check", "creates", "--check", "pulls-everything", cwd=folder)
    assert card.count("✓") == 2


def test_nothing_of_the_template_s_name_is_left(tmp_path: Path) -> None:
    for file in new_connector("red_mine2", tmp_path / "made"):
        assert "acme" not in file.name.lower()
        assert "acme" not in file.read_text("utf-8").lower()


@pytest.mark.parametrize("name", ["", "Redmine", "red-mine", "2fast", "a/b", "../up", "red__mine"])
def test_a_name_that_is_no_plain_word_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="my_tracker"):
        new_connector(name, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="--dir"):
        new_connector("tracker", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_the_template_s_own_test_file_is_short() -> None:
    [test] = (template() / "tests").glob("*.py")
    assert len(test.read_text().splitlines()) < 20
