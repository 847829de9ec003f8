"""Reads a page as a browser would: its text, its forms and what they would send."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx


@dataclass
class Form:
    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    required: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: Form | None = None
        self.area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag == "form":
            self.open = Form(given.get("action", ""), given.get("method", "get"))
            self.forms.append(self.open)
        name = given.get("name", "")
        if self.open is None or not name or tag not in ("input", "textarea", "select", "button"):
            return
        self.open.names.add(name)
        if "required" in given:
            self.open.required.add(name)
        chosen = given.get("type") not in ("radio", "checkbox") or "checked" in given
        if tag == "input" and chosen:
            self.open.values[name] = given.get("value", "")
        self.area = name if tag == "textarea" else ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.open = None
        if tag == "textarea":
            self.area = ""

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.area and self.open:
            self.open.values[self.area] = self.open.values.get(self.area, "") + data


class Page:
    """One answer, read."""

    def __init__(self, response: httpx.Response) -> None:
        reader = _Reader()
        reader.feed(response.text)
        self.status = response.status_code
        self.text = " ".join(" ".join(reader.text).split())
        self.forms = reader.forms
        self.tags = reader.tags

    def form(self, part: str) -> Form:
        """The form whose address holds `part`."""
        return next(form for form in self.forms if part in form.action)

    def has_form(self, part: str) -> bool:
        return any(part in form.action for form in self.forms)

    def hrefs(self) -> list[str]:
        return [given["href"] for tag, given in self.tags if tag == "a" and "href" in given]
