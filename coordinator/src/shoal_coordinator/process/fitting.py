"""Whether a program may work in the cluster that stands: whose it is, and what is spoken there."""

from __future__ import annotations

from typing import Final

import click

from shoal_coordinator.process.errors import BadSettings
from shoal_coordinator.registry.records import ClusterConfig

PROTOCOL: Final = 1
"""What this release speaks, in etcd and between programs. Rises with a change that a release
before it cannot live with; whoever creates a cluster asks it of all who come later."""

cluster_id_option = click.option(
    "--cluster-id",
    metavar="ID",
    help="Start only in the cluster that has this id, which `shoal config show` tells: a guard "
    "against another one's etcd.",
)
"""The flag, which is the same for every program."""


def check_fit(config: ClusterConfig, cluster: str, cluster_id: str | None) -> None:
    """``cluster_id``: the one that is meant; None: whichever stands. Raises BadSettings."""
    if cluster_id is not None and cluster_id != config.cluster_id:
        raise BadSettings(
            f"cluster {cluster} in this etcd has the id {config.cluster_id}, and --cluster-id is "
            f"{cluster_id}: correct --etcd or --cluster if another one is meant, and --cluster-id "
            "if it was made anew"
        )
    if config.protocol > PROTOCOL:
        raise BadSettings(
            f"cluster {cluster} speaks protocol {config.protocol}, and this release protocol "
            f"{PROTOCOL}: start a newer release"
        )
