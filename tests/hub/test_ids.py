"""Identifiers sort by birth, and no process makes those of another."""

from __future__ import annotations

import os
import re
from itertools import pairwise

from hub.ids import new_id, new_ids


def test_identifiers_sort_in_the_order_they_were_made() -> None:
    made = [new_id("tsk") for _ in range(3000)] + new_ids("tsk", 50) + [new_id("tsk")]
    assert all(one < other for one, other in pairwise(made))
    assert all(re.fullmatch(r"tsk_[0-9a-hjkmnp-tv-z]{26}", one) for one in made)


def test_a_forked_process_makes_others_than_its_parent() -> None:
    """The random numbers that are in stock are the parent's alone."""
    new_id("tsk")
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, new_id("tsk")[-12:].encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        assert pipe.read() != new_id("tsk")[-12:]
