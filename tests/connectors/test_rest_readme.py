"""The README of the rest connector says what is true: its examples load, its tables are those of
the models.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import connectors.rest
from connectors.rest.connector import offered
from connectors.rest.reference import markdown
from connectors.rest.service import read_service

README = (Path(connectors.rest.__file__).parent / "README.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(# services/.*?)```", README, re.DOTALL)


def test_there_are_three_worked_examples() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_loads_and_offers_something(text: str) -> None:
    service = read_service(yaml.safe_load(text))
    assert all(spec.pull for spec in offered(service).values())


def test_the_reference_is_printed_from_the_models() -> None:
    """Renew it: put what `python -m connectors.rest.reference` prints between the markers."""
    (table,) = re.findall(r"<!-- words -->\n(.*)<!-- /words -->", README, re.DOTALL)
    assert table == markdown()
