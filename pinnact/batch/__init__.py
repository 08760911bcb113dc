"""Many runs: cells of problems, activations, networks, optimisers and seeds, solved in processes or on a cluster.

`read` or `expand` make cells, `run(cells, out, pool)` solves those that are not finished in `out`, with `Processes()`
of this machine or a `Cluster()` of Dask workers.
"""

from pinnact.batch.cells import Cell as Cell
from pinnact.batch.cells import expand as expand
from pinnact.batch.cells import read as read
from pinnact.batch.cluster import Cluster as Cluster
from pinnact.batch.pools import Processes as Processes
from pinnact.batch.runner import Results as Results
from pinnact.batch.runner import run as run
from pinnact.batch.view import View as View
