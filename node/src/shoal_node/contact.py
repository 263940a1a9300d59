"""Whether this node and etcd hear each other, and since when without a break.

Evidence is a confirmed keepalive: etcd heard this node after it had sent it, and this
node heard the answer. Views are none: without news no view comes, and a link that is cut
in one direction may still carry what this node sends.

Two decisions rest on it. A primary blames a copy for its silence only if etcd confirmed
a keepalive that was sent when the copy was late already: else it may be the primary that
hears nobody (``in_sync``). And nobody counts as lost for longer than this node is back:
who is back a little later still has its data (``absence``, ``taking``).

Invariant: neither time ever falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Contact:
    """Times of this node's clock; 0: never."""

    confirmed_ms: int = 0
    """When the newest confirmed keepalive was sent."""
    since_ms: int = 0
    """Since when etcd is heard without a break, and this node is registered."""

    def heard(self, sent_ms: Sequence[int], now_ms: int, silence_ms: int) -> None:
        """Take the newest confirmed keepalives, at every turn, also where they are the same.

        ``sent_ms`` rises, and holds those since the last turn. A time longer than
        ``silence_ms`` between two of them, or since the last, is a break, which ends when
        the next one is known: at this turn.
        """
        was_broken = False
        for sent in sent_ms:
            if sent > self.confirmed_ms:
                was_broken |= sent - self.confirmed_ms > silence_ms
                self.confirmed_ms = sent
        if was_broken or now_ms - self.confirmed_ms > silence_ms:
            self.began(now_ms)

    def began(self, now_ms: int) -> None:
        """This node has just registered, or hears etcd again."""
        self.since_ms = max(self.since_ms, now_ms)
