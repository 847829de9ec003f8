"""Every installed connector against the whole kit, each at the tier it claims."""

from __future__ import annotations

from hub.conformance import suite
from hub.registry import connector_classes

for name, connector in connector_classes().items():
    globals()[f"test_{name}"] = suite(connector)
