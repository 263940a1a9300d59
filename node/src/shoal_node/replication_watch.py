"""Reads what the data plane tells of replication, when there is reason to.

The data plane rings when there is news (``bell``), and says in which partitions. These
are read then, and that to which a copy is about to join. What is replicated is read now and
then as well, since a lag grows without news: on a tour of all of it, some at each look, so
that none takes long. A turn reads what it looks at, and no more.

What was read counts as news to the agent only where it may decide otherwise by it:
that sequences go up is none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

from shoal_coordinator.registry.records import PartitionId
from shoal_node.data_plane_port import DataPlanePort
from shoal_node.local import Local
from shoal_node.policy import Policy
from shoal_node.replication_status import Follower, PartitionReplication

_Gist: TypeAlias = dict[PartitionId, tuple[object, ...]]
_NEVER = -1
_READ_TOGETHER_MAX = 128
"""Copies that one look on a tour reads: half a millisecond's work."""


class ReplicationWatch:
    """Feeds ``local.observed``."""

    def __init__(self, data_plane: DataPlanePort, local: Local, policy: Policy) -> None:
        self._data_plane = data_plane
        self._local = local
        self._policy = policy
        self._news = _NEVER
        self.lagging: Collection[PartitionId] = ()
        """What the last look came to on its tour that has a copy which lags, if a little."""
        self.is_round = False
        """Whether its tour ended with that, or there was nothing to tour."""
        self._ahead: list[PartitionId] = []
        """What the tour has yet to come to."""
        self._set_out_ms = 0
        """When it was last looked what is replicated, to tour that."""
        self._gist: _Gist = {}

    def expire(self) -> None:
        """Read it at the next refresh, whether or not there is news."""
        self._news = _NEVER

    def refresh(self, only: Collection[PartitionId] | None = None) -> None:
        """Read it if there is news: before every decision, which must know its copies.

        ``only``: of these partitions. The others are read at the next look.
        """
        news = self._data_plane.replication_news()
        if news == self._news:
            return
        if only is None:
            self._read(news)
        elif only:
            self._note(self._data_plane.replication(sorted(only)), only)

    def wait_ms(self, now_ms: int) -> int:
        """For how long there is no reason to look, unless the bell rings."""
        if self._ahead:
            return 1
        if self._local.joining:
            return self._policy.replication_poll_ms
        return max(1, self._set_out_ms + self._policy.replication_look_ms - now_ms)

    def look(self, now_ms: int) -> bool:
        """Read it if there is reason to; return whether it says what matters."""
        local = self._local
        self.lagging, self.is_round = (), False
        if not self._ahead and now_ms - self._set_out_ms >= self._policy.replication_look_ms:
            self._set_out_ms = now_ms
            self._ahead = self._replicated()
            self.is_round = not self._ahead
        news = self._data_plane.replication_news()
        if self._news == _NEVER:
            is_other = self._read(news) or self._is_missing(local.required)
            self.lagging, self.is_round = _lagging(local.observed.values()), True
            self._ahead = []
        elif news != self._news or local.joining:
            is_other = self._read_changed(news)
        else:
            is_other = False
        if self._ahead:
            is_other = self._tour() or is_other
        return bool(local.joining) or is_other

    def _replicated(self) -> list[PartitionId]:
        """What has a copy elsewhere, in sync or not, or of which that is not known yet.

        One that was a little behind when it was looked at catches up without news.
        """
        local = self._local
        served = (
            it
            for it in local.serving
            if (told := local.observed.get(it)) is None
            or told.followers
            or ((required := local.required.get(it)) is not None and required.copies)
        )
        return sorted((*served, *local.following))

    def _tour(self) -> bool:
        """Read the next of what is replicated; return whether it says what matters."""
        some, self._ahead = self._ahead[:_READ_TOGETHER_MAX], self._ahead[_READ_TOGETHER_MAX:]
        self.is_round = not self._ahead
        told = self._data_plane.replication(some)
        self.lagging = _lagging(told)
        return self._note(told, some) or self._is_missing(some)

    def _read(self, news: int) -> bool:
        self._news = news
        told = self._data_plane.replication()
        return self._note(told, {*self._gist, *(it.partition for it in told)})

    def _read_changed(self, news: int) -> bool:
        self._news = news
        changed = {PartitionId(it) for it in self._data_plane.take_replication_changed()}
        asked = changed | self._local.joining.keys()
        return self._note(self._data_plane.replication(sorted(asked)), asked)

    def _note(self, told: Sequence[PartitionReplication], asked: Collection[PartitionId]) -> bool:
        """Take what was told of those asked for; return whether any of it matters."""
        observed = self._local.observed
        # Of most of them nothing was written, and nothing is another at all.
        fresh = {it.partition: it for it in told if observed.get(it.partition) != it}
        closed = {*asked}.difference(it.partition for it in told) if len(told) < len(asked) else ()
        if not fresh and not closed:
            return False
        self._local.observe([*fresh.values()], [*fresh, *closed])
        gists = {partition: self._gist_of(it) for partition, it in fresh.items()}
        other_ones = [it for it in (*gists, *closed) if self._gist.get(it) != gists.get(it)]
        for partition in other_ones:
            if partition in gists:
                self._gist[partition] = gists[partition]
            else:
                del self._gist[partition]
        self._local.changed.update(other_ones)
        return bool(other_ones)

    def _gist_of(self, it: PartitionReplication) -> tuple[object, ...]:
        followers = tuple(self._follower_gist(each, it.head_seq) for each in it.followers)
        return (it.role, it.epoch, it.copy_id, followers)

    def _follower_gist(self, it: Follower, head_seq: int) -> tuple[object, ...]:
        return (
            it.node,
            it.copy_id,
            it.is_streaming,
            it.lag_ms <= self._policy.near_ms,
            it.lag_ms > self._policy.lag_limit_ms,
            it.acked_seq >= head_seq,
        )

    def _is_missing(self, partitions: Iterable[PartitionId]) -> bool:
        """Whether a copy that is waited for does not follow: patience with it ends some time."""
        local = self._local
        for partition in partitions:
            required = local.required.get(partition)
            for copy in () if required is None else required.copies:
                if local.follower(partition, copy) is None:
                    return True
        return False


def _lagging(told: Iterable[PartitionReplication]) -> list[PartitionId]:
    return [it.partition for it in told for each in it.followers if each.lag_ms]
