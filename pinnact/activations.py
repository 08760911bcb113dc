"""Activations: elementwise functions that know how smooth, how bounded and how monotone they are.

A fixed one is an `Activation` (`tanh`, `gelu`, `relu_power(3)`); one with trained arrays is a `Trainable`, made by a
lower-case function (`adaptive(tanh)`, `prelu()`, `bspline(4)`). A new entry is a module-level `Activation`, or a public
function whose declared return is one of the two classes: `names` and `get` find it without a list. Your own takes one
line, `Activation(jnp.cos, smoothness=math.inf, bounds=(-1, 1))`. `approximate(tanh, segments=16)` stands in for one.

Derivatives to order four are finite and right wherever they exist, also near 0 and at +-1000.
"""

import ast
import difflib
import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pinnact.approximations import approximate as approximate
from pinnact.elementwise import AbstractActivation as AbstractActivation
from pinnact.elementwise import Activation as Activation
from pinnact.elementwise import Per as Per
from pinnact.elementwise import Trainable as Trainable
from pinnact.sines import sine

Pair = tuple[float | int, float | int]


@dataclass(frozen=True)
class _Fixed:
    """`f` with some arguments fixed; unlike `functools.partial`, equal and hashed by its parts, as jit needs."""

    f: Callable[..., Array]
    arguments: tuple[tuple[str, Any], ...]

    def __call__(self, x: Array, **others: Any) -> Array:
        return self.f(x, **dict(self.arguments), **others)


_fix = lambda f, **arguments: _Fixed(f, tuple(arguments.items()))

# --- The catalogue of fixed activations -------------------------------------------------------------------------------

_SINC = tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(12))  # order 4 of the first left-out term < 1e-18
_PADE = ((0.0, 1.0, 0.0, 1 / 15), (0.0, math.sqrt(0.4)))  # tanh(x) = x (1 + x^2/15) / (1 + 2 x^2/5) + O(x^7)


def _polynomial(x: Array, coefficients: Any) -> Array:
    y = jnp.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):  # of x^0, x^1, ...
        y = y * x + coefficient
    return y


def _rational(x: Array, numerator: Any, denominator: Any) -> Array:
    return _polynomial(x, numerator) / (1 + _polynomial(x, denominator) ** 2)


def _sinc(x: Array) -> Array:
    # sin(x)/x by the quotient rule loses 1/x^(k+1) of round-off in derivative k: a series below 1, the quotient above.
    near = jnp.abs(x) < 1
    series = _polynomial(jnp.where(near, x, 0) ** 2, _SINC)
    far = jnp.where(near, 1, x)
    return jnp.where(near, series, sine(far) / far)


def _of(f: Callable, name: str, formula: str, smoothness: float | int, *, low=-math.inf, high=math.inf, monotone=False):
    return Activation(f, name=name, formula=formula, smoothness=smoothness, bounds=(low, high), monotone=monotone)


_INF = math.inf
heaviside = _of(lambda x: (1 + jnp.sign(x)) / 2, "heaviside", "(1 + sign(x)) / 2", -1, low=0, high=1, monotone=True)
sign = _of(jnp.sign, "sign", "sign(x)", -1, low=-1, high=1, monotone=True)
identity = _of(lambda x: x, "identity", "x", _INF, monotone=True)
hard_tanh = _of(jax.nn.hard_tanh, "hard_tanh", "min(1, max(-1, x))", 0, low=-1, high=1, monotone=True)
relu = _of(jax.nn.relu, "relu", "max(0, x)", 0, low=0, monotone=True)  # derivative 0 at 0
leaky_relu = _of(jax.nn.leaky_relu, "leaky_relu", "max(0, x) + 0.01 min(0, x)", 0, monotone=True)
# Clevert et al. 2016, arXiv:1511.07289; Barron 2017, arXiv:1704.07483; Klambauer et al. 2017, arXiv:1706.02515
elu = _of(jax.nn.elu, "elu", "max(0, x) + expm1(min(0, x))", 1, low=-1, monotone=True)
celu = _of(jax.nn.celu, "celu", "max(0, x) + expm1(min(0, x))", 1, low=-1, monotone=True)
selu = _of(jax.nn.selu, "selu", "1.0507 (max(0, x) + 1.6733 expm1(min(0, x)))", 0, low=-1.7580994, monotone=True)
sigmoid = _of(jax.nn.sigmoid, "sigmoid", "1 / (1 + exp(-x))", _INF, low=0, high=1, monotone=True)
tanh = _of(jnp.tanh, "tanh", "tanh(x)", _INF, low=-1, high=1, monotone=True)
softsign = _of(jax.nn.soft_sign, "softsign", "x / (1 + |x|)", 1, low=-1, high=1, monotone=True)
softplus = _of(jax.nn.softplus, "softplus", "log(1 + exp(x))", _INF, low=0, monotone=True)
_shifted = lambda x: jax.nn.softplus(x) - math.log(2)  # Schuett et al. 2017, arXiv:1706.08566
shifted_softplus = _of(_shifted, "shifted_softplus", "log((1 + exp(x)) / 2)", _INF, low=-math.log(2), monotone=True)
# Hendrycks and Gimpel 2016, arXiv:1606.08415; Elfwing et al. 2018, doi:10.1016/j.neunet.2017.12.012; Misra 2019,
# arXiv:1908.08681. Their minima are rounded outwards.
gelu = _of(_fix(jax.nn.gelu, approximate=False), "gelu", "x (1 + erf(x / sqrt(2))) / 2", _INF, low=-0.1699713)
gelu_tanh = _of(jax.nn.gelu, "gelu_tanh", "x (1 + tanh(0.79788 (x + 0.044715 x^3))) / 2", _INF, low=-0.1700408)
silu = _of(jax.nn.silu, "silu", "x / (1 + exp(-x))", _INF, low=-0.2784646)
swish = silu
mish = _of(jax.nn.mish, "mish", "x tanh(log(1 + exp(x)))", _INF, low=-0.3088440)
sin = _of(sine, "sin", "sin(x)", _INF, low=-1, high=1)  # Sitzmann et al. 2020, arXiv:2006.09661
sinc = _of(_sinc, "sinc", "sin(x) / x", _INF, low=-0.2172337, high=1)  # not normalised: zeros at n pi
gaussian = _of(lambda x: jnp.exp(-(x**2)), "gaussian", "exp(-x^2)", _INF, low=0, high=1)
arctan = _of(jnp.arctan, "arctan", "arctan(x)", _INF, low=-math.pi / 2, high=math.pi / 2, monotone=True)
_pade = _fix(_rational, numerator=_PADE[0], denominator=_PADE[1])  # of tanh; `trainable_rational` starts here
rational = _of(_pade, "rational", "x (15 + x^2) / (15 + 6 x^2)", _INF, monotone=True)

# --- Families: functions of a parameter, fixed first, then trained ----------------------------------------------------

_ramp_to = lambda x, k: jax.nn.relu(x) ** k
_stretch = lambda x, a, *, activation, scale: activation.f(scale * a * x)
_swish = lambda x, beta: x * jax.nn.sigmoid(beta * x)
_leak = lambda x, slope: jnp.where(x > 0, x, slope * x)


def _positive(name: str, value: float | int) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"{name}={value} must be positive and finite for the formula to keep its shape; try 1")
    return float(value)


def relu_power(k: int = 2) -> Activation:
    """A power of ReLU: max(0, x)^k, of class C^(k-1), for a whole k >= 1."""
    if not isinstance(k, int) or k < 1:
        raise ValueError(f"relu_power: k={k!r} gives no C^(k-1) function; pass a whole k >= 1, or use heaviside for 0")
    return _of(_fix(_ramp_to, k=k), f"relu_power({k})", f"max(0, x)^{k}", k - 1, low=0, monotone=True)


def leaky_relu_of(slope: float | int = 0.01) -> Activation:
    """Leaky ReLU of a slope in [0, 1): max(0, x) + slope min(0, x), C^0."""
    if not 0 <= slope < 1:
        raise ValueError(f"leaky_relu_of: slope={slope} makes no leaky ReLU; pass a slope in [0, 1), or use prelu")
    f, low = _fix(jax.nn.leaky_relu, negative_slope=float(slope)), -math.inf if slope else 0
    return _of(f, f"leaky_relu_of({slope})", f"max(0, x) + {slope} min(0, x)", 0, low=low, monotone=True)


def elu_of(alpha: float | int = 1.0) -> Activation:
    """ELU: max(0, x) + alpha expm1(min(0, x)), C^1 only at alpha = 1, else C^0. Clevert et al., arXiv:1511.07289."""
    alpha = _positive("elu_of: alpha", alpha)
    f, formula = _fix(jax.nn.elu, alpha=alpha), f"max(0, x) + {alpha} expm1(min(0, x))"
    return _of(f, f"elu_of({alpha})", formula, 1 if alpha == 1 else 0, low=-alpha, monotone=True)


def celu_of(alpha: float | int = 1.0) -> Activation:
    """CELU: max(0, x) + alpha expm1(min(0, x) / alpha), C^1 for every alpha > 0. Barron 2017, arXiv:1704.07483."""
    alpha = _positive("celu_of: alpha", alpha)
    f, formula = _fix(jax.nn.celu, alpha=alpha), f"max(0, x) + {alpha} expm1(min(0, x) / {alpha})"
    return _of(f, f"celu_of({alpha})", formula, 1, low=-alpha, monotone=True)


def _spline(x: Array, weight: Array, coefficients: Array, *, degree: int, low: float, step: float, base: Activation):
    cells = coefficients.shape[0] - degree
    position = jnp.clip((x - low) / step, -degree - 1, cells + degree)  # all splines vanish at both ends of this
    cell = jnp.floor(position)
    u = position - cell  # in [0, 1)
    pieces = [jnp.ones_like(u)]  # pieces[m](u): the cardinal spline, of support [0, p+1], at m + u (Cox, de Boor)
    for p in range(1, degree + 1):
        rise = [(m + u) * piece / p for m, piece in enumerate(pieces)]
        fall = [(p - m - u) * piece / p for m, piece in enumerate(pieces)]
        pieces = [rise[0], *(a + b for a, b in zip(rise[1:], fall)), fall[-1]]
    padded = jnp.pad(coefficients, degree + 1)
    last = cell.astype(int) + 2 * degree + 1  # of the degree+1 splines that live on this cell, the one that starts here
    return weight * base.f(x) + sum(padded[last - m] * piece for m, piece in enumerate(pieces))


def _call(factory: Callable[..., AbstractActivation], *shown: str, **options: Any) -> str:
    """The call that `get` reads back: what is `shown` always, and the options that are not the default."""
    defaults = inspect.signature(factory).parameters
    changed = {key: value for key, value in options.items() if value != defaults[key].default}
    texts = [*shown, *(f"{key}={getattr(value, 'name', repr(value))}" for key, value in changed.items())]
    return f"{factory.__name__}({', '.join(texts)})" if texts else factory.__name__


def adaptive(activation: Activation = tanh, *, per: Per = "layer", scale: float | int = 1.0) -> Trainable:
    """An activation with a trained slope: f(scale a x), a = 1/scale at first, so that it starts as f.

    Sources: Jagtap et al. 2020, doi:10.1016/j.jcp.2019.109136 (a layer), doi:10.1098/rspa.2020.0334 (a neuron).

    >>> adaptive(sin, per="neuron", scale=10).for_layer(20).parameters["a"].shape
    (20,)
    """
    if not isinstance(activation, Activation):
        raise TypeError(f"adaptive: a {type(activation).__name__} is not the fixed Activation to stretch; pass tanh")
    scale = _positive("adaptive: scale", scale)
    facts: dict[str, Any] = {"smoothness": activation.smoothness, "bounds": activation.bounds, "per": per}
    facts["name"] = _call(adaptive, activation.name, per=per, scale=scale)
    facts["formula"] = f"f({scale} a x), f(x) = {activation.formula}"
    return Trainable(_fix(_stretch, activation=activation, scale=scale), {"a": 1 / scale}, **facts)  # type: ignore[arg-type]


def trainable_swish(beta: float | int = 1.0, *, per: Per = "layer") -> Trainable:
    """Swish with a trained sharpness: x sigmoid(beta x). Ramachandran et al. 2017, arXiv:1710.05941."""
    name = _call(trainable_swish, beta=beta, per=per)
    return Trainable(_swish, {"beta": beta}, name=name, smoothness=_INF, formula="x / (1 + exp(-beta x))", per=per)


def prelu(slope: float | int = 0.25, *, per: Per = "layer") -> Trainable:
    """ReLU with a trained slope below 0: max(0, x) + slope min(0, x), C^0. He et al. 2015, arXiv:1502.01852."""
    name = _call(prelu, slope=slope, per=per)
    return Trainable(_leak, {"slope": slope}, name=name, smoothness=0, formula="max(0, x) + slope min(0, x)", per=per)


def trainable_rational(
    numerator: tuple[float, ...] = _PADE[0], denominator: tuple[float, ...] = _PADE[1], *, per: Per = "layer"
) -> Trainable:
    """A trained rational function without poles: p(x) / (1 + q(x)^2), coefficients of x^0, x^1, ...

    It starts as `rational`: a cubic p and a linear q (0.011 off tanh at |x| = 2, 0.05 at 3). The usual 1 + |q(x)| would
    be C^0. Source of the idea: Boulle et al. 2020, arXiv:2004.01902.
    """
    if not numerator or not denominator:
        raise ValueError(f"trainable_rational: {numerator} / {denominator}: coefficients are missing; pass one or more")
    name = _call(trainable_rational, numerator=numerator, denominator=denominator, per=per)
    coefficients = {"numerator": numerator, "denominator": denominator}
    return Trainable(_rational, coefficients, name=name, smoothness=_INF, formula="p(x) / (1 + q(x)^2)", per=per)


def bspline(
    degree: int = 3, *, knots: int = 13, range: Pair = (-3.0, 3.0), base: Activation = tanh, per: Per = "layer"
) -> Trainable:
    """A trained spline over a smooth base: weight base(x) + sum_i c_i B_i(x), of class C^(degree-1).

    The B_i are all uniform B-splines that meet `range`, divided by `knots` knots; they fade out within `degree` steps
    beyond it, so that the activation goes over into weight base(x) as smoothly as it is inside. It starts as the base
    itself: weight = 1, c = 0. Sources: Liu et al. 2024, arXiv:2404.19756 (with silu as the base), and the recursion of
    de Boor 1972, doi:10.1016/0021-9045(72)90080-9.

    >>> bspline(4).smoothness, bspline(4).parameters["coefficients"].shape
    (3.0, (16,))
    """
    low, high = map(float, range)
    if not isinstance(degree, int) or not isinstance(knots, int) or not (0 < degree < 100 and 1 < knots < 10_000):
        raise ValueError(f"bspline: degree={degree}, knots={knots} make no continuous spline; pass 1..99, 2..9999")
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"bspline: range={range} is empty or not finite; pass (low, high) with low < high")
    f = _fix(_spline, degree=degree, low=low, step=(high - low) / (knots - 1), base=base)
    start = {"weight": 1.0, "coefficients": (0.0,) * (knots - 1 + degree)}
    name = _call(bspline, str(degree), knots=knots, range=(low, high), base=base, per=per)
    formula = f"weight f(x) + sum_i c_i B_i(x), f(x) = {base.formula}"
    return Trainable(f, start, name=name, smoothness=min(degree - 1, base.smoothness), formula=formula, per=per)


# --- Lookup by name ---------------------------------------------------------------------------------------------------


@functools.cache
def _catalogue() -> dict[str, Any]:
    public = {word: thing for word, thing in globals().items() if not word.startswith("_")}
    makers = {word: inspect.signature(f).return_annotation for word, f in public.items() if inspect.isfunction(f)}
    kinds = (Activation, Trainable)
    return {word: thing for word, thing in public.items() if isinstance(thing, kinds) or makers.get(word) in kinds}


def names() -> tuple[str, ...]:
    """All activations of this module, sorted; each is a name that `get` takes, aliases (swish) are left out.

    `approximate` isn't among them: it is none before it is told of what.
    """
    named = (word for word, thing in _catalogue().items() if getattr(thing, "name", word) == word)
    return tuple(sorted(word for word in named if word != approximate.__name__))


def get(name: str) -> AbstractActivation:
    """The activation that `name` says: a word of `names()`, or a call with plain values such as "relu_power(3)".

    Raises ValueError for an unknown name or wrong arguments. The text is parsed, never evaluated.

    >>> get("adaptive(sin, scale=10)").smoothness, "bspline" in names()
    (inf, True)
    """
    try:
        found = _read(ast.parse(name.strip(), mode="eval").body)
    except (SyntaxError, TypeError, ValueError, AttributeError, RecursionError, MemoryError) as error:
        said = str(error) if name.isidentifier() else f"{name[:99]!r} names no activation: {error}"
        raise ValueError(" ".join(said.split())) from error
    if not isinstance(found, AbstractActivation):
        raise ValueError(f"{name!r} is a value and no activation; write a name such as 'tanh' or 'relu_power(3)'")
    return found


def _read(node: ast.expr) -> Any:
    word = node.func if isinstance(node, ast.Call) else node
    if not isinstance(word, ast.Name):
        return ast.literal_eval(node)  # numbers, texts and tuples
    if word.id not in _catalogue():
        close = " or ".join(difflib.get_close_matches(word.id.lower(), _catalogue())) or "one of the others"
        raise ValueError(f"{word.id!r} is no activation, did you mean {close}? pinnact.activations.names() lists all")
    entry = _catalogue()[word.id]
    if isinstance(node, ast.Call):
        return entry(*map(_read, node.args), **{str(option.arg): _read(option.value) for option in node.keywords})
    return entry if isinstance(entry, Activation) else entry()
