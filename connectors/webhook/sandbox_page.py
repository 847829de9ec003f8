"""The sandbox's page: what was sent, and a form to send more in any scheme."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.webhook.sandbox import Message, WebhookSandbox

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;
color:#1f2328;background:#fff}
label{display:block;margin:.6rem 0 .2rem}
input,select,textarea,button{font:inherit;padding:.4rem .6rem;border:1px solid #d1d9e0;
border-radius:.4rem;width:100%;box-sizing:border-box}
button{width:auto;cursor:pointer;margin:.8rem .4rem 0 0}
table{border-collapse:collapse;width:100%;margin-top:1.5rem}
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d1d9e0}
.note{background:#ddf4ff;padding:.4rem .8rem;border-radius:.4rem}
"""
_SAMPLE = {"id": "O-1", "title": "Coffee, 2 kg", "status": "open", "total": "39.00"}


def sender_page(sandbox: WebhookSandbox, note: str) -> str:
    """HTML with the form and the last messages."""
    from connectors.webhook.sandbox import MODES, SCHEMES

    last = next((one.data for one in reversed(sandbox.messages)), _SAMPLE)
    said = f'<p class="note" role="status">{escape(note)}</p>' if note else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Webhook sender</title><style>{_STYLE}</style></head>
<body><h1>Webhook sender</h1>{said}
<form method="post">
<label for="url">Address</label>
<input id="url" name="url" type="url" value="{escape(sandbox.webhook_url or "")}">
<label for="scheme">Scheme</label>
<select id="scheme" name="scheme">{_options(SCHEMES, sandbox.scheme)}</select>
<label for="mode">Mode of CloudEvents</label>
<select id="mode" name="mode">{_options(MODES, sandbox.mode)}</select>
<label for="event">Event</label><input id="event" name="event" value="order.updated">
<label for="data">Data</label>
<textarea id="data" name="data" rows="8">{escape(json.dumps(dict(last), indent=1))}</textarea>
<button>Sign and send</button><button name="retry" value="1">Try the failed ones again</button>
</form>
<table><tr><th>Message</th><th>Event</th><th>Answers</th></tr>
{"".join(_row(one) for one in reversed(sandbox.messages[-20:]))}</table>
</body></html>"""


def _options(names: Iterable[str], chosen: str) -> str:
    return "".join(
        f"<option{' selected' if name == chosen else ''}>{escape(name)}</option>" for name in names
    )


def _row(message: Message) -> str:
    answers = ", ".join(str(status or "nobody") for status in message.statuses) or "not sent"
    return (
        f"<tr><td>{escape(message.id)}</td><td>{escape(message.event)}</td><td>{answers}</td></tr>"
    )
