"""The sandbox's page of one issue, for a person who follows the link in the demo."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from connectors.github import marker
from connectors.github.sandbox_state import Row

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;
color:#1f2328;background:#fff}
h1{font-size:1.6rem;margin:.2rem 0}h1 small{color:#59636e;font-weight:400}
.state{display:inline-block;border-radius:2rem;padding:.15rem .8rem;color:#fff}
.open{background:#1a7f37}.closed{background:#8250df}
.card{border:1px solid #d1d9e0;border-radius:.5rem;margin:1rem 0}
.card header{background:#f6f8fa;padding:.4rem 1rem;border-bottom:1px solid #d1d9e0;color:#59636e}
.card p{white-space:pre-wrap;margin:0;padding:.8rem 1rem;overflow-wrap:anywhere}
.tag{border:1px solid #d1d9e0;border-radius:1rem;padding:.05rem .6rem;margin-right:.3rem}
textarea,select,button{font:inherit;padding:.4rem .6rem;border:1px solid #d1d9e0;
border-radius:.4rem}
textarea{width:100%;box-sizing:border-box;margin-bottom:.5rem}button{cursor:pointer}
.note{color:#59636e;font-size:.9rem}
"""


def issue_page(repository: str, issue: Row, comments: Sequence[Row], people: Sequence[str]) -> str:
    """HTML with the issue, its comments and buttons that act as one of the people."""
    state = issue["state"]
    action, label = ("close", "Close issue") if state == "open" else ("reopen", "Reopen issue")
    cards = [_card(issue, "opened this issue"), *(_card(row, "commented") for row in comments)]
    tags = "".join(f'<span class="tag">{escape(row["name"])}</span>' for row in issue["labels"])
    assignees = ", ".join(escape(user["login"]) for user in issue["assignees"]) or "nobody"
    options = "".join(f"<option>{escape(login)}</option>" for login in people)
    title = f"{escape(issue['title'])} <small>#{issue['number']}</small>"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(issue["title"])} · {escape(repository)}</title><style>{_STYLE}</style></head>
<body>
<p class="note">GitHub sandbox · {escape(repository)}</p>
<h1>{title}</h1>
<p><span class="state {state}">{state.capitalize()}</span>
 Assigned to {assignees}. {tags}</p>
{"".join(cards)}
<form method="post">
<textarea name="body" rows="3" aria-label="Comment" placeholder="Leave a comment"></textarea>
<label>Act as <select name="by">{options}</select></label>
<button name="action" value="comment">Comment</button>
<button name="action" value="{action}">{label}</button>
</form></body></html>"""


def list_page(repositories: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """HTML with every issue of every repository, newest first."""
    parts = []
    for name, issues in repositories:
        rows = "".join(
            f'<li><a href="{escape(row["html_url"])}">{escape(row["title"])}</a> '
            f'<span class="note">#{row["number"]} · {row["state"]}</span></li>'
            for row in sorted(issues, key=lambda row: -row["number"])
        )
        parts.append(f"<h1>{escape(name)}</h1><ul>{rows}</ul>" if rows else f"<h1>{name}</h1>")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Issues · GitHub sandbox</title><style>{_STYLE}</style></head>
<body><p class="note">GitHub sandbox</p>{"".join(parts)}</body></html>"""


def _card(row: Row, did: str) -> str:
    text = escape(marker.strip(row["body"]) or "No description provided.")
    who, when = escape(row["user"]["login"]), escape(row["created_at"])
    return f'<div class="card"><header><b>{who}</b> {did} · {when}</header><p>{text}</p></div>'
