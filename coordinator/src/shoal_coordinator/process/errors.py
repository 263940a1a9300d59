"""What is wrong with the settings of a process."""

from __future__ import annotations


class BadSettings(Exception):
    """A setting that cannot be meant, or settings that do not fit together.

    The message is a sentence that says what to change. ``exit_status`` is what the process
    exits with.
    """

    exit_status = 2
