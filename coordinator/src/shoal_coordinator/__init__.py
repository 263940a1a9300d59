"""Coordinator and registry, and what makes a process of them and of a node."""

import os

# What gRPC's own library has to say goes to stderr, among lines that are JSON, several for every
# handshake that fails. It reads this when it is imported, as modules of this package do.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
