"""The loop over a mapping's fields, written out as Python source once per mapping.

A call inside a loop over different functions costs twice what the same call costs at a place of its
own, and a plain path written out costs no call at all. Into the source go only names of ours and
quoted member names; everything a mapping says otherwise stays in the compiled parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mappings.expressions import ExpressionError
from mappings.fields import FieldPlan
from mappings.paths import MISSING, WrongType
from mappings.spec import UNSET
from mappings.transforms import Fault, Scope

FAILURES = (
    Fault,
    WrongType,
    ExpressionError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RecursionError,
    AttributeError,
)
"""What may come of one field of a hostile record, and must not cost the others."""

Fail = Callable[[FieldPlan, Exception, Any], None]
Inward = Callable[[dict[str, Any], Scope, dict[str, Any], dict[str, Any], Fail], None]


def unroll_inward(plans: Sequence[FieldPlan]) -> Inward:
    """A function that fills `values` and `raws` from a record and tells each failure to `fail`."""
    names: dict[str, Any] = {"MISSING": MISSING, "FAILURES": FAILURES}
    lines = ["def inward(data, scope, values, raws, fail):", "    pass"]
    for number, plan in enumerate(plans):
        name = repr(plan.spec.name)
        default = f"values[{name}] = d{number}" if plan.default is not UNSET else "pass"
        names |= {
            f"r{number}": plan.read,
            f"c{number}": plan.convert,
            f"d{number}": plan.default,
            f"p{number}": plan,
        }
        if plan.read is None:
            lines.append(f"    {default}")
            continue
        lines += [
            "    raw = None",
            "    try:",
            *(f"        {line}" for line in _read(number, plan.members)),
            "        if raw is MISSING:",
            f"            {default}",
            "        else:",
            f"            raws[{name}] = raw",
            *(f"            {line}" for line in _convert(number, name, plan.as_it_is)),
            "    except FAILURES as error:",
            f"        fail(p{number}, error, raw)",
        ]
    source = compile("\n".join(lines), "<mapping>", "exec")
    exec(source, names)  # noqa: S102 - our own source; a mapping's words are in it only as literals
    inward: Inward = names["inward"]
    return inward


def _read(number: int, members: tuple[str, ...]) -> list[str]:
    """A plain chain of members in place; whatever is not there is judged by the path's reader."""
    if not members:
        return [f"raw = r{number}(data)"]
    if len(members) == 1:
        return [f"raw = data.get({members[0]!r}, MISSING)"]
    chain = "".join(f"[{member!r}]" for member in members)
    return [
        "try:",
        f"    raw = data{chain}",
        "except (LookupError, TypeError):",
        f"    raw = r{number}(data)",
    ]


def _convert(number: int, name: str, as_it_is: bool) -> list[str]:
    """The value of a field; ordinary text, which is most of a record, without a call."""
    usual = [
        f"value = c{number}(raw, scope)",
        "if value is not MISSING:",
        f"    values[{name}] = value",
    ]
    if not as_it_is:
        return usual
    return [
        "if raw.__class__ is str and raw and raw.isascii() and '\\x00' not in raw:",
        f"    values[{name}] = raw",
        "else:",
        *(f"    {line}" for line in usual),
    ]
