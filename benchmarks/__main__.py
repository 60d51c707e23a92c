"""`python -m benchmarks [NAME ...]`: which figures are there to print?"""

import importlib
import pkgutil
import sys

import benchmarks


def main() -> None:
    """Run every benchmark, or those that are named."""
    known = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_")]
    wanted = sys.argv[1:] or known
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        sys.exit(f"there is no benchmark {', '.join(unknown)}; choose of {', '.join(known)}")
    for name in wanted:
        print(f"\n== {name}", flush=True)
        sys.argv = [name]
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
