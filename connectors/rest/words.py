"""What the models of a description share: frozen, strict about keys, and texts that are checked
where they are read.
"""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict

from connectors.rest.templates import compile_template
from connectors.sdk.paths import compile_condition, compile_path


def _path(text: str) -> str:
    compile_path(text)
    return text


def _condition(text: str) -> str:
    compile_condition(text)
    return text


def _template(text: str) -> str:
    compile_template(text)
    return text


def _target(text: str) -> str:
    if text.startswith(("http://", "https://")) or not text.startswith("/"):
        raise ValueError("write a path below base_url that begins with a slash, like /issues/{id}")
    return _template(text)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("write a zone such as Europe/Zurich") from None
    return name


PathText = Annotated[str, AfterValidator(_path)]
"""A dotted path or JSONPath into a record or an answer."""
ConditionText = Annotated[str, AfterValidator(_condition)]
"""A path, alone or compared with a value: `$.ok == false`."""
TemplateText = Annotated[str, AfterValidator(_template)]
"""Text with gaps such as {id}."""
TargetText = Annotated[str, AfterValidator(_target)]
"""A path below base_url, with gaps."""


ZoneText = Annotated[str, AfterValidator(_zone)]
"""A time zone: Europe/Zurich."""


class Words(BaseModel):
    """A part of a description."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
