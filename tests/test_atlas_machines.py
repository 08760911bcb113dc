"""The mathematics behind entries of the atlas on machines: words of few bits, and that each rule can say no."""

import copy
import doctest

import equinox as eqx
import jax
import numpy as np
import pytest
from entries import entry

from pinnact import MLP, activations, fixed_point, library, potentials
from pinnact.activations import approximate, sigmoid, silu, tanh
from pinnact.fixed_point import in_words, word

X = np.linspace(-6, 6, 2001)


# --- words of few bits, and tiny_hardware -----------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_words_are_whole_multiples_within_half_a_step(bits):
    value = np.random.default_rng(0).normal(size=500)
    found = word(value, bits, top=4.0)
    step = 2.0 ** (3 - bits)
    assert np.array_equal(found / step, np.round(found / step)) and len(np.unique(found)) <= 2**bits
    assert np.abs(found - value).max() <= step / 2 + 1e-15
    assert word(np.array([9.0, -9.0]), bits, top=4.0).tolist() == [4.0 - step, -4.0]
    assert np.array_equal(word(value, None), value)


@pytest.mark.parametrize("form", [{"segments": 16}, {"degree": 5}], ids=str)
@pytest.mark.parametrize("base", [tanh, sigmoid], ids=lambda f: f.name)
def test_stand_ins_in_words_come_near_those_in_floats(base, form):
    found = approximate(base, **form)
    exact = np.asarray(found(X))
    assert np.abs(in_words(found, None)(X) - exact).max() < 1e-12
    off = {bits: np.abs(in_words(found, bits)(X) - exact).max() for bits in (8, 16)}
    assert off[16] < 2e-3 and 10 * off[16] < off[8] < 0.2


def test_a_looked_up_activation_is_rounded_and_nothing_else():
    found = in_words(tanh, 8)(X)
    assert len(np.unique(found)) <= 256 and np.abs(found - np.tanh(X)).max() < 0.03
    with pytest.raises(ValueError, match="slopes"):
        in_words(approximate(silu, segments=8), 8)


def test_the_example_of_words_holds():
    assert not doctest.testmod(fixed_point).failed


def hardware():
    """Made-up measurements for which every part of the claim about small machines is true."""
    module, measured = entry("tiny_hardware"), {}
    for name in module.NAMES:
        forms = {"itself": 0.0} | {f"{n} lines": 0.08 / n**1.5 for n in module.LINES}
        for form, off in (forms | {f"degree {n}": 0.1 / n**1.6 for n in module.DEGREES}).items():
            row = {"largest error": off, "C off by": 1e-7, "C promises": 1e-5, "ns": 300 if form == "itself" else 100}
            measured[f"{name}, {form}"] = row | {
                "network": [0.03 + off],
                "16 bits": [0.03 + off],
                "8 bits": [0.2 + off],
            }
    return module, measured


@pytest.mark.parametrize(
    ("row", "key", "value", "rule"),
    [
        ("tanh, 16 lines", "largest error", 0.03, "within 1 %"),
        ("sigmoid, 64 lines", "largest error", 3e-4, "halve"),
        ("tanh, degree 9", "network", [0.03, 0.05, 0.06], "less than 1 %"),
        ("sigmoid, 16 lines", "16 bits", [0.05], "16 bits"),
        ("sigmoid, degree 9", "8 bits", [0.033], "8 bits"),
        ("tanh, 2 lines", "C off by", 2e-5, "stated error"),
        ("tanh, degree 9", "ns", 400, "faster"),
    ],
)
def test_the_rule_about_small_machines_can_fail(row, key, value, rule):
    module, measured = hardware()
    assert all(module._checks(measured).values())
    worse = copy.deepcopy(measured)
    worse[row][key] = value
    outcome = module._checks(worse)
    assert not next(met for words, met in outcome.items() if rule in words)


def test_small_machines_without_a_compiler_are_not_judged_by_c():
    module, measured = hardware()
    for row in measured.values():
        row["ns"] = None
    assert not any(" C " in rule or "C " in rule[:2] for rule in module._checks(measured))
    assert len(module._checks(measured)) == len(module._checks(hardware()[1])) - 2


def test_networks_in_words_of_many_bits_are_the_networks():
    """`_errors` computes the network: in 40 bits as in floats."""
    module = entry("tiny_hardware")
    networks = eqx.filter_vmap(lambda key: MLP(4, 1).build(module.SQUARE, 1, key))(
        jax.random.split(jax.random.key(0), 2)
    )
    target = np.asarray(module.TARGET(module.TESTS))
    values = np.asarray(eqx.filter_vmap(lambda n: jax.vmap(n)(module.TESTS)[:, 0])(networks))
    expected = np.linalg.norm(values - target, axis=1) / np.linalg.norm(target)
    np.testing.assert_allclose(module._errors(networks, activations.tanh, None), expected, rtol=1e-12)
    np.testing.assert_allclose(module._errors(networks, activations.tanh, 40), expected, rtol=1e-8)


# --- gene_switch ------------------------------------------------------------------------------------------------------


def test_the_states_of_the_toggle_switch_are_those_of_algebra():
    """For s = 4, n = 2, K = 1: A B = 1 and A + B = 4, or A = B with A^3 + A = 4."""
    module = entry("gene_switch")
    low, middle, high = module._states(2.0)
    assert low == pytest.approx(2 - 3**0.5, rel=1e-10) and high == pytest.approx(2 + 3**0.5, rel=1e-10)
    assert middle**3 + middle == pytest.approx(4, rel=1e-10)
    assert module._states(1.0) == pytest.approx([(17**0.5 - 1) / 2])
    assert len(module._states(1.5)) == 1 < len(module._states(1.8))


def test_the_growth_of_a_deviation_is_the_largest_eigenvalue():
    module = entry("gene_switch")
    f = lambda x: 4 / (1 + x**2)
    for a in module._states(2.0):
        b, h = f(a), 1e-6
        slopes = [(f(x + h) - f(x - h)) / (2 * h) for x in (a, b)]
        largest = np.linalg.eigvals([[-1, slopes[1]], [slopes[0], -1]]).real.max()
        assert module._growth(a, 2.0) == pytest.approx(largest, abs=1e-7)


def test_the_rate_in_logarithms_is_that_of_the_integrated_concentrations():
    module = entry("gene_switch")
    reference, t, h = module._toggle().reference, np.array([0.3, 2.0, 9.0]), 1e-4
    for own, other in (("a", "b"), ("b", "a")):
        slope = np.asarray(reference[own](t + h) - reference[own](t - h)) / (2 * h)
        rate = np.asarray(module._rate(reference[own](t), reference[other](t), module.HILL, module.THRESHOLD))
        np.testing.assert_allclose(rate, slope, atol=1e-6)


def test_expression_data_have_the_noise_that_they_declare():
    module = entry("gene_switch")
    problem = module._toggle()
    off = np.concatenate([module._data(problem, seed)["a"] - problem.reference["a"](module.TIMES) for seed in range(9)])
    assert np.std(off) == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize(
    ("row", "key", "value", "rule"),
    [
        ("Hill's function as a sigmoid", "relative error", [1e-9], "sigmoid"),
        ("states with n = 2", "growth", [-0.5], "n = 1"),
        ("trajectories of b", "relative error", [1e-5, 0.5], "0.1 %"),
        ("stable states", "relative error", [0.02], "1 % of different"),
        ("hill", "relative error", [0.01, 0.07], "within 5 %"),
        ("threshold", "relative error", [0.06], "within 5 %"),
    ],
)
def test_the_rule_about_the_gene_switch_can_fail(row, key, value, rule):
    small = {"relative error": [1e-5, 1e-13]}
    measured = {
        name: small for name in ("hill", "threshold", "trajectories of a", "trajectories of b", "stable states")
    }
    measured |= {"states with n = 1": {"growth": [-0.4]}, "states with n = 2": {"growth": [-0.5, 0.3, -0.5]}}
    measured["Hill's function as a sigmoid"] = {"relative error": [1e-16]}
    module = entry("gene_switch")
    assert all(module._checks(measured).values())
    outcome = module._checks(measured | {row: measured[row] | {key: value}})
    assert [words for words, met in outcome.items() if not met] == [next(words for words in outcome if rule in words)]


# --- controller -------------------------------------------------------------------------------------------------------


def test_the_step_response_has_the_overshoot_of_the_damping_ratio():
    """exp(-pi zeta / sqrt(1 - zeta^2)) at time pi / damped frequency; what is left decays as exp(-zeta omega t)."""
    module = entry("controller")
    facts = module._facts("small", module._theory(module.TIMES))
    assert facts["small overshoot"] == pytest.approx(np.exp(-np.pi * 0.4 / np.sqrt(1 - 0.16)), rel=1e-4)
    exact = module._theory(np.array([facts["small settling"]]))
    assert np.abs(exact - 1) == pytest.approx(0.02, rel=1e-2)
    fine = np.linspace(0, 3, 100_001)
    first = [fine[np.argmax(module._theory(fine) >= level)] for level in (0.1, 0.9)]
    assert facts["small rise"] == pytest.approx(first[1] - first[0], rel=1e-3)


def test_what_does_not_arrive_or_stay_is_said_so():
    module = entry("controller")
    stays_off = module._facts("large", np.minimum(module.TIMES, 1.5))
    assert stays_off["large settling"] is None and stays_off["large overshoot"] == pytest.approx(0.5)
    assert module._facts("large", 0.5 * np.ones(len(module.TIMES)))["large rise"] is None


def test_the_simulated_linear_neuron_is_the_step_response_and_its_cost_that_of_riccati():
    """The cost of the way from rest at distance 1 under the optimal gains is P_11 = K_2 / K_1, from Riccati's equation.

    With q'' + c q' = u and J = integral of e^2 + r u^2 the equation gives P_12 = sqrt(r), P_22 = r K_2 and
    P_11 = sqrt(r) (c + K_2).
    """
    module = entry("controller")
    course, _ = module._simulate(activations.identity, np.array([1.0, 0.0]), 0.3, 1000)
    np.testing.assert_allclose(course, module._theory(module.TIMES[:1001]), atol=1e-7)
    position, speed = module._optimal()
    cost = lambda *weights: float(module._simulate(activations.identity, np.array(weights), 1.0, 2000)[1])
    assert cost(position, speed) == pytest.approx(module.EFFORT**0.5 * (module.DAMPING + speed), rel=1e-6)
    assert all(
        cost(position + a, speed + b) > cost(position, speed) for a, b in ((0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1))
    )


def steered():
    """Made-up measurements for which every part of the claim about controllers is true."""
    module = entry("controller")
    best = module._optimal()
    theory = {"small rise": 1.5, "small overshoot": 0.25, "small settling": 8.0}
    row = theory | {"large rise": 3.0, "large settling": 10.0, "w_e, small": [best[0]] * 2, "w_v, small": [best[1]] * 2}
    row |= {"large cost": [1.0, 1.0], "large cost with linear gains": 2.0}
    return module, {"linear theory": theory} | {
        name: row | ({"large settling": None} if name in ("sin", "relu") else {}) for name in module.NAMES
    }


@pytest.mark.parametrize(
    ("row", "key", "value", "rule"),
    [
        ("softsign", "small overshoot", 0.3, "linear theory"),
        ("tanh", "small settling", None, "linear theory"),
        ("arctan", "large rise", 1.4, "rise later"),
        ("relu", "large settling", 9.0, "never settle"),
        ("sin", "w_v, small", [1.354, 1.5], "small steps are within 2 % of the optimal"),
        ("hard_tanh", "large cost", [2.0, 2.0], "cost less"),
    ],
)
def test_the_rule_about_controllers_can_fail(row, key, value, rule):
    module, measured = steered()
    assert all(module._checks(measured).values())
    outcome = module._checks(measured | {row: measured[row] | {key: value}})
    assert [words for words, met in outcome.items() if not met] == [next(words for words in outcome if rule in words)]


# --- force_field ------------------------------------------------------------------------------------------------------


def test_a_slope_grows_with_the_spacing_and_a_jump_does_not():
    module = entry("force_field")
    lengths = np.linspace(0.9, 1.1, 2001)
    assert module._coarser(-3 * (lengths - 1) + (lengths - 1) ** 2) == pytest.approx(4, rel=0.01)
    assert module._coarser(np.floor(20 * lengths)) == 1
    assert 1 < module._coarser(-3 * lengths + 1e-3 * (lengths > 1)) < 2


@pytest.mark.parametrize(("name", "least", "most"), [("relu", 1.0, 2.0), ("tanh", 3.8, 4.1)])
def test_an_untrained_network_jumps_with_relu_alone(name, least, most):
    module = entry("force_field")
    task = library.load(library.find("potentials/ammonia"))()
    recipe = potentials.InvariantMLP(width=module.WIDTH, activation=activations.get(name))
    potential = recipe.begin(task.data()[1], jax.random.key(0), 1.0)
    along = potentials.stretch(potential, task.minimum, (0, 1), span=module.SPAN, points=module.POINTS)
    assert least <= module._coarser(along.forces) < most


@pytest.mark.parametrize(
    ("row", "key", "value", "rule"),
    [
        ("tanh", "force error (meV/A)", [80.0, 90.0], "twice"),
        ("gelu", "coarse over fine", [4.0, 3.0], "has a slope"),
        ("relu", "coarse over fine", [1.1, 2.5], "it jumps"),
        ("silu", "drift (meV/atom/10 ps)", [0.1, 1.5], "drifts"),
        ("silu", "stopped early", 1, "drifts"),
        ("relu", "deviation (meV/atom)", [0.5, 1.0], "strays"),
    ],
)
def test_the_rule_about_force_fields_can_fail(row, key, value, rule):
    module = entry("force_field")
    keys = ("force error (meV/A)", "coarse over fine", "drift (meV/atom/10 ps)", "deviation (meV/atom)")
    measured = {name: dict(zip(keys, ([20.0], [4.0], [0.1], [0.3]))) | {"stopped early": 0} for name in module.SMOOTH}
    measured["relu"] = dict(zip(keys, ([150.0], [1.2], [10.0], [9.0]))) | {"stopped early": 0}
    assert all(module._checks(measured).values())
    outcome = module._checks(measured | {row: measured[row] | {key: value}})
    assert [words for words, met in outcome.items() if not met] == [next(words for words in outcome if rule in words)]
