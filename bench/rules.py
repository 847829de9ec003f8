"""What a condition costs beside other implementations of CEL, and what an event through 500 rules
costs.

Run with `python -m bench.rules`. All evaluate the same condition on the same data; that they give
the same answers is checked first. A rival that is not installed is skipped with a line.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

from hub.process.who import Known
from hub.reading import Reader
from hub.workspace.rules import RuleSet, load_rules
from mappings.expressions import compile_condition, context

CONDITION = (
    "item.kind == 'deal' && has(event.changed.stage) && item.stage == 'Closed Won'"
    " && item.amount.value > 10000.0"
)
STAGES = ("Prospecting", "Qualification", "Proposal", "Negotiation", "Closed Won", "Closed Lost")


def variables(stage: str = "Closed Won", amount: float = 20000.0) -> dict[str, Any]:
    """An event and its item as conditions see them, with amounts already numbers."""
    return {
        "event": {
            "type": "item.updated",
            "changed": {"stage": {"before": "Negotiation", "after": stage}},
        },
        "item": {
            "id": "i1",
            "kind": "deal",
            "title": "Acme: 40 seats",
            "stage": stage,
            "owner": {"name": "Dana Meier", "email": "dana@acme.test"},
            "amount": {"value": amount, "currency": "CHF"},
            "custom": {"account_id": "A1", "account_name": "Acme", "region": "EMEA", "seats": 40},
            "links": [{"connection": "crm", "object": "opportunity", "external_id": "006A"}],
        },
    }


def ours() -> Callable[[dict[str, Any]], Any]:
    condition = compile_condition(CONDITION)
    return condition.evaluate


def google() -> Callable[[dict[str, Any]], Any]:
    cel = importlib.import_module("cel_expr_python.cel")
    names = dict.fromkeys(("item", "event"), cel.Type.DYN)
    program = cel.NewEnv(variables=names).compile(CONDITION)
    return lambda data: program.eval(data=data).plain_value()


def rust() -> Callable[[dict[str, Any]], Any]:
    cel = importlib.import_module("cel")
    program = cel.compile(CONDITION)
    return lambda data: program.execute(data)


def pure() -> Callable[[dict[str, Any]], Any]:
    celpy = importlib.import_module("celpy")
    environment = celpy.Environment()
    program = environment.program(environment.compile(CONDITION))
    return lambda data: program.evaluate(
        {name: celpy.json_to_cel(value) for name, value in data.items()}
    )


RIVALS = {
    "ours": ours,
    "cel-expr-python": google,
    "common-expression-language": rust,
    "cel-python": pure,
}


def per_second(run: Callable[[], Any], seconds: float = 0.4) -> float:
    """Calls a second in the best of five rounds: others use this machine too."""
    count = 1
    while True:
        begin = time.process_time()
        for _ in range(count):
            run()
        if time.process_time() - begin > seconds / 10:
            break
        count *= 2
    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        for _ in range(count):
            run()
        best = min(best, time.process_time() - begin)
    return count / best


def compare() -> dict[str, float]:
    """Evaluations a second of each implementation that is installed."""
    won, lost = variables(), variables("Proposal")
    figures: dict[str, float] = {}
    for name, make in RIVALS.items():
        try:
            run = make()
        except ImportError:
            print(f"{name:28} not installed, skipped")
            continue
        if bool(run(won)) is not True or bool(run(lost)) is not False:
            raise SystemExit(f"{name} gives another answer.")
        figures[name] = per_second(lambda run=run: run(won))
        ratio = f"   ours is {figures['ours'] / figures[name]:.1f}x" if name != "ours" else ""
        print(f"{name:28} {figures[name]:>12,.0f} evaluations/s{ratio}")
    return figures


def rules_of(conditions: list[str]) -> RuleSet:
    body = "".join(
        f'  - {{rule: r{number}, when: item.*, if: "{condition}",'
        " then: [{assign: {to: dana}}]}\n"
        for number, condition in enumerate(conditions)
    )
    reader = Reader("rules/bench.yaml", f"rules:\n{body}")
    rules = load_rules([reader], Known(people=frozenset({"dana"})))
    if reader.findings:
        raise SystemExit(str(reader.findings[0]))
    return rules


def through(count: int = 500) -> None:
    """The cost of one event through many rules, by what the rules have in common."""
    typical = [
        f"item.kind == 'deal' && item.stage == '{STAGES[n % 6]}' && item.amount.value > {n}00.0"
        f" && item.custom.region == '{('EMEA', 'APAC', 'LATAM')[n % 3]}'"
        for n in range(count)
    ]
    unlike = [f"item.amount.value > {1000 + n}.0 && item.custom.seats < {n}" for n in range(count)]
    missing = [f"item.custom.field_{n} == 'x'" for n in range(count)]
    others = [f"item.kind == 'order' && item.stage == '{n}'" for n in range(count)]
    sees = context(variables())
    for name, conditions in {
        "as teams write them": typical,
        "of other kinds": others,
        "with nothing to tell apart": unlike,
        "that name missing fields": missing,
    }.items():
        rules = rules_of(conditions)
        event = {"type": "item.updated"}
        found = len(rules.match(event, sees).rules)
        cost = 1e6 / per_second(lambda rules=rules, event=event: rules.match(event, sees))
        print(f"an event through {count} rules {name:28} {cost:8.1f} µs, {found} matched")


def main() -> None:
    print(f"condition: {CONDITION}")
    compare()
    through()


if __name__ == "__main__":
    main()
