"""What a coordinator passes on is taken from whoever is of the cluster, and nothing else."""

from __future__ import annotations

from shoal.v1 import admin_pb2
from shoal_coordinator.access.policy import Operation, Role
from shoal_coordinator.access.rights import rights_of
from shoal_coordinator.service.admission import Metadata, is_allowed
from shoal_coordinator.service.asking import PASSED_ON

PASSING: Metadata = (("shoal-asked-by", "coordinator"),)
METHODS = {it.name for it in admin_pb2.DESCRIPTOR.services_by_name["Admin"].methods}


def allowed(operation: Operation, metadata: Metadata) -> set[str]:
    rights = rights_of([Role("r", frozenset({operation}))])
    return {it for it in METHODS if is_allowed(f"/shoal.v1.Admin/{it}", metadata, rights)}


def test_an_administrator_may_call_everything_and_a_peer_what_it_passes_on() -> None:
    assert PASSED_ON <= METHODS
    for metadata in ((), PASSING):
        assert allowed(Operation.ADMIN, metadata) == METHODS
        assert allowed(Operation.INSPECT, metadata) == set()
    assert allowed(Operation.PEER, PASSING) == PASSED_ON
    assert allowed(Operation.PEER, ()) == set()
    assert allowed(Operation.PEER, (("shoal-asked-by", "somebody"),)) == set()
