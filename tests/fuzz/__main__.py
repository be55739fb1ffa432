"""Run the fuzz and print its table; exit status 1 where there is a fault."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from swarmformer.cli.command import CommandParser
from tests.fuzz import run_cases, table
from tests.fuzz.inputs import cases


def main() -> int:
    """Command line."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", default="", help="only this kind")
    parser.add_argument("--list", action="store_true", help="every case with what it said")
    options = parser.parse_args()
    chosen = [case for case in cases(options.count, options.seed) if options.kind in ("", case.kind)]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = []
        for outcome in run_cases(chosen, Path(folder)):
            outcomes.append(outcome)
            if options.list or outcome.fault:
                said = outcome.fault[-700:] or outcome.said[:160]
                place = f"{outcome.kind} | {outcome.name!r} | {outcome.status} | {outcome.seconds:.1f} s"
                print(f"{place} | {said!r}", flush=True)
    print("\n".join(table(outcomes)))
    return int(any(outcome.fault for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
