"""``make soak``: faults at random against real processes, for as long as asked; before that
against simulated clusters, where their number is given.

    python -m tools.soak --minutes 60 --seed 7 --simulated 10000
    python -m tools.soak --only pause --rounds 3 --proxies
    python -m tools.soak --sequence mute isolate
    python -m tools.soak --judge build/soak/round-4.jsonl

Exits with 1 when a simulated seed broke something, or a round was void, broken, undecided,
or held an anomaly.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from tools.soak import report
from tools.soak.campaign import Round, chosen, play
from tools.soak.checks.judge import judge
from tools.soak.cluster import Cluster, Shape
from tools.soak.history import read_history
from tools.soak.namespaces import Namespaces, are_allowed, inside
from tools.soak.nemeses import NEMESES, OF_SEVERAL_ETCDS
from tools.soak.network import Network
from tools.soak.proxies import Proxies
from tools.soak.simulated import Simulated, simulate

_INSIDE = "--inside"


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.judge is not None:
        sys.exit(_judge(arguments.judge))
    if not arguments.proxies and not arguments.inside and are_allowed():
        command = inside([sys.executable, "-m", "tools.soak", *sys.argv[1:], _INSIDE])
        os.execvp(command[0], command)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    # A stopped soak takes its processes down on its way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    rng = random.Random(arguments.seed)
    network: Network = Namespaces() if arguments.inside else Proxies()
    shape = Shape(
        nodes=arguments.nodes,
        replicas=arguments.replicas,
        lease_ttl_seconds=arguments.lease_ttl,
        etcd_members=arguments.etcd_members,
    )
    setting = report.Setting(
        arguments.seed,
        network.kind,
        shape.nodes,
        shape.replicas,
        shape.partitions,
        shape.lease_ttl_seconds,
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    simulated = _simulate(arguments)
    with TemporaryDirectory(prefix="shoal-soak-") as temporary:
        logs = Path(temporary) if arguments.logs is None else arguments.logs
        rounds = _soak(Cluster(shape, network, logs), arguments, rng)
    told = report.as_json(setting, rounds, simulated)
    (arguments.out / "soak.json").write_text(json.dumps(told, indent=1, default=str) + "\n")
    print(report.of_all(setting, rounds, simulated))
    sys.exit(0 if report.is_good(rounds, simulated) else 1)


def _simulate(arguments: argparse.Namespace) -> Simulated | None:
    """The simulated seeds, if any are asked for. Which ones the soak's seed says."""
    if not arguments.simulated:
        return None
    first = random.Random(f"simulated {arguments.seed}").randrange(1 << 31)
    print(f"simulating {arguments.simulated} clusters from seed {first}", flush=True)
    return simulate(first, arguments.simulated, arguments.out / "simulated.json")


def _judge(path: Path) -> int:
    """Judge a saved history again; return the exit code."""
    judged = judge(read_history(path))
    for anomaly in judged.anomalies:
        print(f"ANOMALY {anomaly}")
    for key in judged.undecided:
        print(f"UNDECIDED: {key}")
    print(f"{judged.operations} operations on {judged.keys} keys")
    return 1 if judged.anomalies or judged.undecided else 0


def _soak(cluster: Cluster, arguments: argparse.Namespace, rng: random.Random) -> list[Round]:
    known = arguments.only or [
        name for name in NEMESES if arguments.etcd_members > 1 or name not in OF_SEVERAL_ETCDS
    ]
    sequence = [[name] for name in arguments.sequence or ()]
    rounds_max = len(sequence) or arguments.rounds
    deadline = time.monotonic() + arguments.minutes * 60
    copies = 1 + arguments.replicas if arguments.copies is None else arguments.copies
    rounds: list[Round] = []
    with cluster:
        while time.monotonic() < deadline and len(rounds) < rounds_max:
            number = len(rounds) + 1
            names = sequence[len(rounds)] if sequence else chosen(rng, known)
            seed = rng.randrange(1 << 31)
            done = play(
                cluster, names, number=number, seed=seed, copies=copies, folder=arguments.out
            )
            rounds.append(done)
            print(report.of_round(done), flush=True)
            if done.broken:
                break
    return rounds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--simulated", type=int, default=0, help="simulate so many clusters before")
    parser.add_argument("--rounds", type=int, default=1 << 31, help="end after so many")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument(
        "--etcd-members", type=int, choices=[1, 3, 5], default=3, help="all of them on this machine"
    )
    parser.add_argument("--lease-ttl", type=int, default=2, help="seconds")
    parser.add_argument("--copies", type=int, help="in sync make a settled partition; all wanted")
    parser.add_argument(
        "--only", action="append", choices=list(NEMESES), help="one of them; repeatable"
    )
    parser.add_argument("--sequence", nargs="+", choices=list(NEMESES), help="one round of each")
    parser.add_argument("--proxies", action="store_true", help="loopback, not namespaces")
    parser.add_argument(
        "--out", type=Path, default=Path("build/soak"), help="report and bad histories"
    )
    parser.add_argument("--logs", type=Path, help="keep the processes' data and output here")
    parser.add_argument("--judge", type=Path, help="only judge this saved history again")
    parser.add_argument(_INSIDE, action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
