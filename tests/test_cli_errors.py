"""Problem files with mistakes: exit code 2, one line with the file and what is wrong, nothing written.

Other bad input stands in the tables of `test_bad_solve.py` and its like.
"""

import pytest
from test_cli import DECAY

HEAD = "import jax.numpy as jnp\nimport pinnact as pn\n"
WALLS = "{'walls': pn.On(domain.boundary, lambda u: u)}"


def own(equation="u.xx", domain="pn.Interval(x=(0, 1))", conditions=WALLS, more=""):
    """The source of a problem with one thing changed."""
    return (
        f"{HEAD}def own():\n    domain = {domain}\n"
        f"    return pn.Problem(domain, equations={{'eq': lambda u: {equation}}}, conditions={conditions}{more})\n"
    )


@pytest.fixture
def refused(pinnact, tmp_path):
    """Runs `pinnact solve` on bad input and returns its one line."""

    def run(*arguments, out="run"):
        before = sorted(tmp_path.rglob("*"))
        target = ("--out", out) if out else ()
        code, said, line = pinnact("solve", *arguments, "--steps", 2, *target)
        assert (code, said) == (2, "") and line.startswith("pinnact: ") and line.count("\n") == 1 and len(line) < 600
        assert sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts) == before
        return line

    return run


FILES = {
    "derivative": (own("u.xz"), r"own.py:5: 'eq': u\.xz: no derivative of that name; the coordinates are x"),
    "not an attribute": (own("u.slope"), r"'eq': u\.slope"),
    "argument": (own().replace("lambda u: u.xx", "lambda u, y: u.xx"), "asks for 'y'; it can have u, x"),
    "empty region": (
        own(conditions="{'far': pn.On(domain.boundary.where(lambda x: x > 5), lambda u: u)}"),
        "boundary where .* is empty",
    ),
    "no boundary": (own(domain="pn.Interval(x=(0, 1), periodic=True)"), "condition 'walls' .* is empty"),
    "zero size": (own(domain="pn.Interval(x=(1, 1))"), r"x=\(1, 1\) has no length"),
    "syntax": ("def own(:\n", "own.py:1 raised SyntaxError"),
    "binary": ("\0", "own.py.* raised (SyntaxError|ValueError)"),
    "raises": ("\n1 / 0\n", "own.py:2 raised ZeroDivisionError: division by zero"),
    "imports": ("import no_such_module\n", "own.py:1 raised ModuleNotFoundError: No module named 'no_such_module'"),
    "function raises": ("def own():\n    return 1 / 0\n", "own.py:2 raised ZeroDivisionError"),
    "exits": ("raise SystemExit(0)\n", "own.py:1 raised SystemExit"),
    "function exits": ("def own():\n    raise SystemExit(0)\n", "own.py:2 raised SystemExit"),
    "no function": ("x = 1\n", r"has no function own\(\)"),
    "no problem": ("def own():\n    return 1\n", "returned a int; return a pn.Problem"),
    "needs an argument": ("def own(size):\n    return 1\n", "missing 1 required positional argument: 'size'"),
    "residual raises": (own("u.xx + 1 / 0"), "'eq' can't be evaluated at a point: division by zero"),
    "residual key": (own("u.xx + {}['k']"), "own.py:5 raised KeyError: 'k'"),
    "reference raises": (own(more=", reference=lambda x: 1 / 0"), "reference of 'u' raised ZeroDivisionError"),
    "reference shape": (own(more=", reference=lambda x: x[:3]"), r"reference of 'u' gives shape \(3,\)"),
}


@pytest.mark.parametrize("text, match", FILES.values(), ids=FILES)
def test_wrong_files(refused, tmp_path, text, match):
    (tmp_path / "own.py").write_text(text)
    assert_match(refused("own.py"), match)


def test_an_empty_folder_is_no_other_run(pinnact, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "decay.py").write_text(DECAY)
    small = ("--width", 4, "--depth", 1, "--quiet")
    assert pinnact("solve", "decay.py", "--steps", 1, "--out", "run", *small)[0] == 0
    assert "run holds another run" in pinnact("solve", "decay.py", "--steps", 1, "--out", "run", *small)[2]


def test_a_file_that_defines_classes(pinnact, tmp_path):
    """Annotations of dataclasses, as Equinox modules are, are looked up in the module: it has to be registered."""
    text = (
        "from __future__ import annotations\nimport equinox as eqx\n"
        + DECAY.lstrip()
        + (
            "\nclass _Rate(eqx.Module):\n    value: float = 1.0\n    def __call__(self, t):\n        "
            "return self.value\n"
        )
    )
    (tmp_path / "classes.py").write_text(
        text.replace("rate=1.0", "rate=None").replace('"rate": rate', '"rate": _Rate()')
    )
    options = ("--steps", 1, "--out", "run", "--width", 4, "--depth", 1, "--quiet")
    assert pinnact("solve", "classes.py", *options) == (0, "", "")


def assert_match(line, pattern):
    with pytest.raises(ValueError, match=pattern):
        raise ValueError(line)
