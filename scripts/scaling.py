"""What a step of each optimiser sends between devices and holds on each, counted in what XLA compiles for it.

    python scripts/scaling.py            # tables on standard output; each number of devices is a process of its own

Devices are virtual ones of this machine's CPU. `messages` are the exchanges between devices in the compiled loop, each
place once (a line search passes some of them several times), `floats` what comes of them, `largest` the greatest. `ms`
is the median time of a loss with its gradient; one device is bound to one core, several share all of them.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import replace

METHODS = ("ssbroyden", "lm", "lbfgs", "adam")
SIZES = ((20, 3, 2000), (20, 3, 16_000), (40, 3, 2000))
TIMES = 25
FLOATS = re.compile(r"= (.*?) (?:all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\(")


def measured(devices: int) -> list[dict]:
    """In a process with so many devices: one row a method and size."""
    import jax  # noqa: PLC0415  (after XLA_FLAGS are set)
    import jax.numpy as jnp  # noqa: PLC0415

    import pinnact as pn  # noqa: PLC0415
    from pinnact import library, operators  # noqa: PLC0415
    from pinnact.flat import Flat, Watch  # noqa: PLC0415
    from pinnact.lifts import for_problem  # noqa: PLC0415
    from pinnact.model import build_model  # noqa: PLC0415
    from pinnact.optimisers import stages  # noqa: PLC0415
    from pinnact.placement import placement  # noqa: PLC0415
    from pinnact.system import System  # noqa: PLC0415
    from pinnact.weights import Fixed  # noqa: PLC0415

    jax.config.update("jax_enable_x64", True)
    problem = library.make(library.find("pde/burgers"), {})
    system = System(problem, replace(for_problem(problem), mirrors=()), operators.forward)
    whole, real = lambda v: jnp.asarray(v, jnp.int32), lambda v: jnp.asarray(v, float)
    rows = []
    for width, depth, points in SIZES:
        flat = Flat(system, build_model(problem, pn.MLP(width, depth), jax.random.key(0)), placement(devices))
        place, batches, weights = flat.place, pn.Points(interior=points).draw(system, 0), Fixed().start(system)
        seconds = []
        for _ in range(TIMES):
            began = time.perf_counter()
            jax.block_until_ready(flat.evaluate(flat.start, batches, weights))
            seconds.append(time.perf_counter() - began)
        for name in METHODS:
            method = stages(name, 0, "float64", None)[0].optimiser
            value, gradient, _ = flat.evaluate(flat.start, batches, weights)
            state = place.copied(flat.first(method, flat.start, value, gradient))
            watch = place.copied(
                Watch(whole(2), real(-1.0), whole(10**6), real(1.0), real(1.0), whole(0), whole(0), whole(0))
            )
            start, spread, weighed = place.copied(flat.start), place.spread(batches), place.copied(weights)
            compiled = jax.jit(flat.steps(method)).lower(start, state, spread, weighed, watch).compile()
            found = FLOATS.findall(compiled.as_text())
            sizes = [size_of(shape) for line in found for shape in re.findall(r"f64\[([\d,]*)\]", line)]
            row = {"method": name, "parameters": flat.start.size, "points": points, "devices": devices}
            row |= {"ms": 1e3 * statistics.median(seconds)}
            row |= {"messages": len(found), "floats": sum(sizes), "largest": max(sizes, default=0)}
            rows.append(row | {"temp_mb": compiled.memory_analysis().temp_size_in_bytes / 1e6})
    return rows


def size_of(shape: str) -> int:
    """The number of entries of a shape such as `921,921`; 1 of an empty one."""
    count = 1
    for part in filter(None, shape.split(",")):
        count *= int(part)
    return count


def main() -> None:
    """A table for 1, 2, 4 and 8 devices."""
    if len(sys.argv) > 1:
        print(json.dumps(measured(int(sys.argv[1]))))
        return
    names = ("method", "parameters", "points", "devices", "messages", "floats", "largest", "temp_mb", "ms")
    print("| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|")
    for devices in (1, 2, 4, 8):
        flags = f"--xla_force_host_platform_device_count={devices}"
        environment = dict(os.environ, XLA_FLAGS=flags, JAX_PLATFORMS="cpu")
        command = [sys.executable, __file__, str(devices)]
        cores = os.sched_getaffinity(0)
        mine = sorted(cores)[:1] if devices == 1 else cores
        bound = lambda mine=mine: os.sched_setaffinity(0, mine)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, preexec_fn=bound)
        for row in json.loads(done.stdout):
            cells = [f"{row[name]:.3g}" if isinstance(row[name], float) else str(row[name]) for name in names]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
