"""The table and the figure of `scripts/compare_peers.py`, from the files that the runs left."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from peers.curve import MARKS

Rows = list[tuple[float, float]]  # seconds, relative L2 error
LEGEND = 0.5  # inches below the panels
LATE = 1.02  # a look that was due at a mark comes up to 2 % later
COLOURS = {"deepxde": "tab:orange", "jinns-ssbroyden": "tab:green", "jinns-natural": "tab:purple"}
LABELS = {"deepxde": "DeepXDE, Adam + L-BFGS", "jinns-ssbroyden": "jinns, SSBroyden", "jinns-natural": "jinns, natural"}


def read(paths: list[Path]) -> list[dict]:
    """What is there of some runs."""
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def rows(paths: list[Path], key: str = "rows") -> Rows:
    """The rows of some runs together, by time."""
    return sorted((s, e) for found in read(paths) for s, e in found.get(key, []))


def training(paths: list[Path]) -> Rows:
    """The history of the longest of our trainings."""
    histories = (found["training"] for found in read(paths) if found["training"])  # none where there was no training
    longest = max(histories, key=lambda history: history[-1][0], default=[])
    return [(seconds, error) for seconds, error in longest]


def at(curve: Rows, mark: float) -> float | None:
    """The error that a curve shows at a time: its last one until then."""
    return next((error for seconds, error in reversed(curve) if seconds <= LATE * mark), None)


def ours_at(paths: list[Path], mark: float) -> float | None:
    """What the latest of our runs that has ended by then reached; before the first has, what training had reached."""
    ended = at(rows(paths), mark)
    return at(training(paths), mark) if ended is None else ended


def trained_at(paths: list[Path], mark: float) -> float | None:
    """The lowest error that our trainings, whose methods depend on their budgets, show at a time without correction."""
    known = [at(found["training"], mark) for found in read(paths)]
    return min((error for error in known if error is not None), default=None)


def table(found: dict[str, dict[str, list[Path]]], budget: float) -> str:
    """Errors at the marks, and who reaches the best error of a peer how early."""
    peers = [name for name in next(iter(found.values())) if name not in ("ours", "classical")]
    head = ["problem", "at", "pinnact", "training alone", *peers, "best peer / pinnact", "classical, in seconds"]
    lines = ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for problem, named in found.items():
        marks = [mark for mark in MARKS if mark < budget] + [budget]
        lines += ["| " + " | ".join([problem, f"{mark:g} s", *cells(named, peers, mark)]) + " |" for mark in marks]
    return "\n".join([*lines, "", *(reached(problem, named, peers) for problem, named in found.items()), ""])


def cells(named: dict[str, list[Path]], peers: list[str], mark: float) -> list[str]:
    """The cells of one row: our error, the same without correction, the peers', the verdict, the classical solver."""
    mine, trained = ours_at(named["ours"], mark), trained_at(named["ours"], mark)
    theirs = {peer: at(rows(named[peer]), mark) for peer in peers}
    shown = ["-" if error is None else f"{error:.1e}" for error in (mine, trained, *theirs.values())]
    known = {peer: error for peer, error in theirs.items() if error is not None}
    best = min(known, key=lambda peer: known[peer], default="")
    if mine is None or not best:
        verdict = f"{best} alone has a result" if best else "-"
    elif known[best] < mine:
        verdict = f"{known[best] / mine:.2g}: {best.upper()} WINS"
    else:
        verdict = f"{known[best] / mine:.2g}"
    done = [(run["rows"][0][1], run["rows"][0][0], run["recipe"]) for run in read(named["classical"])]
    classical = min(((e, s, r) for e, s, r in done if s <= LATE * mark), default=None)
    return [*shown, verdict, "-" if classical is None else f"{classical[0]:.1e} ({classical[2]}, {classical[1]:.1f} s)"]


def reached(problem: str, named: dict[str, list[Path]], peers: list[str]) -> str:
    """When we reach the lowest error of any peer, and when that peer had it; and when the classical solver beats us."""
    lowest = [(error, seconds, peer) for peer in peers for seconds, error in rows(named[peer])]
    mine = sorted(training(named["ours"]) + rows(named["ours"]))
    if not lowest or not mine:
        return f"{problem}: nothing to compare."
    error, seconds, peer = min(lowest)
    when = next((s for s, e in mine if e <= error), None)
    if when is None:
        said = f"pinnact does not reach it: {peer.upper()} WINS"
    else:
        slower = f": {peer.upper()} IS FASTER" if when > seconds else ""
        said = f"pinnact reaches that at {when:.1f} s, {seconds / when:.2g} times as fast{slower}"
    end = min(e for _, e in mine)
    direct = next((s for s, e in rows(named["classical"]) if e <= end), None)
    beside = "does not reach that" if direct is None else f"reaches that at {direct:.1f} s"
    return (
        f"{problem}: the best of the peers, {peer}, has {error:.1e} at {seconds:.1f} s; {said}. "
        f"pinnact's best is {end:.1e}; the classical solver {beside}."
    )


def figure(found: dict[str, dict[str, list[Path]]], path: Path, budget: float) -> None:
    """A panel for each problem: error over wall time, all solvers, logarithmic axes."""
    across = min(2, len(found))
    down = -(-len(found) // across)
    drawing, panels = plt.subplots(down, across, figsize=(5.2 * across, 3.7 * down + LEGEND), squeeze=False)
    for panel in panels.flat[len(found) :]:
        panel.set_axis_off()
    for panel, (problem, named) in zip(panels.flat, found.items()):
        for peer, colour in COLOURS.items():
            if peer in named and (curve := rows(named[peer])):
                panel.plot(*zip(*curve), color=colour, lw=1.5, marker=".", ms=3, label=LABELS[peer])
        history, ended = training(named["ours"]), rows(named["ours"])
        if history:
            panel.plot(*zip(*history), color="tab:blue", lw=1.2, ls="--", label="pinnact, while it trains")
        if ended:
            panel.plot(*zip(*ended), color="tab:blue", lw=1.5, marker="o", label="pinnact, runs that have ended")
        for kind, points in classical_curves(named["classical"]).items():
            marker = {"P2": "^", "P4": "s"}.get(kind, "D")
            panel.plot(*zip(*points), color="0.45", lw=0.8, marker=marker, ms=4, label=f"classical, {kind}")
        panel.set(xscale="log", yscale="log", title=problem, xlim=(0.5, 1.3 * max(budget, *(s for s, _ in ended), 1)))
        panel.grid(alpha=0.3)
    for panel in panels[-1]:
        panel.set_xlabel("wall time in s, from the start of the process")
    for panel in panels[:, 0]:
        panel.set_ylabel("relative L2 error")
    entries: dict[str, object] = {}
    for panel in panels.flat:
        entries |= dict(zip(*reversed(panel.get_legend_handles_labels())))
    drawing.tight_layout(rect=(0, LEGEND / drawing.get_figheight(), 1, 1))
    drawing.legend(entries.values(), entries.keys(), loc="lower center", ncols=2 * across, fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=150)
    plt.close(drawing)


def classical_curves(paths: list[Path]) -> dict[str, Rows]:
    """The classical solutions by kind, as they get finer: the elements, or the Fourier method for its tolerances."""
    curves: dict[str, Rows] = {}
    for run in read(paths):
        kind = run["recipe"].split(":")[0]
        curves.setdefault(kind if kind.startswith("P") else "Fourier", []).append(tuple(run["rows"][0]))
    return curves
