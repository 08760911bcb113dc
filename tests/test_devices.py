"""Points over several devices: what comes out is what one device gives, for every optimiser; and what is refused."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact.placement import OneDevice, pad, placement
from pinnact.system import Batch

SCRIPT = """
import json, sys
import jax, jax.numpy as jnp, numpy as np
import pinnact as pn
from pinnact.optimisers import LBFGS, GaussNewtonCG, LevenbergMarquardt, SelfScaledBroyden, adam

jax.config.update("jax_enable_x64", True)
domain = pn.Interval(x=(0, 1)) * pn.Time(t=(0, 1))
exact = lambda x, t: np.exp(-t) * np.sin(np.pi * x)
problem = pn.Problem(
    domain,
    equations={"heat": lambda u: u.t - u.xx / np.pi**2},
    conditions={"walls": pn.On(domain.boundary, lambda u: u),
                "start": pn.On(domain.initial, lambda u, x: u - jnp.sin(np.pi * x))},
    reference=exact,
)
methods = {"ssbroyden": SelfScaledBroyden(), "lm": LevenbergMarquardt(), "lbfgs": LBFGS(), "adam": adam(),
           "gncg": GaussNewtonCG()}
methods = {name: methods[name] for name in sys.argv[1].split(",")}
found = {}
for name, method in methods.items():
    for devices in (None, 8):
        for steps in (1, 40):
            solution = pn.solve(
                problem, pn.MLP(width=6, depth=2), optimiser=method, steps=steps, hard=False, devices=devices,
                points=pn.Points(interior=101, condition=13), resampling=pn.ResidualAdaptive(every=15),
            )
            flat = [np.ravel(a).tolist() for a in jax.tree.leaves(solution.model) if isinstance(a, jax.Array)]
            found[f"{name} {devices} {steps}"] = {
                "parameters": sum(flat, []), "error": solution.error()["u"], "device": solution.summary["device"]}
print(json.dumps(found))
"""


def eight(names):
    """Optimisers after one step and after 40, on one device and on eight that a CPU pretends to be."""
    environment = dict(os.environ, JAX_PLATFORMS="cpu")
    environment["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    environment |= {"JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir or ""}
    environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", SCRIPT, names], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("names", ["adam", pytest.param("ssbroyden,lbfgs,lm,gncg", marks=pytest.mark.slow)])
def test_eight_devices_take_the_steps_of_one(names):
    """101 points are no multiple of 8, so some are padding; round-off grows over 40 steps, the error stays."""
    found = eight(names)
    for name in names.split(","):
        one, many = (np.array(found[f"{name} {devices} 1"]["parameters"]) for devices in (None, 8))
        assert np.max(np.abs(one - many)) < 1e-12 * max(1, np.max(np.abs(one)))
        assert not np.array_equal(one, np.array(found[f"{name} None 40"]["parameters"]))
        errors = [found[f"{name} {devices} 40"]["error"] for devices in (None, 8)]
        assert max(errors) < 2 * min(errors)
        assert found[f"{name} 8 1"]["device"] == "8 cpu devices"


def test_padding_changes_no_mean():
    batch = Batch(jnp.arange(10.0)[:, None], jnp.linspace(0.5, 1.5, 10), lift={(): jnp.ones((10, 1))})
    longer = pad(batch, 4)
    assert longer.points.shape == (12, 1) and longer.lift[()].shape == (12, 1)
    squares = lambda b: float(jnp.mean(b.shares * jnp.sin(b.points[:, 0]) ** 2))
    assert squares(longer) == pytest.approx(squares(batch), rel=1e-15)
    assert pad(batch, 5) is batch


def test_devices_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r"devices=9999: JAX sees \d+ \w+ device"):
        placement(9999)
    with pytest.raises(ValueError, match="at least one"):
        placement([])
    with pytest.raises(ValueError, match="devices=0"):
        placement(0)
    assert isinstance(placement(None), OneDevice)


def test_a_list_of_one_device_is_that_device():
    domain = pn.Time(t=(0, 1))
    problem = pn.Problem(
        domain, equations={"decay": lambda u: u.t + u}, conditions={"start": pn.On(domain.initial, lambda u: u - 1)}
    )
    runs = [pn.solve(problem, pn.MLP(4, 1), steps=5, devices=devices) for devices in (None, jax.devices()[:1])]
    first, second = ([np.asarray(a) for a in jax.tree.leaves(run.model) if isinstance(a, jax.Array)] for run in runs)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
