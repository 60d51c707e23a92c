"""`python -m benchmarks [NAME ...]`: which figures are there to print, and how do they compare with another revision's?

    python -m benchmarks generate                       the figures of today
    python -m benchmarks --base v0.1.0 generate         both revisions in turn, each figure as new/base
    python -m benchmarks --base v0.1.0 --write generate the same, kept in docs/performance.md

Exit status: 0 fine, 1 a revision does not build or a benchmark fails, 2 wrong use.
"""

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

import benchmarks
from benchmarks._pages import PageError
from benchmarks._revision import RevisionError, built
from benchmarks._side_by_side import compared

PROJECT = Path(__file__).parents[1]


def main() -> None:
    """Run every benchmark, or those that are named; beside another revision where one is given."""
    known = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Print the figures of speed and memory.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(known)}")
    parser.add_argument("--base", metavar="REVISION", help="build this revision and run both in turn")
    parser.add_argument("--rounds", type=int, default=3, help="how often each runs beside a base (3)")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/performance.md")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(known))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; choose of {', '.join(known)}")
    if asked.rounds < 1 or (asked.write and not asked.base):
        parser.error("at least one round is needed, and --write needs --base")
    names = asked.names or known
    if asked.base:
        try:
            base = built(PROJECT, asked.base)
            fine = compared(PROJECT, base, names, asked.rounds, PROJECT / _PAGE if asked.write else None)
        except RevisionError as error:
            print(error, file=sys.stderr)
            sys.exit(error.status)
        except PageError as error:
            print(error, file=sys.stderr)
            sys.exit(2)
        sys.exit(0 if fine else 1)
    for name in names:
        print(f"\n== {name}", flush=True)
        sys.argv = [name]
        importlib.import_module(f"benchmarks.{name}").main()


_PAGE = "docs/performance.md"

if __name__ == "__main__":
    main()
