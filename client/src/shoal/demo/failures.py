"""What can go wrong in a demo. Every message is a sentence for the person at the screen.

DemoFailed
├── ClusterFailed      the cluster did not start, or cannot be reached
├── OriginFailed       the database refused; nothing can be answered from it
├── ProcessFailed      a process of the demo ended before its time
└── ChartUnavailable   matplotlib is missing; the numbers stand without it
"""

from __future__ import annotations


class DemoFailed(Exception):
    """Base of everything that a demo raises."""


class ClusterFailed(DemoFailed):
    """The cluster did not start, or cannot be reached."""


class OriginFailed(DemoFailed):
    """The database refused a query or a change."""


class ProcessFailed(DemoFailed):
    """A process of the demo ended before its time."""


class ChartUnavailable(DemoFailed):
    """The chart cannot be drawn here."""
