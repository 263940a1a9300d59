"""``shoal``, the command line for people.

Invariant: importing this package imports neither click nor gRPC, so that the
processes it starts stay small and ``shoal --help`` answers at once. Each command
is imported when it is called.
"""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line of this process. Ends by SystemExit."""
    # A handshake that fails is told by the command, in a sentence.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from shoal.cli.app import shoal

    shoal.main(prog_name="shoal")
