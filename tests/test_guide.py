"""What the guide shows is run: a newcomer copies it."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from connectors.sdk import Connector
from connectors.sdk.conformance import CHECKS, run
from hub import conformance
from hub_acme.sandbox import AcmeSandbox

GUIDE = (Path(__file__).parent.parent / "docs" / "write-a-connector.md").read_text("utf-8")
KEPT = [
    "declares-what-it-is",
    "documents-its-settings",
    "builds-without-asking",
    "accepts-good-credentials",
    "stays-in-bounds",
    "discovers-fields",
    "knows-its-objects",
    "reads-without-writing",
    "pulls-everything",
    "pulls-oldest-first",
    "resumes-anywhere",
    "sees-changes",
    "comes-to-rest",
    "survives-equal-times",
    "survives-moving-pages",
    "survives-lag",
    "survives-clock-skew",
    "ends-at-circles",
    "follows-no-redirects",
    "slows-down-when-asked",
]


class SmallSandbox(AcmeSandbox):
    """The template's vendor, with the token where the guide's settings have it."""

    def connection(self) -> dict[str, Any]:
        rest = {key: part for key, part in super().connection().items() if key == "base_url"}
        return {"connector": "small", **rest, "token": "env:HUB_SANDBOX_ACME_TOKEN"}


@pytest.fixture(scope="module")
def smallest() -> type[Connector]:
    """The class in the guide, as if it were a module of somebody's package."""
    [code] = re.findall(r"## The smallest one.*?```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(code.splitlines()) < 60
    module = types.ModuleType("guide_of_a_newcomer")
    sys.modules[module.__name__] = module
    exec(compile(code, "docs/write-a-connector.md", "exec"), module.__dict__)  # noqa: S102 - ours
    found: type[Connector] = module.__dict__["SmallConnector"]
    found.sandbox = f"{__name__}:SmallSandbox"
    sys.modules.setdefault(__name__, sys.modules[SmallSandbox.__module__])
    return found


@pytest.mark.parametrize("check", KEPT)
def test_the_smallest_connector_keeps_what_a_reader_must(
    check: str, smallest: type[Connector]
) -> None:
    finding = run(CHECKS[check], smallest)
    assert (finding.verdict, finding.detail) == ("passed", "")


def test_every_command_and_check_that_the_guide_names_exists() -> None:
    for name in re.findall(r"--check ([a-z-]+)", GUIDE):
        assert name in conformance.CHECKS
