"""The steps of a field in words: in one cell of a table, on a line each, and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hub.cli.output import cell

if TYPE_CHECKING:
    from mappings.trace import FieldTrace, Step

LONG = 120
"""Letters of a value that are shown; the JSON has all of it."""


def short(value: Any) -> str:
    """A value as JSON has it, so that text and number are told apart; long ones end in `…`."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONG else f"{text[: LONG - 1]}…"


def raw_of(told: FieldTrace) -> str:
    """What stands in the tool: the value, or which of the other things."""
    from mappings.paths import MISSING

    sources = [step for step in told.steps if step.kind == "source" and step.used]
    if told.raw is not MISSING:
        return _told_apart(told.raw) if isinstance(told.raw, str) else short(told.raw)
    if sources:
        return f"({sources[-1].state or 'unreadable'})"
    return "(not read)" if told.steps and told.steps[0].kind == "condition" else "-"


def how(told: FieldTrace) -> str:
    """The steps between in one line, each with what came of it."""
    said = []
    for step in told.steps:
        if step.kind == "source":
            if not step.used or (step.state == "value" and len(told.steps) > 1):
                continue
            said.append(step.label if step.state == "value" else f"{step.label} {step.state}")
        elif step.kind == "condition":
            said.append(f"if {_verdict(step)}")
        elif step.kind == "form":
            if step.error:
                said.append(step.label)
        elif step.kind == "values":
            said.append(step.label)
        elif step.kind in ("otherwise", "default", "constant", "text"):
            said.append(step.kind)
        else:
            said.append(step.label if step.error else f"{step.label} = {short(step.gave)}")
        if step.error:
            said[-1] += " ✗"
    return " → ".join(said) or "as it is"


def result_of(told: FieldTrace) -> str:
    from mappings.paths import MISSING

    if told.problem is not None:
        return "(problem)"
    if told.result is MISSING:
        return "(left as it is)"
    if isinstance(told.result, str):
        return _told_apart(told.result)
    if told.result is None or isinstance(told.result, bool) or told.result in ([], {}):
        return short(told.result)
    return cell(told.result)


def _told_apart(text: str) -> str:
    """A text in a cell: in quotes where it would pass for a number, for true, false or null, or for
    nothing at all.
    """
    bare = text.strip()
    if bare in ("", "-") or bare[0] in '([{"':
        return short(text)
    try:
        json.loads(bare)
    except (ValueError, RecursionError):
        return text if len(text) <= LONG else f"{text[: LONG - 1]}…"
    return short(text)


def _verdict(step: Step) -> str:
    if step.error:
        return "has no answer"
    return "holds" if step.gave else "does not hold"


def step_line(step: Step) -> str:
    if step.kind == "source":
        text = f"from {step.label}: "
        if not step.used:
            text += "not needed"
        elif step.error or step.state != "value":
            text += f"{step.state or 'unreadable'}"
        else:
            text += short(step.gave)
    elif step.kind == "condition":
        text = f"if {step.label}: {_verdict(step)}"
    elif step.kind in ("text", "constant"):
        text = f"{step.kind} {step.label}" + ("" if step.error else f" → {short(step.gave)}")
    elif step.kind == "values":
        text = f"value map, line {step.label}: {short(step.given)}"
        text += "" if step.error else f" → {short(step.gave)}"
    elif step.kind == "otherwise":
        keeps = "ours is kept" if step.label == "keep" else short(step.gave)
        text = f"otherwise {step.label}: {short(step.given)} → {'✗' if step.error else keeps}"
    elif step.kind == "default":
        text = f"default {step.label} → {short(step.gave)}"
    else:
        text = f"{step.label}: {short(step.given)}"
        text += "" if step.error else f" → {short(step.gave)}"
    text += f"  ✗ {step.error}" if step.error else ""
    return f"{text}   {step.place}"


def trace_json(told: FieldTrace) -> dict[str, Any]:
    from mappings.paths import MISSING

    def given(name: str, value: Any) -> dict[str, Any]:
        return {} if value is MISSING else {name: value}

    return {
        "field": told.name,
        "at": str(told.place),
        **given("raw", told.raw),
        "steps": [
            {"kind": step.kind, "step": step.label, "at": str(step.place), "used": step.used}
            | ({"state": step.state} if step.state else {})
            | given("input", step.given)
            | given("output", step.gave)
            | ({"error": step.error} if step.error else {})
            for step in told.steps
        ],
        **given("result", told.result),
        **({"written": told.written} if told.written else {}),
        **({"problem": told.problem} if told.problem else {}),
    }
