"""One client in a process of its own: ``python -m bench.clients.one LIBRARY LOAD ADDRESS SECONDS``.

Prints what it did as a line of JSON.
"""

from __future__ import annotations

import json
import sys

from bench.clients.libraries import library
from bench.clients.loads import run


def main() -> None:
    name, load, address, seconds = sys.argv[1:]
    print(json.dumps(run(library(name), load, address, float(seconds)).to_dict()))


if __name__ == "__main__":
    main()
