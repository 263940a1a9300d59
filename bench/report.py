"""``python -m bench.report bench.json``: the figures of a run as Markdown, on stdout."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.results import Results
from bench.table import markdown


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("json", type=Path, help="what `python -m bench --json` wrote")
    path: Path = parser.parse_args(arguments).json
    try:
        results = Results.read(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"bench.report: {path} holds no results of `python -m bench`: {error}")
    sys.stdout.write(markdown(results))


if __name__ == "__main__":
    main()
