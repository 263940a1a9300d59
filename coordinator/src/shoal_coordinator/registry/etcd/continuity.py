"""Notice an etcd that is not the one it was: another cluster, or an older backup.

An answer is compared with the highest revision known *when its request was sent*:
answers may overtake each other. Once noticed it is said for ever, as nothing that
was learnt before can be trusted any longer.
"""

from __future__ import annotations

from shoal_coordinator.registry.etcd.wire import rpc_pb2 as wire
from shoal_coordinator.registry.port import ABSENT, Revision, StoreWentBack


class Continuity:
    """What has been seen of etcd since the process started."""

    def __init__(self) -> None:
        self._cluster_id: int | None = None
        self._highest = Revision(0)
        self._verdict: str | None = None

    def floor(self) -> Revision:
        """Take this before sending. Raises StoreWentBack if that was noticed before."""
        if self._verdict is not None:
            raise StoreWentBack(self._verdict)
        return self._highest

    def saw(self, revision: Revision) -> None:
        """Take note of a revision that etcd is known to have reached."""
        self._highest = max(self._highest, revision)

    def check(self, header: wire.ResponseHeader, floor: Revision = ABSENT) -> Revision:
        """Return the answer's revision. Raises StoreWentBack.

        Leave ``floor`` out where the answering member may merely lag behind.
        """
        if self._cluster_id is None:
            self._cluster_id = header.cluster_id
        if header.cluster_id != self._cluster_id:
            self._verdict = (
                f"etcd's cluster id was {self._cluster_id:x} and is {header.cluster_id:x}: "
                "it is another cluster, or was created anew; check --etcd and restart"
            )
        elif header.revision < floor:
            self._verdict = (
                f"etcd was at revision {floor} and is at {header.revision}: "
                "it was restored from an older backup; restart every program"
            )
        if self._verdict is not None:
            raise StoreWentBack(self._verdict)
        self._highest = max(self._highest, Revision(header.revision))
        return Revision(header.revision)
