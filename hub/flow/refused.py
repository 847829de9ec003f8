"""One field that a tool refuses does not hold the others up: the write goes out again without it,
and that field is kept aside and shown. It is tried again when ours changes, or the mapping does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connectors.sdk import Change, Outcome, Result, Sink
from hub.flow.fitting import roots_written
from hub.flow.outward import Plan
from mappings.compiler import CompiledMapping, Problem


def push_again(
    connector: Sink,
    mapping: CompiledMapping | None,
    plans: Sequence[Plan],
    results: dict[int, Result],
    size: int,
) -> None:
    """Send what was refused for single fields again without them, and put what becomes of it into
    `results`. Only what certainly had no effect is sent again, and only once. Where `push` raises,
    those it was about have no result, as if they had not been sent.
    """
    if mapping is None:
        return
    again: list[tuple[Plan, Change, list[Problem], Result]] = []
    for plan in plans:
        result = results.get(plan.row["position"])
        if result is not None and (less := _without(mapping, plan, result)) is not None:
            again.append((plan, *less, result))
            del results[plan.row["position"]]
    for start in range(0, len(again), max(1, size)):
        some = again[start : start + max(1, size)]
        answers = connector.push([change for _, change, _, _ in some])
        for (plan, change, problems, before), answer in zip(some, answers, strict=True):
            if answer.outcome is Outcome.REJECTED:
                results[plan.row["position"]] = before  # it is refused for more than these fields
                continue
            results[plan.row["position"]] = answer
            plan.change = change
            plan.problems = [*plan.problems, *problems]
            plan.refused |= {problem.field for problem in problems}
            for problem in problems:
                plan.values.pop(problem.field, None)


def _without(
    mapping: CompiledMapping, plan: Plan, result: Result
) -> tuple[Change, list[Problem]] | None:
    """A write without the fields it was refused for; None where it was not refused for a field, or
    nothing would be left of it.
    """
    change = plan.change
    if result.outcome is not Outcome.REJECTED or not result.field_errors or change is None:
        return None
    if change.op == "delete" or not change.fields.keys() & result.field_errors.keys():
        return None
    spec = mapping.spec
    problems: list[Problem] = []
    dropped: set[str] = set()
    for name, value in plan.values.items():
        roots = roots_written(spec, spec.fields[name])
        bad = sorted(roots & result.field_errors.keys())
        if not bad:
            continue
        one = spec.fields[name]
        why = result.field_errors[bad[0]].removesuffix(".")
        problems.append(
            Problem(
                name,
                "mapping_error",
                f"{name}: {change.object} was refused for '{bad[0]}': {why}.",
                value,
                one.place,
            )
        )
        dropped |= roots
    fields = {name: value for name, value in change.fields.items() if name not in dropped}
    if not problems or not fields:
        return None
    others = {
        name: value
        for name, value in plan.values.items()
        if roots_written(spec, spec.fields[name]) - dropped
    }
    return (replace(change, fields=fields), problems) if others else None
