"""The sandbox's page of one channel: read it, write as somebody, press a button."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Any

from connectors.slack.blocks import CHOSEN
from connectors.slack.mrkdwn import plain
from connectors.slack.sandbox_state import BOT_USER, TEAM, Channel, Row, Workspace

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#1d1c1d;display:flex;min-height:100vh}
nav{background:#3f0e40;padding:1rem;min-width:11rem}nav a{display:block;color:#e9dfe9;padding:.2rem;
text-decoration:none}nav a.here{background:#1164a3;border-radius:.3rem;color:#fff}
main{padding:1rem 1.5rem;max-width:44rem;flex:1}h1{font-size:1.2rem;margin:.2rem 0 1rem}
.m{padding:.4rem 0 .4rem .6rem;border-left:3px solid transparent}.reply{margin-left:2rem;
border-left-color:#ddd}.m p{margin:.1rem 0;white-space:pre-wrap;overflow-wrap:anywhere}
.who{font-weight:700}.app{background:#eee;border-radius:.2rem;font-size:.7rem;padding:0 .3rem}
.at,.decided{color:#616061;font-size:.85rem}.head{font-size:1.1rem;font-weight:700}
button,select,input{font:inherit;padding:.3rem .7rem;border:1px solid #bbb;border-radius:.3rem;
background:#fff}button{cursor:pointer}.primary{background:#007a5a;color:#fff}
.danger{background:#e01e5a;color:#fff}form{margin:.3rem 0;display:flex;gap:.4rem;flex-wrap:wrap}
input[name=text]{flex:1;min-width:10rem}.notice{background:#fff3cd;padding:.5rem .8rem}
"""


def channel_page(state: Workspace, channel: Channel, notice: str) -> str:
    """HTML of the channel with its threads unfolded."""
    people = [row for row in state.users.values() if not row["is_bot"] and not row["deleted"]]
    members = [row for row in people if row["id"] in channel.members] or people
    options = "".join(
        f'<option value="{row["id"]}">{escape(row["real_name"])}</option>' for row in members
    )
    parts = []
    for begun in reversed(channel.history()):
        if begun.get("thread_ts") not in (None, begun["ts"]):
            continue
        rows = channel.thread(begun["ts"])
        parts += [_message(state, row, options, row is not begun) for row in rows]
        parts.append(_write(options, "Reply", begun["ts"], reply=True) if len(rows) > 0 else "")
    links = "".join(
        f'<a href="/client/{TEAM}/{one.id}"{" class=here" if one is channel else ""}>'
        f"{escape(_title(state, one))}</a>"
        for one in state.channels.values()
    )
    told = f'<p class="notice">{escape(notice)}</p>' if notice else ""
    title = escape(_title(state, channel))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} · Slack sandbox</title><style>{_STYLE}</style></head><body>
<nav aria-label="Channels">{links}</nav><main><h1>{title}</h1>{told}
{"".join(parts)}{_write(options, "Send", "")}</main></body></html>"""


def _title(state: Workspace, channel: Channel) -> str:
    if channel.kind in ("im", "mpim"):
        names = [state.users[id]["real_name"] for id in channel.members if id != BOT_USER]
        return "@ " + ", ".join(names)
    return f"# {channel.name}"


def _message(state: Workspace, row: Row, options: str, reply: bool) -> str:
    user = state.users.get(row.get("user", ""), {})
    who = escape(user.get("real_name") or row.get("user", "Slack"))
    app = ' <span class="app">APP</span>' if "bot_id" in row else ""
    at = datetime.fromtimestamp(int(row["ts"].partition(".")[0]), UTC).strftime("%H:%M")
    blocks = [block for block in row.get("blocks", ()) if block["type"] != "rich_text"]
    body = "".join(_block(block, row["ts"], options) for block in blocks)
    said = f"<p>{escape(plain(row['text']))}</p>"
    edited = " (edited)" if "edited" in row else ""
    return (
        f'<div class="m{" reply" if reply else ""}"><span class="who">{who}</span>{app} '
        f'<span class="at">{at} UTC{edited}</span>'
        f"{body or said}</div>"
    )


def _block(block: dict[str, Any], ts: str, options: str) -> str:
    kind = block["type"]
    if kind == "header":
        return f'<p class="head">{escape(block["text"]["text"])}</p>'
    if kind == "section":
        return f"<p>{escape(plain(block['text']['text']))}</p>"
    if kind == "context":
        return f'<p class="decided">{escape(plain(block["elements"][0]["text"]))}</p>'
    if kind != "actions":
        return "<hr>"
    buttons = []
    for one in block["elements"]:
        label, style = escape(one["text"]["text"]), one.get("style", "")
        if "url" in one:
            buttons.append(f'<a href="{escape(one["url"])}">{label}</a>')
        else:
            choice = escape(one["action_id"].removeprefix(CHOSEN))
            buttons.append(
                f'<button class="{style}" name="choice" value="{choice}">{label}</button>'
            )
    return (
        f'<form method="post"><input type="hidden" name="ts" value="{ts}">{"".join(buttons)}'
        f'<label>as <select name="by">{options}</select></label></form>'
    )


def _write(options: str, label: str, thread: str, *, reply: bool = False) -> str:
    hidden = f'<input type="hidden" name="thread" value="{thread}">' if thread else ""
    return (
        f'<form method="post"{" class=reply" if reply else ""}>{hidden}'
        f'<input name="text" aria-label="{label}" placeholder="{label}…">'
        f'<select name="by" aria-label="As">{options}</select><button>{label}</button></form>'
    )
