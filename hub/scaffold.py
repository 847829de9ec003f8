"""A new connector: the template, copied and renamed, so that it works before it is edited."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

LEFT_OUT = frozenset({"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", "build"})
LONGEST = 60
KINDS = frozenset({".py", ".toml", ".yaml", ".json", ".md"})


def template() -> Path:
    """Where the template stands: beside the sources, or with the installed hub."""
    beside = Path(__file__).parent.parent / "connector_template"
    shared = Path(sysconfig.get_path("data")) / "share" / "process-hub" / "connector_template"
    for folder in (beside, shared):
        if (folder / "pyproject.toml").is_file():
            return folder
    raise FileNotFoundError(f"The connector template is neither at {beside} nor at {shared}.")


def new_connector(name: str, folder: Path) -> list[Path]:
    """Copy the template to `folder` under another name; the files that were written.

    Raises ValueError for a name that is no plain word, FileExistsError where something is there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > LONGEST:
        raise ValueError(
            f"'{name[:LONGEST]}' cannot name a connector. Write lower-case words joined by _, at "
            f"most {LONGEST} letters: my_tracker."
        )
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FileExistsError(f"{folder} is no folder. Name another with --dir.")
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"There is something in {folder} already. Name another with --dir.")
    source, written = template(), []
    for file in _files(source):
        place = folder / _renamed(str(file.relative_to(source)), name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_renamed(file.read_text("utf-8"), name), "utf-8")
        written.append(place)
    return written


def _files(source: Path) -> Iterator[Path]:
    for file in sorted(source.rglob("*")):
        parts = set(file.relative_to(source).parts)
        if file.suffix in KINDS and not any(
            part in LEFT_OUT or part.endswith(".egg-info") for part in parts
        ):
            yield file


def _renamed(text: str, name: str) -> str:
    words = name.split("_")
    title = " ".join(word.capitalize() for word in words)
    for old, new in (
        ("Acme Desk", title),
        ("acme-desk", "-".join(words)),
        ("hub-acme", "hub-" + "-".join(words)),
        ("x-acme", "x-" + "-".join(words)),
        ("Acme", "".join(word.capitalize() for word in words)),
        ("ACME", name.upper()),
        ("acme", name),
    ):
        text = text.replace(old, new)
    return text
