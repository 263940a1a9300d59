"""A planner that is shown views at times, as a story is told."""

from __future__ import annotations

import pytest

from planning_story import Story


@pytest.fixture
def story() -> Story:
    return Story()
