"""A terminal for what people see: a pty, and a command in it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import selectors
import subprocess
import termios
import time
from pathlib import Path

_USUAL = {"TERM": "xterm", "COLUMNS": "170", "LINES": "50"}


class Terminal:
    """A terminal of its own, in which a command runs in the foreground. ``text``: all it showed."""

    def __init__(self, *command: str | Path, **environment: str) -> None:
        self.side, other = pty.openpty()
        self.process = subprocess.Popen(
            command,
            stdin=other,
            stdout=other,
            stderr=other,
            env={**os.environ, **_USUAL, **environment},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(other)
        self.text = ""

    def read_until(self, pattern: str, within_seconds: float) -> None:
        deadline = time.monotonic() + within_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.side, selectors.EVENT_READ)
            while not re.search(pattern, self.text, re.DOTALL):
                assert selector.select(deadline - time.monotonic()), self.text
                self.text += os.read(self.side, 65_536).decode(errors="replace")

    def read_to_the_end(self, within_seconds: float) -> int:
        """Return the exit code."""
        deadline = time.monotonic() + within_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.side, selectors.EVENT_READ)
            while True:
                assert selector.select(deadline - time.monotonic()), self.text
                try:
                    read = os.read(self.side, 65_536)
                except OSError:  # so Linux tells that nobody has the other side any more
                    return self.process.wait(within_seconds)
                self.text += read.decode(errors="replace")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.side)
