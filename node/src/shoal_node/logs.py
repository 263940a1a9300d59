"""JSON lines on stderr. No key, value or token ever stands in one.

The event is the sentence; what can be counted or searched stands beside it.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger


def log_as_json(node: str | None = None) -> None:
    """Configure logging for this process; with a node, each line of any thread names it."""

    def name_node(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return event if node is None else {"node": node, **event}

    structlog.configure(
        processors=[
            name_node,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
