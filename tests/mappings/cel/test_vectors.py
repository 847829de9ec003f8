"""The public test vectors of CEL (see `vectors/README.md`), compiled and walked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mappings.cel.errors import CompileError, ExpressionError
from mappings.cel.program import Program
from tests.mappings.cel.specification import VECTORS, NotOurs, Vector, same, vectors

NOT_RUN: dict[str, list[str]] = json.loads((VECTORS / "not_run.json").read_text())
ALL = {vector.id: vector for vector in vectors()}
LEFT_OUT = {id for ids in NOT_RUN.values() for id in ids}


def evaluated(program: Program, vector: Vector, *, walked: bool) -> Any:
    """What it gives; an ExpressionError stands for "an error"."""
    try:
        run = program.walk if walked else program.value
        return run(vector.bindings())
    except ExpressionError as error:
        return error


def agrees(vector: Vector, *, walked: bool = False) -> bool:
    try:
        program = vector.program()
        if vector.data.get("check_only"):
            return True
        found = evaluated(program, vector, walked=walked)
        return (
            isinstance(found, ExpressionError) if vector.fails else same(found, vector.expected())
        )
    except CompileError:
        return vector.fails


@pytest.mark.parametrize("walked", [False, True], ids=["compiled", "walked"])
@pytest.mark.parametrize("file", sorted({id.partition("/")[0] for id in ALL}))
def test_every_vector_of_the_specification_holds(file: str, walked: bool) -> None:
    wrong = [
        f"{vector.id}: {vector.expr}"
        for vector in ALL.values()
        if vector.id.startswith(f"{file}/")
        and vector.id not in LEFT_OUT
        and not agrees(vector, walked=walked)
    ]
    assert wrong == []


def test_what_is_not_run_really_cannot_be() -> None:
    """A vector that has come to work must leave the list, so it can only become shorter."""

    def works(vector: Vector) -> bool:
        try:
            return agrees(vector)
        except NotOurs:
            return False

    assert LEFT_OUT - ALL.keys() == set()
    assert [id for id in sorted(LEFT_OUT) if works(ALL[id])] == []
    assert (len(ALL), len(LEFT_OUT)) == (1226, 149)
