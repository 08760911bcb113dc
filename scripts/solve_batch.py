"""Solve every cell of a batch file: problems x activations x networks x optimisers x seeds, keeping what is finished.

    python scripts/solve_batch.py batch.toml --out runs/batch            # processes of this machine
    python scripts/solve_batch.py batch.toml --out runs/batch --cluster tcp://host:8786

The same as `pinnact compare batch.toml --resume`, as a script to start from. The form of the file is told in
`pinnact/batch/cells.py`.
"""

import argparse
from pathlib import Path

from pinnact import batch


def main() -> None:
    """Read, run, say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=0, help="runs at a time; 0: as many as cores")
    parser.add_argument("--cluster", help="local, or the address of a Dask scheduler")
    given = parser.parse_args()
    pool = batch.Processes(given.workers)
    if given.cluster:
        pool = batch.Cluster(None if given.cluster == "local" else given.cluster, given.workers)
    results = batch.run(batch.read(given.file), given.out, pool, batch.View())
    print(f"{results.count('done')} done, {results.count('failed')} failed, {results.count('open')} open")


if __name__ == "__main__":
    main()
