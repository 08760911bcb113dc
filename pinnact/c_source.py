"""A trained perceptron as one self-contained C file, with a proven bound of its rounding error in the comment.

For machines that run no Python: C99, no memory but the stack, nothing but `math.h`, and not even that where the
activations are stand-ins of `activations.approximate`.
"""

import ctypes
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from pinnact import activations
from pinnact.approximations import Clamped, Lines
from pinnact.elementwise import AbstractActivation
from pinnact.files import atomic
from pinnact.networks import Dense, Feedforward

COMPILERS = ("cc", "gcc", "clang")
Layers = list[tuple[Float[np.ndarray, "n m"], Float[np.ndarray, " n"]]]

FILE = """/* A perceptron of {shape} units, written by pinnact; its hidden layers have
 * {activations}.
 * Where {where},
 * every y[i] is within {error:.2e} of the network in double precision,
 * if the functions of math.h are right to 4 units of round-off. C99; no state, and no memory but the stack. */
{include}#include <stddef.h>

{tables}

{functions}
void {name}(const {type} x[{inputs}], {type} y[{outputs}])
{{
    {type} h0[{inputs}];
    for (int i = 0; i < {inputs}; ++i)
        h0[i] = (x[i] - {name}_centre[i]) / {name}_half_width[i];
{layers}}}

void {name}_many(size_t n, const {type} *x, {type} *y)
{{
    for (size_t k = 0; k < n; ++k)
        {name}(x + {inputs} * k, y + {outputs} * k);
}}
"""
LAYER = """{declared}    for (int i = 0; i < {outputs}; ++i) {{
        {type} sum = {name}_b{k}[i];
        for (int j = 0; j < {inputs}; ++j)
            sum += {name}_w{k}[{inputs} * i + j] * h{k}[j];
        {after}[i] = {value};
    }}
"""


class _Arithmetic(NamedTuple):
    """A floating type: its name in C, the suffix of its functions and numbers, NumPy's type, its unit round-off."""

    c_type: str
    suffix: str
    dtype: Any
    unit: float


_ARITHMETIC = {
    "float32": _Arithmetic("float", "f", np.float32, 2.0**-24),
    "float64": _Arithmetic("double", "", np.float64, 2.0**-53),
}


class _Formula(NamedTuple):
    """C text of f(x), `{f}` for the suffix; its steepest slope; its own rounding in units of `u (|f(x)| + |x|)`."""

    text: str
    slope: float
    rounding: float


FORMULAS = {
    "identity": _Formula("x", 1, 0),
    "tanh": _Formula("tanh{f}(x)", 1, 4),
    "sigmoid": _Formula("1 / (1 + exp{f}(-x))", 0.25, 8),
    "relu": _Formula("x > 0 ? x : 0", 1, 0),
    "leaky_relu": _Formula("x > 0 ? x : 0.01{f} * x", 1, 2),
    "hard_tanh": _Formula("x > 1 ? 1 : x < -1 ? -1 : x", 1, 0),
    "softsign": _Formula("x / (1 + fabs{f}(x))", 1, 3),
    "elu": _Formula("x > 0 ? x : expm1{f}(x)", 1, 4),
    "silu": _Formula("x / (1 + exp{f}(-x))", 1.1, 8),
    "softplus": _Formula("(x > 0 ? x : 0) + log1p{f}(exp{f}(-fabs{f}(x)))", 1, 10),
    "gelu": _Formula("x * (1 + erf{f}(x * 0.70710678118654752{f})) / 2", 1.13, 10),
    "arctan": _Formula("atan{f}(x)", 1, 4),
    "sin": _Formula("sin{f}(x)", 1, 4),
}


def _formula(activation: AbstractActivation) -> _Formula | None:
    """The C formula of an activation of the catalogue, None where there is none or the name alone is the same."""
    known = activation.name in FORMULAS and activation == activations.get(activation.name)
    return FORMULAS[activation.name] if known else None


@dataclass(frozen=True)
class CSource:
    """The `text` of a C file; `name` of its function, `precision`, and the `error` that its comment promises."""

    text: str
    name: str
    precision: str
    outputs: int
    error: float

    def write(self, path: str | Path) -> None:
        """Write the text to `path`."""
        with atomic(Path(path)) as temporary:
            temporary.write_text(self.text, encoding="ascii")

    def compiled(self) -> Callable[[Float[np.ndarray, "n d"]], Float[np.ndarray, "n m"]]:
        """The function of many points, by the system's C compiler; RuntimeError where there is none, or it refuses."""
        found = compiler()
        if found is None:
            raise RuntimeError(f"no C compiler here: none of {', '.join(COMPILERS)} is on the path; install one")
        with tempfile.TemporaryDirectory() as folder:
            source, library = Path(folder) / "network.c", Path(folder) / "network.so"
            self.write(source)
            options = ["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror", "-shared", "-fPIC"]
            done = subprocess.run([found, *options, source, "-o", library, "-lm"], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{found} refused the source of {self.name!r}: {done.stderr.strip()}")
            many = ctypes.CDLL(str(library))[f"{self.name}_many"]
        many.argtypes, many.restype = (ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p), None
        dtype = _ARITHMETIC[self.precision].dtype

        def run(points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n m"]:
            x = np.ascontiguousarray(points, dtype)
            y = np.empty((len(x), self.outputs), dtype)
            many(len(x), x.ctypes.data, y.ctypes.data)
            return y

        return run


def compiler() -> str | None:
    """The path of the system's C compiler, None where there is none."""
    return next(filter(None, map(shutil.which, COMPILERS)), None)


def c_source(network: Feedforward, name: str = "network", precision: str = "float32") -> CSource:
    """One C99 file with `void NAME(const float x[d], float y[m])`, and `NAME_many` for n points, of a perceptron.

    `network` is what `pn.MLP(...).build(...)` makes, trained. Its comment states how far an output may be from that of
    the network in float64 for coordinates within their bounds. The bound is proven, not measured: with unit round-off
    u a sum of n products is off by less than `(n + 2) u` times the sum of their sizes (Higham 2002,
    doi:10.1137/1.9780898718027, section 3.1), and an activation stretches what enters by its steepest slope at most.

    Raises ValueError for networks that are no plain perceptron (periodic, Fourier features, gates, trained
    activations), and for an activation without a C formula, which `pn.activations.approximate` replaces.
    """
    if precision not in _ARITHMETIC:
        raise ValueError(f"precision={precision!r}: C has 'float32' and 'float64'")
    if not (name.isidentifier() and name.isascii()):
        raise ValueError(f"name={name!r} is no name of a C function; use letters, digits and _")
    if not isinstance(network, Feedforward):
        raise ValueError(f"c_source: a {type(network).__name__} is no plain perceptron; build one by pn.MLP(...)")
    features = network.embedding
    if any(features.periodic) or features.wave_vectors or features.frequencies is not None:
        raise ValueError(
            "c_source: periodic coordinates, waves and Fourier features have no C here; use pn.MLP without them"
        )
    layers: Layers = [_affine(layer) for layer in network.layers]
    if not all(np.all(np.isfinite(number)) for layer in layers for number in layer):
        raise ValueError("c_source: some weights are not finite; train again with a smaller rate")
    kind = _ARITHMETIC[precision]
    error = _error(network, layers, kind.unit) + _error(network, layers, _ARITHMETIC["float64"].unit)
    distinct = {activation.name: activation for activation in network.activations}
    words = {key: f"{name}_f{k}" for k, key in enumerate(distinct)}
    functions = "\n".join(_function(activation, words[key], kind) for key, activation in distinct.items())
    embedding = network.embedding
    sides = enumerate(zip(embedding.centre, embedding.half_width))
    tables = {"centre": np.array(embedding.centre), "half_width": np.array(embedding.half_width)}
    for k, (weight, bias) in enumerate(layers):
        tables |= {f"w{k}": weight, f"b{k}": bias}
    inputs, outputs = layers[0][0].shape[1], len(layers[-1][1])
    text = FILE.format(
        shape=" -> ".join(map(str, [inputs, *(len(bias) for _, bias in layers)])),
        activations=",\n * ".join(activation.name for activation in network.activations),
        where=", ".join(f"|x[{i}] - {centre:.6g}| <= {half_width:.6g}" for i, (centre, half_width) in sides),
        error=error,
        include="#include <math.h>\n" if any(map(_needs_math, network.activations)) else "",
        tables="\n".join(_table(f"{name}_{word}", numbers, kind) for word, numbers in tables.items()),
        functions=functions,
        name=name,
        type=kind.c_type,
        inputs=inputs,
        outputs=outputs,
        layers="".join(
            LAYER.format(
                declared="" if k == len(layers) - 1 else f"    {kind.c_type} h{k + 1}[{len(bias)}];\n",
                k=k,
                name=name,
                type=kind.c_type,
                inputs=weight.shape[1],
                outputs=len(bias),
                after="y" if k == len(layers) - 1 else f"h{k + 1}",
                value="sum" if k == len(layers) - 1 else f"{words[network.activations[k].name]}(sum)",
            )
            for k, (weight, bias) in enumerate(layers)
        ),
    )
    return CSource(text, name, precision, outputs, error)


def _affine(layer: Dense) -> tuple[Float[np.ndarray, "n m"], Float[np.ndarray, " n"]]:
    """Weights and biases, a factorised layer multiplied out."""
    scale = 1.0 if layer.log_scale is None else np.exp(np.asarray(layer.log_scale, float))[:, None]
    return scale * np.asarray(layer.weight, float), np.asarray(layer.bias, float)


# -- C text ----------------------------------------------------------------------------------------------


def _number(value: float, kind: _Arithmetic) -> str:
    """The shortest decimal that C reads back as the same number of this type."""
    return f"{kind.dtype(value)!s}{kind.suffix}"


def _table(name: str, numbers: np.ndarray, kind: _Arithmetic) -> str:
    entries = ", ".join(_number(value, kind) for value in numbers.ravel())
    lines = textwrap.fill(f"{{{entries}}};", 110, initial_indent="    ", subsequent_indent="    ")
    return f"static const {kind.c_type} {name}[{numbers.size}] =\n{lines}"


def _function(activation: AbstractActivation, name: str, kind: _Arithmetic) -> str:
    """A C function of an activation."""
    found, formula, tables = getattr(activation, "f", None), _formula(activation), ""
    if formula is not None:
        body = f"    return {formula.text.format(f=kind.suffix)};"
    elif isinstance(found, Lines):
        tables, body = _line_tables(found, name, kind), _clipped(found, kind) + _lines(found, name, kind)
    else:
        assert isinstance(found, Clamped)  # what has no formula was refused with the bound
        body = _clipped(found, kind) + _horner(found, kind)
    return f"{tables}static {kind.c_type} {name}({kind.c_type} x)\n{{\n{body}\n}}\n"


def _needs_math(activation: AbstractActivation) -> bool:
    formula = _formula(activation)
    return formula is not None and "{f}(" in formula.text


def _clipped(found: Lines | Clamped, kind: _Arithmetic) -> str:
    low, high = _number(found.low, kind), _number(found.high, kind)
    return f"    const {kind.c_type} inside = x < {low} ? {low} : x > {high} ? {high} : x;\n"


def _beyond(found: Lines | Clamped, kind: _Arithmetic) -> str:
    """`left min(x - low, 0) + right max(x - high, 0)`, of which `x - inside` holds whichever is not 0."""
    left, right = (_number(slope, kind) for slope in found.slopes_beyond)
    if found.slopes_beyond == (0.0, 0.0):
        return ""
    return f" + (x < inside ? {left} : {right}) * (x - inside)"


def _line_tables(found: Lines, name: str, kind: _Arithmetic) -> str:
    """Of each line its value at 0 and its slope, so that one multiplication and one sum make the value."""
    slopes = np.diff(found.values) / found.step
    knots = found.low + found.step * np.arange(len(slopes))
    starts = np.array(found.values[:-1]) - slopes * knots
    return f"{_table(f'{name}_at_0', starts, kind)}\n{_table(f'{name}_slope', slopes, kind)}\n"


def _lines(found: Lines, name: str, kind: _Arithmetic) -> str:
    count, low, density = len(found.values) - 1, _number(found.low, kind), _number(1 / found.step, kind)
    return (
        f"    const int place = (int)((inside - {low}) * {density}), k = place < {count} ? place : {count - 1};\n"
        f"    return {name}_at_0[k] + {name}_slope[k] * inside{_beyond(found, kind)};"
    )


def _horner(found: Clamped, kind: _Arithmetic) -> str:
    middle, scale = (found.low + found.high) / 2, 2 / (found.high - found.low)
    terms = [_number(c, kind) for c in found.coefficients]
    polynomial = terms[-1]
    for term in reversed(terms[:-1]):
        polynomial = f"{term} + u * ({polynomial})"
    return (
        f"    const {kind.c_type} u = (inside - {_number(middle, kind)}) * {_number(scale, kind)};\n"
        f"    return {polynomial}{_beyond(found, kind)};"
    )


# -- the bound -------------------------------------------------------------------------------------------


def _error(network: Feedforward, layers: Layers, u: float) -> float:
    """The largest error of an output in arithmetic of unit round-off `u`, for coordinates within their bounds.

    `size` bounds what each unit says, `error` how far the computed value is off: `e <- |W| e + gamma |W| (h + e)` in
    an affine layer, `e <- slope e + own rounding` in an activation.
    """
    centre, half_width = np.array(network.embedding.centre), np.array(network.embedding.half_width)
    size, error = np.ones(len(centre)), 4 * u * (1 + np.abs(centre) / half_width)
    for k, (weight, bias) in enumerate(layers):
        count = weight.shape[1] + 3  # products, sums with the bias, and the rounding of the weights themselves
        gamma = count * u / (1 - count * u)
        error = np.abs(weight) @ error + gamma * (np.abs(weight) @ (size + error) + np.abs(bias))
        size = np.abs(weight) @ size + np.abs(bias)
        if k < len(network.activations):
            size, error = _through(network.activations[k], size, error, u)
    return float(error.max())


def _through(
    activation: AbstractActivation, size: Float[np.ndarray, " n"], error: Float[np.ndarray, " n"], u: float
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Bounds of the values of an activation, and of their errors, for `|x| <= size` known to within `error`."""
    found, formula, reach = getattr(activation, "f", None), _formula(activation), size + error
    at_zero = abs(float(activation(0.0)))
    if formula is not None:
        slope, own = formula.slope, formula.rounding * (at_zero + (1 + formula.slope) * reach)
    elif isinstance(found, Lines | Clamped):
        slope, own = found.steepest, _rounding(found, reach)
    else:
        raise ValueError(
            f"c_source: {activation.name} has no C formula here; build the network with "
            "pn.activations.approximate(it, segments=64), once it trains no more"
        )
    largest = np.minimum(max(map(abs, activation.bounds)), at_zero + slope * reach)
    return largest, slope * error + u * own


def _rounding(found: Lines | Clamped, reach: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The rounding of a stand-in's own arithmetic, in units of round-off.

    Lines: start and slope of a line, their product and sum are rounded, and near a knot the neighbour may be taken: at
    a distance of less than 4 u of the range, where it is off by the bend times that. Polynomial: Horner's rule rounds
    c_k u^k at most 2 k + 2 times, and its argument is off by 4 u of the range.
    """
    farthest = max(abs(found.low), abs(found.high))
    width = farthest + found.high - found.low
    outside = 4 * max(map(abs, found.slopes_beyond)) * reach
    if isinstance(found, Lines):
        bend = np.abs(np.diff(found.values, 2)).max(initial=0.0) / found.step
        return outside + 2 * np.abs(found.values).max() + 8 * found.steepest * farthest + 4 * bend * width
    c = np.abs(found.coefficients)
    return outside + (2 * np.arange(len(c)) + 2) @ c + 4 * found.steepest * width
