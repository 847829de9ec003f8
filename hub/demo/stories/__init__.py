"""The stories of `hub demo`, by the names of their folders in examples/."""

from __future__ import annotations

from hub.demo.stories.incident import Incident
from hub.demo.stories.onboarding import Onboarding
from hub.demo.stories.order_to_cash import OrderToCash
from hub.demo.story import Story

STORIES: dict[str, type[Story]] = {
    "onboarding": Onboarding,
    "order-to-cash": OrderToCash,
    "incident": Incident,
}
