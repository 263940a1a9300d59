"""The registry's store over etcd: thin, and ours (DESIGN 4 says why).

A call goes down these files: ``store`` -> ``kv``, ``watch`` or ``lease`` ->
``endpoints`` -> ``channel``. ``errors`` says what a failed call means;
``continuity`` notices an etcd that went back. ``wire`` holds the generated stubs.
"""

from shoal_coordinator.registry.etcd.settings import EtcdSettings
from shoal_coordinator.registry.etcd.store import EtcdStore, open_store
from shoal_coordinator.registry.etcd.urls import BadEtcdUrl

__all__ = ["BadEtcdUrl", "EtcdSettings", "EtcdStore", "open_store"]
