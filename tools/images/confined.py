"""A program of an image, run as a pod would have it: an ordinary user, a root that nobody can
write to, and therefore no capabilities, and no way to any. The network is the machine's.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.images.bases import buildah

# In a mount namespace of its own, so that nothing stays behind.
_SCRIPT = """
set -eu
root=$1 user=$2
shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec="$user" "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Image:
    """An image whose files stand at ``root``."""

    name: str
    root: Path
    user: str
    entrypoint: tuple[str, ...]
    environment: tuple[str, ...]
    size_bytes: int

    def command(self, arguments: Sequence[str], program: Sequence[str] | None = None) -> list[str]:
        """What runs the entry point, or another program of the image."""
        inside = ["/usr/bin/env", "-i", *self.environment, *(program or self.entrypoint)]
        return [
            *("unshare", "--mount", "sh", "-c", _SCRIPT, "sh"),
            *(str(self.root), self.user, *inside, *arguments),
        ]

    def told(self, *arguments: str, program: Sequence[str] | None = None) -> str:
        """Run it to its end; return what it printed."""
        done = subprocess.run(
            self.command(arguments, program), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{self.name} {arguments}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


@contextlib.contextmanager
def opened(name: str) -> Iterator[Image]:
    container = buildah("from", "--pull-never", name)
    try:
        root = Path(buildah("mount", container))
        described = json.loads(buildah("inspect", "--type", "image", name))
        config = described["OCIv1"]["config"]
        yield Image(
            name=name,
            root=root,
            user=config.get("User", "0:0"),
            entrypoint=tuple(config["Entrypoint"]),
            environment=tuple(config["Env"]),
            size_bytes=size_bytes(root),
        )
    finally:
        buildah("rm", container)


def size_bytes(root: Path) -> int:
    """Of all files, each once."""
    seen = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            seen[status.st_ino] = status.st_size
    return sum(seen.values())
