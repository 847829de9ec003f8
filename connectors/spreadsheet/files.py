"""Reading a file as one snapshot, and replacing it as a whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.sdk import ConfigError, NotSentError, TransientError

FRESH = 5.0
"""Seconds after which a file counts as written to its end."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file's content with what tells whether it changed since."""

    content: bytes
    mtime_ns: int
    size: int
    inode: int
    fresh: bool = False
    """Written within the last seconds: whoever writes it may not be done, and on some disks one
    time stamp covers two writes.
    """

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def stamp(path: Path) -> tuple[int, int, int] | None:
    """(mtime_ns, size, inode), or None if there is no such file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    return found.st_mtime_ns, found.st_size, found.st_ino


def read(path: Path, max_size: int, settle: float = 0) -> Snapshot | None:
    """The file as it is now; None if there is none. A file that is being written, or was within
    `settle` seconds, is TransientError, and so is a folder that is not there; one that is too large
    or may not be read is ConfigError.
    """
    before = stamp(path)
    if before is None:
        if not path.parent.exists():
            raise _not_mounted(path)
        return None
    age = time.time() - before[0] / 1e9
    if -1 <= age < settle:
        raise TransientError(f"{path} was written {age:.0f} s ago; it is read after {settle:g} s.")
    if before[1] > max_size:
        raise ConfigError(
            f"{path} has {before[1]} bytes; max_size allows {max_size}. Archive old rows, or raise "
            f"max_size."
        )
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Check its rights.") from None
    if stamp(path) != before or len(content) != before[1]:
        raise TransientError(f"{path} is being saved right now.")
    return Snapshot(content, *before, fresh=-1 <= age < FRESH)


def opened_by(path: Path) -> Path | None:
    """The lock file that Excel or LibreOffice keeps beside a file somebody has open."""
    for name in (f"~${path.name}", f".~lock.{path.name}#"):
        if (path.parent / name).exists():
            return path.parent / name
    return None


def refuse_if_open(path: Path) -> None:
    """Raises TransientError while somebody has the file open: their next save would undo ours."""
    lock = opened_by(path)
    if lock is not None:
        raise NotSentError(
            f"{path.name} is open in a spreadsheet program; close it. Nothing is lost: the changes "
            f"are written afterwards. If nobody has it open, delete {lock.name} beside it."
        )


def _not_mounted(path: Path) -> NotSentError:
    return NotSentError(
        f"There is no folder {path.parent}. Is the share mounted? Else change path."
    )


def may_write(path: Path) -> None:
    """Raises ConfigError where the file could not be replaced. Writes nothing."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"The hub cannot write in {path.parent}. Give it the right to.")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Holds off other hub processes, and clears away what a killed one left half written."""
    sidecar = path.parent / f".{path.name}.lock"
    try:
        handle = sidecar.open("ab")
    except FileNotFoundError:
        raise _not_mounted(path) from None
    except OSError as error:
        raise ConfigError(
            f"The hub cannot write in {path.parent}: {error.strerror}. Give it the right to."
        ) from None
    with handle:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)  # released when closed, also by a kill
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):
            leftover.unlink(missing_ok=True)
        yield


class Changed(Exception):
    """The file is not what it was when it was read."""


def replace(path: Path, content: bytes, expected: tuple[int, int, int] | None) -> None:
    """Put `content` in the file's place, durably and in one step, if it is still as `expected`
    (None: still missing); else Changed.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        if expected is not None and path.exists():
            shutil.copymode(path, temporary)
        refuse_if_open(path)
        if stamp(path) != expected:
            raise Changed(str(path))
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except PermissionError as error:
        raise ConfigError(f"{path} cannot be replaced: {error.strerror}. Check rights.") from None
    except OSError as error:
        # a full disk, a share that went away: the old file is whole
        raise NotSentError(f"{path} could not be written: {error.strerror}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
