"""The examples: where each stands, what it needs, what it runs and what it must say."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Need:
    """Something that an example can not be built or run without."""

    command: tuple[str, ...]
    """Exits with 0 where it is there, and prints its version."""
    install: str
    """What to do where it is not."""

    def version(self) -> str | None:
        """What the command prints; None where it is not there or fails."""
        try:
            asked = subprocess.run(self.command, capture_output=True, text=True, check=False)
        except OSError:
            return None
        return asked.stdout + asked.stderr if asked.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class Example:
    """A folder of ``examples/`` that ``build.sh`` builds."""

    name: str
    title: str
    needs: tuple[Need, ...]
    programs: tuple[tuple[str, ...], ...]
    """Commands, run in the folder; each is given the nodes' addresses besides."""
    says: tuple[tuple[str, ...], ...]
    """For each program, words that its output must have."""
    beside: tuple[str, ...] = ("protos", "examples/protos")
    """Folders of the repository that it is built out of, besides its own."""

    def __post_init__(self) -> None:
        assert len(self.programs) == len(self.says), self.name


PROTOC = Need(("protoc", "--version"), "apt-get install protobuf-compiler")
GO = Need(("go", "version"), "Go 1.21 or later: apt-get install golang-go, or go.dev")

BASICS_SAY = (
    'HIT "a kettle"',
    "99 left of 100",
    'HIT "1", MISS "", HIT "3"',
    "read through each of 3 nodes",
    "8 values of 1 MiB came in",
    'and got HIT "loaded once"',
    "NOT_AN_INTEGER, NOT_APPLIED",
    "TOO_MANY_REQUESTS, NOT_APPLIED, again in",
)
"""Of the program that there is in each language."""

EXAMPLES = (
    Example(
        "go",
        "Go",
        (GO, PROTOC),
        (("bin/basics",), ("bin/routed",)),
        (BASICS_SAY, ("routed: 200 keys", "HIT")),
    ),
    Example(
        "node",
        "Node (TypeScript)",
        (
            Need(("node", "--version"), "Node 20 or later: apt-get install nodejs, or nodejs.org"),
            Need(("npm", "--version"), "apt-get install npm"),
        ),
        (("node", "build/src/basics.js"),),
        (BASICS_SAY,),
    ),
    Example(
        "java",
        "Java",
        (
            Need(("javac", "--version"), "a JDK of 17 or later: apt-get install openjdk-17-jdk"),
            Need(("mvn", "--version"), "apt-get install maven"),
        ),
        (("java", "-jar", "target/basics.jar"),),
        (BASICS_SAY,),
    ),
    Example(
        "cpp",
        "C++",
        (
            Need(("c++", "--version"), "apt-get install g++"),
            Need(("cmake", "--version"), "apt-get install cmake"),
            Need(
                ("pkg-config", "--modversion", "grpc++", "protobuf"),
                "apt-get install pkg-config libgrpc++-dev",
            ),
            PROTOC,
            # It can not tell its version, and waits for a request.
            Need(
                ("sh", "-c", "command -v grpc_cpp_plugin"),
                "apt-get install protobuf-compiler-grpc",
            ),
        ),
        (("build/basics",),),
        (BASICS_SAY,),
    ),
    Example(
        "rust",
        "Rust",
        (Need(("cargo", "--version"), "Rust 1.88 or later, with rustup"), PROTOC),
        (("target/debug/shoal-example",),),
        (BASICS_SAY,),
    ),
    Example(
        "grpcurl",
        "grpcurl",
        (GO,),
        (("./session.sh",),),
        (
            (
                "shoal.v1.Cache",
                '"status": "SERVING"',
                '"applied": true',
                '"status": "HIT"',
                '"reason": "NOT_AN_INTEGER"',
                '"fillToken":',
                '"value": "MQ=="',
            ),
        ),
        beside=("tools/grpcurl",),
    ),
)
