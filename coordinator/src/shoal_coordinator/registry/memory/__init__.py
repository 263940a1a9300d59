"""The store's twin in memory, with the same semantics, for tests and simulation.

``MemoryEtcd`` is what etcd would hold; each ``MemoryStore`` is one process's
connection to it, which can be made to fail by itself.
"""

from shoal_coordinator.registry.memory.etcd import MemoryEtcd
from shoal_coordinator.registry.memory.store import CommitFault, MemoryStore

__all__ = ["CommitFault", "MemoryEtcd", "MemoryStore"]
