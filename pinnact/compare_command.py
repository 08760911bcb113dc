"""`pinnact compare`: problems x activations x networks x optimisers x seeds, side by side."""

from pathlib import Path
from typing import Annotated

import jax
import typer

from pinnact import batch
from pinnact.batch.pools import AbstractPool
from pinnact.batch.tables import CELLS
from pinnact.console import Every, ended_early, number, pairs, run_folder, say

EXIT_FAILED = 1
Names = Annotated[str, typer.Option(help="Names, separated by commas.")]


def compare(
    problems: Annotated[list[str], typer.Argument(help="Problems by file or name, or one batch file (.toml).")],
    activations: Names = "tanh",
    networks: Names = "mlp",
    optimisers: Names = "auto",
    widths: Annotated[str | None, typer.Option(help="Units of a hidden layer, separated by commas.")] = None,
    depths: Annotated[str | None, typer.Option(help="Hidden layers, separated by commas.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds of each: 0, 1, ...")] = 5,
    budget: Annotated[float | None, typer.Option(help="Seconds a run, 60 unless --steps is given.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps a run.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="An argument of the problems, NAME=VALUE.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the table; by default runs/compare.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep what is finished in --out, do the rest.")] = False,
    workers: Annotated[int, typer.Option(help="Runs at a time; 0: as many as cores.")] = 0,
    cluster: Annotated[
        str | None, typer.Option(help="local, or the address of a Dask scheduler, tcp://HOST:PORT.")
    ] = None,
    memory: Annotated[str, typer.Option(help="Most memory of a local Dask worker, e.g. 4GB.")] = "auto",
    together: Annotated[
        bool | None, typer.Option(help="Train the seeds of a network in one call; by default on accelerators.")
    ] = None,
    checkpoint_every: Every = 60.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only errors.")] = False,
) -> None:
    """Compare activations, networks and optimisers: writes table.csv, table.md and a figure with median and spread.

    Networks that are too rough for an equation are trained all the same, and the table says so.
    """
    if workers < 0:
        raise ValueError(f"--workers {workers}: give the runs at a time, or 0 for as many as cores")
    cells = _cells(problems, activations, networks, optimisers, widths, depths, seeds, budget, steps, set_)
    folder = run_folder("compare", out, resume, CELLS)
    pool: AbstractPool = batch.Processes(workers)
    if cluster is not None:
        pool = batch.Cluster(None if cluster == "local" else cluster, workers, memory)
        pool.check()
    together = jax.default_backend() != "cpu" if together is None else together
    results = batch.run(cells, folder, pool, None if quiet else batch.View(), checkpoint_every, together)
    if not quiet:
        say(f"{results.count('done')} cells done, {results.count('failed')} failed, {results.count('open')} open, "
            f"by {pool.words} in {results.seconds:.0f} s; written to {folder / 'table.md'}")  # fmt: skip
    if not quiet and (gains := [row["gain"] for row in results.rows if row.get("gain")]):
        say(f"seeds together: {min(gains):.1f} to {max(gains):.1f} times as fast as one after the other")
    if code := ended_early(results.stopped, folder):
        raise typer.Exit(code)
    if not results.count("done"):
        say(f"no cell could be solved; the first: {results.rows[0]['reason']}", style="red")
        raise typer.Exit(EXIT_FAILED)


def _cells(problems: list[str], activations: str, networks: str, optimisers: str, widths: str | None,
           depths: str | None, seeds: int, budget: float | None, steps: int | None, given: list[str] | None
           ) -> list[batch.Cell]:  # fmt: skip
    if seeds < 1:
        raise ValueError(f"--seeds {seeds}: give at least 1")
    files = [name for name in problems if name.endswith(".toml")]
    if files and len(problems) > 1:
        raise ValueError(f"{files[0]} is a batch file: give it alone")
    if files:
        return batch.read(Path(files[0]))
    grid = {
        "problem": problems,
        "activation": _listed("--activations", activations),
        "network": _listed("--networks", networks),
        "optimiser": _listed("--optimisers", optimisers),
        "seed": list(range(seeds)),
        "allow_rough": True,
    }
    sizes = {"width": ("--widths", widths), "depth": ("--depths", depths)}
    grid |= {name: _whole(option, text) for name, (option, text) in sizes.items() if text is not None}
    grid |= {name: value for name, value in (("budget", budget), ("steps", steps)) if value is not None}
    return batch.expand(grid | {"set": {k: number(v) for k, v in pairs(given, "--set").items()}})


def _listed(option: str, text: str) -> list[str]:
    """`tanh,relu_power(2)` as a list; commas within brackets don't separate."""
    words, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            words.append("")
        else:
            words[-1] += letter
    if not all(word.strip() for word in words):
        raise ValueError(f"{option} {text!r}: give names separated by commas")
    return [word.strip() for word in words]


def _whole(option: str, text: str) -> list[int]:
    try:
        return [int(word) for word in _listed(option, text)]
    except ValueError as error:
        raise ValueError(f"{option} {text!r}: give whole numbers separated by commas") from error
