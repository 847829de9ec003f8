"""The examples in the README of the rest connector are descriptions that load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import connectors.rest
from connectors.rest.connector import offered
from connectors.rest.service import read_service

README = (Path(connectors.rest.__file__).parent / "README.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(# services/.*?)```", README, re.DOTALL)


def test_there_are_three_worked_examples() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_loads_and_offers_something(text: str) -> None:
    service = read_service(yaml.safe_load(text))
    assert all(spec.pull for spec in offered(service).values())
