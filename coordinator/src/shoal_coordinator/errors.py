"""Why a coordinator cannot run.

CoordinatorError           exits with status 1
├── EtcdAbsent             no etcd answered at the start
├── CannotListen           an address cannot be bound
└── EtcdWentBack           etcd was restored from a backup, or is another one
"""

from __future__ import annotations


class CoordinatorError(Exception):
    """Base of what ends a coordinator. Its message is a sentence that says what to do."""

    exit_status = 1


class EtcdAbsent(CoordinatorError):
    """No etcd answered when the coordinator started."""


class CannotListen(CoordinatorError):
    """An address is taken, or is not this machine's."""


class EtcdWentBack(CoordinatorError):
    """What etcd holds is older than what was seen already."""
