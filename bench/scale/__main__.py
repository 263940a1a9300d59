"""``python -m bench.scale [--nodes N --partitions P --replicas R --zones Z]``."""

from __future__ import annotations

import argparse

from bench.scale.etcd_load import Load, load_of
from bench.scale.planning import memory_mib, planned

SIZES = ((10, 256), (100, 4096), (1000, 16384))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--partitions", type=int, default=16384)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--zones", type=int, default=3)
    asked = parser.parse_args()
    size = (asked.nodes, asked.partitions, asked.replicas, asked.zones)
    print("| change | planned in (CPU) | copies to be made |\n| --- | --- | --- |")
    for it in planned(*size):
        print(f"| {it.change} | {it.seconds:.2f} s | {it.moves} |", flush=True)
    allocated, resident = memory_mib(*size)
    print(f"\nallocated at most {allocated:.0f} MiB; resident at most {resident:.0f} MiB\n")
    loads = [load_of(nodes, partitions, asked.replicas) for nodes, partitions in SIZES]
    _print_loads(loads)


def _print_loads(loads: list[Load]) -> None:
    rows = {
        "nodes": [str(it.nodes) for it in loads],
        "partitions x copies": [f"{it.partitions} x {it.copies}" for it in loads],
        "keys": [str(it.keys) for it in loads],
        "bytes of one record": [str(it.record_bytes) for it in loads],
        "bytes of all": [_amount(it.stored_bytes) for it in loads],
        "keepalives a second": [f"{it.keepalives_per_second:.0f}" for it in loads],
        "writes a second, at rest": ["0" for _ in loads],
        "watchers": [str(it.watchers) for it in loads],
        "sent for one record's write": [_amount(it.write_bytes_out) for it in loads],
        "a node joins: records written": [f"{it.moved_writes:.0f}" for it in loads],
        "... sent to watchers": [_amount(it.moved_writes * it.write_bytes_out) for it in loads],
        "a node dies: records written": [f"{it.lost_writes:.0f}" for it in loads],
        "... sent to those who watch": [
            _amount(it.lost_writes * it.write_bytes_out) for it in loads
        ],
        "a zone of three dies: records": [f"{it.partitions}" for it in loads],
        "... sent to watchers, two thirds": [
            _amount(it.partitions * it.write_bytes_out * 2 / 3) for it in loads
        ],
        "all nodes start: sent": [_amount(it.watchers * it.list_bytes) for it in loads],
        "one process reads all (CPU)": [f"{it.decode_seconds:.2f} s" for it in loads],
    }
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")
        if name == "nodes":
            print(f"| --- {'| ---: ' * len(loads)}|")


def _amount(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


if __name__ == "__main__":
    main()
