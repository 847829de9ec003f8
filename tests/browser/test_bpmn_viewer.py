"""Our BPMN opens, without a word of complaint, in the viewer that most people use for it: bpmn-js,
in a real browser. `BPMN_JS` names its file (bpmn-viewer.production.min.js); the gate fetches it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium")

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from hub.process.bpmn.document import bpmn
from hub.process.model import ProcessDefinition
from tests.browser.test_dashboard import CHROMIUM, DRIVER, FLAGS
from tests.hub.process.drawn import chain, everything, loaded

VIEWER = Path(os.environ.get("BPMN_JS", "bpmn-js is not here"))
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not VIEWER.is_file(), reason="BPMN_JS names no file of bpmn-js"),
    pytest.mark.skipif(not DRIVER.exists(), reason="Chromium and its driver are not installed"),
]
OPEN = """
const [text, done] = arguments;
const viewer = new BpmnJS({container: '#drawn'});
viewer.importXML(text).then(
  ({warnings}) => {
    viewer.get('canvas').zoom('fit-viewport');
    const drawn = viewer.get('elementRegistry').getAll().map((one) => one.id);
    done({warnings: warnings.map(String), drawn});
  },
  (error) => done({warnings: [String(error)], drawn: []}));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    page = tmp_path_factory.mktemp("viewer") / "page.html"
    page.write_text(
        '<!doctype html><meta charset="utf-8"><div id="drawn" style="height:900px"></div>'
        f"<script>{VIEWER.read_text('utf-8')}</script>",
        "utf-8",
    )
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = str(CHROMIUM)
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.get(page.as_uri())
    yield driver
    driver.quit()


def shipped() -> dict[str, ProcessDefinition]:
    files = sorted(Path("examples").glob("*/processes/*.yaml"))
    return {file.stem: loaded(file.read_text("utf-8")) for file in files}


@pytest.mark.parametrize("name", ["everything", "chain", *shipped()])
def test_it_opens_in_the_viewer_with_every_step_drawn(name: str, browser: webdriver.Chrome) -> None:
    made = {"everything": everything, "chain": lambda: chain(30)}
    process = made[name]() if name in made else shipped()[name]
    seen: dict[str, Any] = browser.execute_async_script(OPEN, bpmn(process))
    assert seen["warnings"] == [], json.dumps(seen["warnings"])
    assert {f"step_{key}" for key in process.steps} <= set(seen["drawn"])
