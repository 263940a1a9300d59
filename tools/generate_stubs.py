"""Generate the Python stubs from the protos, or check that they are up to date.

python tools/generate_stubs.py            write them
python tools/generate_stubs.py --check    exit 1 if what is committed differs
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of protos and the source folder that its stubs go to."""

    protos: Path
    stubs: Path


SOURCES = (
    Source(REPOSITORY / "protos", REPOSITORY / "client" / "src"),
    # etcd's wire format, as far as the registry speaks it.
    Source(
        REPOSITORY / "coordinator" / "protos",
        REPOSITORY / "coordinator" / "src",
    ),
)
STUB_SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def generate(source: Source, out: Path) -> None:
    """Write the stubs of all protos of ``source`` under ``out``."""
    files = sorted(str(path.relative_to(source.protos)) for path in source.protos.rglob("*.proto"))
    if not files:
        return
    well_known = resources.files("grpc_tools") / "_proto"
    arguments = [
        "protoc",
        f"--proto_path={source.protos}",
        f"--proto_path={well_known}",
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out=quiet:{out}",
        *files,
    ]
    if protoc.main(arguments) != 0:
        sys.exit(f"protoc failed for {source.protos.relative_to(REPOSITORY)}")


def stubs_under(folder: Path) -> set[Path]:
    return {
        path.relative_to(folder)
        for path in folder.rglob("*_pb2*")
        if path.name.endswith(STUB_SUFFIXES)
    }


def drift(source: Source, fresh: Path) -> list[str]:
    """Name every stub that is missing, left over or different from ``fresh``."""
    wanted, committed = stubs_under(fresh), stubs_under(source.stubs)
    different = {
        name
        for name in wanted & committed
        if not filecmp.cmp(fresh / name, source.stubs / name, shallow=False)
    }
    return sorted(
        [f"missing: {name}" for name in wanted - committed]
        + [f"left over: {name}" for name in committed - wanted]
        + [f"out of date: {name}" for name in different]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say what differs")
    check: bool = parser.parse_args().check
    differences: list[str] = []
    for source in SOURCES:
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder)
            generate(source, fresh)
            if check:
                differences += drift(source, fresh)
                continue
            for name in stubs_under(source.stubs) - stubs_under(fresh):
                (source.stubs / name).unlink()
            for name in stubs_under(fresh):
                (source.stubs / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(fresh / name, source.stubs / name)
    if differences:
        sys.exit(
            "the stubs do not match the protos; run `make protos`:\n  " + "\n  ".join(differences)
        )


if __name__ == "__main__":
    main()
