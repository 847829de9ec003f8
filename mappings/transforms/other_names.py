"""What people call a transform that is called otherwise here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mappings.source import did_you_mean

_MEANT: Mapping[str, tuple[str, ...]] = {
    "html": ("markdown", "md", "rich_text", "richtext", "html2text", "html_to_markdown"),
    "adf": ("markdown", "md", "rich_text", "richtext", "atlassian", "document"),
    "plain": ("markdown", "md", "html2text", "strip_html", "strip_tags", "plaintext"),
    "boolean": ("bool", "flag", "yesno", "yes_no", "checkbox"),
    "integer": ("int", "whole", "long"),
    "number": ("float", "double", "numeric", "num"),
    "decimal": ("float", "double", "round", "percent"),
    "money": ("currency", "amount", "price", "cents"),
    "party": ("user", "person", "people", "member", "assignee", "owner", "contact"),
    "labels": ("tag", "tags", "label", "keywords"),
    "text": ("string", "str", "to_string", "number_to_text"),
    "datetime": ("timestamp", "time", "moment", "epoch", "unix", "iso8601"),
    "date": ("day", "timestamp"),
    "strip": ("trim", "clean"),
    "lower": ("lowercase", "downcase", "casefold"),
    "upper": ("uppercase", "upcase"),
    "truncate": ("cut", "limit", "substring", "shorten", "maxlength"),
    "regex": ("replace", "match", "extract", "pattern", "substring"),
    "lookup": ("map", "enum", "table", "values"),
    "join": ("concat", "implode"),
    "split": ("explode", "list"),
    "unique": ("distinct", "dedupe"),
    "email": ("mail", "e-mail"),
    "phone": ("tel", "telephone"),
    "url": ("link", "uri", "href"),
}


def transform_hint(word: str, known: Iterable[str]) -> str:
    """What to write instead of a transform that there is none of."""
    names = list(known)
    wanted = word.lower()
    meant = [name for name, words in _MEANT.items() if wanted in words and name in names]
    if meant:
        listed = " or ".join([", ".join(f"'{one}'" for one in meant[:-1]), f"'{meant[-1]}'"])
        hint = f"Did you mean {listed.removeprefix(' or ')}?"
    else:
        hint = did_you_mean(word, names, few=0)
    return f"{hint} All of them: hub transforms".strip()
