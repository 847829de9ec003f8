"""The workspace folder as text: which files belong to it, read with limits; a starter for it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from mappings.source import Finding, Place, SourceError

MAX_FILE = 1 << 20
MAX_SAMPLE = 5 << 20
MAX_TOTAL = 64 << 20
MAX_FILES = 5_000

SINGLE = ("hub.yaml", "people.yaml")
FOLDERS = ("mappings", "rules", "processes", "services")


def read_files(directory: str | os.PathLike[str]) -> dict[str, str]:
    """Path within the workspace to text, sorted: hub.yaml, people.yaml, the YAML files of
    mappings/, rules/, processes/ and services/, and samples/.

    Raises SourceError for a folder that is no workspace and for a file that is too large, not
    UTF-8, or a link that leads out of the folder.
    """
    root = Path(directory)
    if not (root / "hub.yaml").is_file():
        raise SourceError(
            [
                Finding(
                    Place("hub.yaml"),
                    f"there is no hub.yaml in '{root}'.",
                    "Name a workspace folder, or make one with: hub init DIR",
                )
            ]
        )
    real = root.resolve()
    files: dict[str, str] = {}
    findings: list[Finding] = []
    total = 0
    for name, path in _candidates(root):
        target = path.resolve()
        complaint = ""
        if not target.is_relative_to(real):
            complaint = "this link leads out of the workspace. Copy the file into it."
        elif not target.is_file():
            complaint = "this is not a regular file. Remove it."
        elif (size := target.stat().st_size) > (limit := _limit(name)):
            complaint = f"the file has {size:,} bytes; {limit:,} are allowed. Split it."
        elif len(files) >= MAX_FILES or total + size > MAX_TOTAL:
            complaint = f"the workspace is too large ({MAX_FILES:,} files, {MAX_TOTAL >> 20} MiB)."
        if not complaint:
            total += size
            try:
                files[name] = target.read_bytes().decode("utf-8-sig")
                continue
            except UnicodeDecodeError as error:
                complaint = f"not UTF-8 text (byte {error.start + 1}). Save it as UTF-8."
            except OSError as error:
                complaint = f"cannot be read: {error.strerror}."
        what, _, remedy = complaint.partition(". ")
        findings.append(Finding(Place(name), f"{what.rstrip('.')}.", remedy))
        if len(findings) >= 20:
            break
    if findings:
        raise SourceError(findings)
    return dict(sorted(files.items()))


def workspace_hash(files: Mapping[str, str]) -> str:
    """SHA-256 over the files in order of their names; the same for the same workspace anywhere."""
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (name, files[name]):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
    return digest.hexdigest()


def write_starter(directory: str | os.PathLike[str]) -> list[str]:
    """Write the commented starter workspace and return its files' names.

    Raises FileExistsError, before anything is written, if any of them is there already.
    """
    root = Path(directory)
    contents = dict(_starter_files())
    for name in contents:
        if (root / name).exists() or (root / name).is_symlink():
            raise FileExistsError(
                f"{root / name} exists already. Choose an empty folder; nothing was written."
            )
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    return sorted(contents)


def _starter_files() -> Iterator[tuple[str, str]]:
    starter = resources.files("hub.starter")
    for name in SINGLE:
        yield name, (starter / name).read_text("utf-8")
    for folder in (*FOLDERS, "samples"):
        place = starter / folder
        if place.is_dir():
            for entry in place.iterdir():
                if entry.name.endswith((".yaml", ".json")):
                    yield f"{folder}/{entry.name}", entry.read_text("utf-8")


def _candidates(root: Path) -> Iterator[tuple[str, Path]]:
    for name in SINGLE:
        if (root / name).exists() or (root / name).is_symlink():
            yield name, root / name
    for folder in FOLDERS:
        for path in _entries(root, folder):
            # .yml is taken along so that the check can say why it does not count
            if path.suffix in (".yaml", ".yml"):
                yield f"{folder}/{path.name}", path
    for path in _entries(root, "samples"):
        yield f"samples/{path.name}", path


def _entries(root: Path, folder: str) -> list[Path]:
    place = root / folder
    if not place.is_dir():
        return []
    return sorted(
        path for path in place.iterdir() if not path.name.startswith(".") and not path.is_dir()
    )


def _limit(name: str) -> int:
    return MAX_SAMPLE if name.startswith("samples/") else MAX_FILE
