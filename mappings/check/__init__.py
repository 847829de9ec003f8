"""Everything that can be known to be wrong with a mapping before it runs: where, and a way out.

`load_mapping` has found what has the wrong form; this finds what has the right form and no meaning.
An error is a line that cannot do what it says; a warning is one that works and may surprise.
"""

from __future__ import annotations

from mappings.check.examples import check_examples
from mappings.check.fields import check_field
from mappings.check.head import DECLARES_IDENTITY, check_head
from mappings.check.match import check_match
from mappings.check.targets import check_custom, check_targets
from mappings.source import Finding
from mappings.spec import MappingSpec

__all__ = ["DECLARES_IDENTITY", "check_mapping"]


def check_mapping(spec: MappingSpec) -> list[Finding]:
    """What is wrong with a mapping whose `extends` is resolved, in the order of the file."""
    findings = [*check_head(spec), *check_custom(spec), *check_match(spec), *check_examples(spec)]
    for field in spec.fields.values():
        if not field.removed and field.name not in spec.reported:
            found = list(check_field(spec, field))
            errors = [finding for finding in found if finding.severity == "error"]
            # what else a field with a mistake might surprise with is seen when it is mended
            findings += errors or found
    if not any(finding.severity == "error" for finding in findings):
        findings += check_targets(spec)
    return sorted(dict.fromkeys(findings), key=lambda finding: finding.place)
