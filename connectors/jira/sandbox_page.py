"""The sandbox's page of one issue, for a person who follows the link in the demo."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from connectors.jira.documents import text_of
from connectors.jira.sandbox_site import Row

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;
color:#172b4d;background:#fff}
h1{font-size:1.6rem;margin:.2rem 0}
.state{display:inline-block;border-radius:.2rem;padding:.1rem .6rem;font-weight:600}
.new{background:#dfe1e6}.indeterminate{background:#deebff;color:#0747a6}
.done{background:#e3fcef;color:#006644}
.card{border:1px solid #dfe1e6;border-radius:.3rem;margin:1rem 0;padding:.6rem 1rem}
.card p{white-space:pre-wrap;margin:.3rem 0 0;overflow-wrap:anywhere}
textarea,select,button{font:inherit;padding:.4rem .6rem;border:1px solid #7a869a;
border-radius:.2rem}
textarea{width:100%;box-sizing:border-box;margin-bottom:.5rem}button{cursor:pointer}
.note{color:#44546f;font-size:.9rem}
"""


def issue_page(row: Row, steps: Sequence[str], people: Sequence[Row]) -> str:
    """HTML with the issue, its comments and buttons that act as one of the people."""
    fields = row["fields"]
    status = fields["status"]
    options = "".join(
        f'<option value="{escape(one["accountId"])}">{escape(one["displayName"])}</option>'
        for one in people
    )
    buttons = "".join(
        f'<button name="step" value="{escape(name)}">{escape(name)}</button> ' for name in steps
    )
    cards = "".join(
        _card(one["author"]["displayName"], one["created"], text_of(one["body"]))
        for one in row["comments"]
    )
    assignee = fields["assignee"]["displayName"] if fields["assignee"] else "nobody"
    summary = escape(fields["summary"])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>[{escape(row["key"])}] {summary}</title><style>{_STYLE}</style></head>
<body>
<p class="note">Jira sandbox · {escape(row["key"])}</p>
<h1>{summary}</h1>
<p><span class="state {escape(status["statusCategory"]["key"])}">{escape(status["name"])}</span>
 Assigned to {escape(assignee)}</p>
{_card(fields["reporter"]["displayName"], fields["created"], text_of(fields["description"]))}
{cards}
<form method="post">
<textarea name="body" rows="3" aria-label="Comment" placeholder="Add a comment"></textarea>
<label>Act as <select name="by">{options}</select></label>
<button name="step" value="">Comment</button> {buttons}
</form></body></html>"""


def _card(who: str, when: str, text: str | None) -> str:
    return (
        f'<div class="card"><b>{escape(who)}</b> <span class="note">{escape(when)}</span>'
        f"<p>{escape(text or 'No text.')}</p></div>"
    )
