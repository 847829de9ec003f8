"""Google's shapes in the sandbox: errors, parameters it knows, field masks, a described sheet."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.google_sheets.sandbox_grid import Area, Refused, Tab, bad

Query = list[tuple[str, str]]


def refusal(refused: Refused) -> bytes:
    """Google's error JSON; Drive's carries `errors` with a reason."""
    error: dict[str, Any] = {"code": refused.code, "message": refused.message}
    if refused.reason:
        entry = {"domain": "global", "reason": refused.reason, "message": refused.message}
        error["errors"] = [entry]
    if refused.status:
        error["status"] = refused.status
    return json.dumps({"error": error}).encode()


def params(query: Query, known: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in query:
        if name not in known and name not in ("alt", "prettyPrint"):
            raise bad(
                f'Invalid JSON payload received. Unknown name "{name}": '
                "Cannot bind query parameter."
            )
        found.setdefault(name, []).append(value)
    return found


def choice(asked: Mapping[str, list[str]], name: str, known: set[str], default: str) -> str:
    value = asked.get(name, [default])[0]
    if value not in known and value != default:
        raise bad(f"Invalid value at '{name}' (TYPE_ENUM), \"{value}\"")
    return value


def keys(body: Any, known: set[str]) -> None:
    if not isinstance(body, dict):
        raise bad("Invalid JSON payload received.")
    for name in body:
        if name not in known:
            raise bad(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')


def spread(where: Area, lines: Sequence[Sequence[Any]]) -> list[tuple[int, int, Any]]:
    return [
        (where.top + down, where.left + across, value)
        for down, line in enumerate(lines)
        for across, value in enumerate(line)
    ]


def about(tab: Tab, index: int, areas: Sequence[Area]) -> dict[str, Any]:
    properties = {
        "sheetId": tab.id,
        "title": tab.title,
        "index": index,
        "sheetType": "GRID",
        "gridProperties": {"rowCount": tab.rows, "columnCount": tab.columns},
    }
    return {"properties": properties, "data": [_data(one) for one in areas]}


def _data(where: Area) -> dict[str, Any]:
    rows = []
    for row in range(where.top, min(where.bottom, max(len(where.tab.boxes), where.top)) + 1):
        cells = []
        for column in range(where.left, min(where.right, max(where.tab.width(), where.left)) + 1):
            box = where.tab.box(row, column)
            cell: dict[str, Any] = {"formattedValue": str(box.value)}
            if box.format:
                cell["effectiveFormat"] = {"numberFormat": box.format}
            if column in where.tab.choices and row > 1:
                allowed = [{"userEnteredValue": one} for one in where.tab.choices[column]]
                condition = {"type": "ONE_OF_LIST", "values": allowed}
                cell["dataValidation"] = {"condition": condition, "showCustomUi": True}
            cells.append(cell)
        rows.append({"values": cells})
    data: dict[str, Any] = {"rowData": rows}
    if where.top > 1:
        data["startRow"] = where.top - 1
    if where.left > 1:
        data["startColumn"] = where.left - 1
    return data


def masked(value: Any, mask: str) -> Any:
    """A value reduced to a fields mask: `a,b(c,d(e))`."""
    return _masked(value, _parsed(mask))


def _parsed(mask: str) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    stack = [tree]
    inner = tree
    for name, sign in re.findall(r"([A-Za-z]*)([(),]|$)", mask):
        if name:
            inner = stack[-1].setdefault(name, {})
        if sign == "(":
            stack.append(inner)
        elif sign == ")":
            if len(stack) == 1:
                raise bad("Request contains an invalid argument.")
            stack.pop()
    return tree


def _masked(value: Any, tree: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_masked(one, tree) for one in value]
    if not isinstance(value, dict) or not tree:
        return value
    return {name: _masked(value[name], inner) for name, inner in tree.items() if name in value}
