"""Writes ``vectors.txt``: field blocks as the package ``hpack`` encodes them.

Run it beside the file, with ``hpack`` installed. Blocks stand one behind the other as
one connection would send them; ``new`` begins another connection.
"""

from __future__ import annotations

import random
from pathlib import Path

from hpack import Encoder

SEED = 20260
NAMES = [":path", "grpc-timeout", "user-agent", "x-trace", "cookie", "te", "a", "authorization"]
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789/:;.,-_=+*&%$#@!?<>[]{}|~^ \"'"


def main() -> None:
    """Write the file."""
    draw = random.Random(SEED)  # noqa: S311 (the same vectors each time)
    parts: list[str] = []
    for _ in range(10):
        parts.append("new")
        encoder = Encoder()
        for _ in range(24):
            fields = [_field(draw) for _ in range(draw.randint(1, 8))]
            if draw.random() < 0.1:
                encoder.header_table_size = draw.choice([0, 100, 1000, 4096])
            block = encoder.encode(fields, huffman=draw.random() < 0.7)
            parts.append("\n".join([block.hex(), *("\t".join(field) for field in fields)]))
    Path(__file__).with_name("vectors.txt").write_text("\n\n".join(parts) + "\n")


def _field(draw: random.Random) -> tuple[str, str]:
    value = "".join(draw.choices(ALPHABET, k=draw.choice([0, 1, 5, 12, 40])))
    return draw.choice(NAMES), draw.choice([value, "trailers", "POST", "1S"])


if __name__ == "__main__":
    main()
