"""JSON lines on stderr. The event is the sentence; what can be counted stands beside it."""

from __future__ import annotations

import logging
import sys

import structlog


def log_as_json(coordinator: str | None = None) -> None:
    """Configure logging for this process; with a coordinator, each line names it."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    if coordinator is not None:
        structlog.contextvars.bind_contextvars(coordinator=coordinator)
