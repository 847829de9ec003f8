"""Node-RED as a peer of the intake: http-in, a function that checks the HMAC and inserts the body
with better-sqlite3 (WAL, FULL), http-response. Installed by npm into a temporary folder.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench._intake_load import PATH, SECRET

RECORDED = (
    "n8n 2.40.7 is not run here: recorded once, 23/s (default) and 68/s (legacy engine) at 32"
    " connections, stored before the answer, no signature checked"
)
_PACKAGES = ("node-red@5.0.7", "better-sqlite3")
_SETTINGS = """
const Database = require('better-sqlite3');
const db = new Database(process.env.BENCH_DB);
db.pragma('journal_mode = WAL'); db.pragma('synchronous = FULL');
db.exec('CREATE TABLE IF NOT EXISTS inbox (id TEXT UNIQUE, body BLOB)');
module.exports = {
  uiPort: +process.env.BENCH_PORT, uiHost: '127.0.0.1', httpAdminRoot: false,
  flowFile: 'flows.json', credentialSecret: false, logging: {console: {level: 'error'}},
  functionGlobalContext: {
    crypto: require('crypto'), insert: db.prepare('INSERT OR IGNORE INTO inbox VALUES (?, ?)')},
  httpNodeMiddleware: (req, res, next) => {
    const parts = [];
    req.on('data', part => parts.push(part));
    req.on('end', () => { req.body = Buffer.concat(parts); req._body = true; next(); });
  },
};
"""
_FUNCTION = """
const given = msg.req.headers['x-hub-signature-256'] || '';
const hmac = global.get('crypto').createHmac('sha256', '@SECRET@').update(msg.payload);
if ('sha256=' + hmac.digest('hex') !== given) { msg.statusCode = 401; return msg; }
global.get('insert').run(msg.req.headers['x-github-delivery'], msg.payload);
msg.statusCode = 202; msg.payload = {status: 'accepted'};
return msg;
"""
_FLOW = [
    {"id": "tab", "type": "tab", "label": "bench"},
    {"id": "in", "type": "http in", "z": "tab", "url": PATH, "method": "post", "wires": [["do"]]},
    {"id": "do", "type": "function", "z": "tab", "outputs": 1, "wires": [["out"]],
     "func": _FUNCTION.replace("@SECRET@", SECRET)},
    {"id": "out", "type": "http response", "z": "tab", "wires": []},
]  # fmt: skip


class NotInstalled(RuntimeError):
    """The peer cannot be had here; the message says why."""


def install(folder: Path) -> Path:
    """Node-RED in a folder of its own. Raises NotInstalled."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled("npm is not installed")
    place = folder / "node-red"
    place.mkdir()
    (place / "package.json").write_text("{}")
    done = subprocess.run(  # noqa: S603 - two packages, pinned where it matters
        [npm, "install", "--no-audit", "--no-fund", *_PACKAGES],
        cwd=place, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    if done.returncode:
        raise NotInstalled(f"npm install failed: {done.stderr.strip().splitlines()[-1:]}")
    (place / "settings.js").write_text(_SETTINGS)
    (place / "flows.json").write_text(json.dumps(_FLOW))
    return place


@contextmanager
def node_red(place: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Node-RED that serves; its port and its process."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    process = subprocess.Popen(
        ["node", "node_modules/node-red/red.js", "-u", ".", "-s", "settings.js"],  # noqa: S607
        cwd=place, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(place), "BENCH_PORT": str(port),
             "BENCH_DB": str(place / f"inbox-{port}.db")},
    )  # fmt: skip
    try:
        _wait(port, process)
        yield port, process
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise NotInstalled("Node-RED did not start")
