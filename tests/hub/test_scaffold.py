"""A new connector is written into a folder of its own, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.scaffold import new_connector


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a.b", "a\n", "a b", "A", "", "_a", "a__b", "a" * 61, "á", "..", "a\0"]
)
def test_a_name_that_is_no_plain_word_writes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a connector"):
        new_connector(name, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_left_alone(tmp_path: Path) -> None:
    """Also what a link only leads to."""
    file, outside, link = tmp_path / "file", tmp_path / "outside", tmp_path / "link"
    file.write_text("mine")
    outside.mkdir()
    link.symlink_to(outside)
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    for place in (file, link, dangling, tmp_path):
        with pytest.raises(FileExistsError, match="--dir"):
            new_connector("my_tracker", place)
    assert file.read_text() == "mine"
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


def test_every_file_lands_inside_the_folder(tmp_path: Path) -> None:
    written = new_connector("my_tracker", tmp_path / "new")
    assert written
    assert all(one.resolve().is_relative_to(tmp_path / "new") for one in written)
