from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal import Version
from shoal._core.session import Remembered

VERSIONS = st.builds(Version, st.integers(0, 3), st.integers(0, 50))


@given(st.lists(st.tuples(st.integers(0, 7), VERSIONS), max_size=200))
def test_the_highest_version_of_each_partition_is_kept(noted):
    remembered = Remembered()
    for partition, version in noted:
        before = remembered.at_least(partition)
        remembered.note(partition, version)
        after = remembered.at_least(partition)
        assert before is None or (after is not None and after >= before)
    for partition in range(8):
        told = [version for at, version in noted if at == partition]
        highest = max(told, default=Version(0, 0))
        assert remembered.at_least(partition) == (highest if highest > Version(0, 0) else None)
    assert len(remembered) <= 8
