"""Why ``shoal up`` does not start a cluster, or gives one up.

    UpFailed                  the message is a sentence that says what to do
    ├── NoEtcd                no usable etcd was found
    ├── NoFreePort            too many ports are taken
    ├── DirectoryInUse        another cluster runs in the data directory
    ├── StartFailed           a process did not come up; the message has its last log lines
    └── SupervisorFailed      the supervisor did not start, or is gone

Imports the standard library alone: the supervisor stays small.
"""

from __future__ import annotations


class UpFailed(Exception):
    """Base of the above."""


class NoEtcd(UpFailed):
    """No usable etcd was found."""


class NoFreePort(UpFailed):
    """So many ports were taken that none was found."""


class DirectoryInUse(UpFailed):
    """Another cluster runs in the data directory."""


class StartFailed(UpFailed):
    """A process did not come up."""


class SupervisorFailed(UpFailed):
    """The supervisor did not start, or is gone."""
