"""The house: imports point up the levels, the library leaves JAX and the disk alone, and files stay small."""

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "pinnact"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "problems" not in path.relative_to(PACKAGE).parts)
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
LEVELS = (
    (
        "elementwise",
        "sines",
        "approximations",
        "fixed_point",
        "activations",
        "taylor",
        "operators",
        "sampling",
        "metrics",
        "precision",
        "references",
        "limits",
        "files",
        "versions",
        "interrupts",
        "hosts",
        "compiled",
        "devices",
    ),
    ("domains", "networks", "features", "windows"),
    ("fields",),
    (
        "residuals",
        "coefficients",
        "observations",
        "problem",
        "compatibility",
        "lifts",
        "prescribed",
        "transfinite",
        "kinks",
        "linearisation",
        "mirrors",
        "propagators",
        "characteristics",
        "smoothness",
        "model",
    ),
    ("optimisers", "parts", "system"),
    (
        "weights",
        "collocation",
        "history",
        "scoring",
        "progress",
        "checkpoints",
        "restoring",
        "placement",
        "flat",
        "memory",
        "engines",
    ),
    (
        "least_squares",
        "fitting",
        "correction",
        "first_fits",
        "marching",
        "second_stage",
        "evaluation",
        "solution",
        "storage",
        "plotting",
        "animation",
        "figures",
        "export",
        "c_source",
    ),
    ("resuming", "run", "drive", "together", "training", "potentials", "orbitals", "atlas"),
    ("cli", "potential_commands", "atlas_command", "compare_command", "batch", "console", "doctor", "library"),
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
OPTIONAL = ("shapely", "meshio", "xarray", "pyarrow", "folx", "ase", "tblite", "pyscf")
OPTIONAL += ("sklearn", "dask", "distributed", "pandas")
PROCESSES = ("pinnact/cli.py", "pinnact/compiled.py")  # what configures a process, or does so for its command


def label(path):
    return str(path.relative_to(ROOT))


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in FILES}


def imported(path):
    """(module, whether only for type checking) of every import, `from pinnact.domains import Box` by its full name."""
    types_only = {
        id(inner)
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(TREES[path]):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{label(path)}: relative import; write it in full"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in whole]
        for name in names:
            yield name, id(node) in types_only


def area(module):
    """The second part of a module's name: the file or folder that has a level."""
    return module.split(".")[1] if "." in module else ""


def test_every_module_has_a_level():
    unplaced = {area(module) for module in MODULES} - set(LEVEL) - {"", "__main__"}
    assert not unplaced, f"{unplaced}: give each a level in {Path(__file__).name}"


@pytest.mark.parametrize("path", FILES, ids=label)
def test_imports_point_up(path):
    own = area(module_name(path))
    for module, types_only in imported(path):
        if module.split(".")[0] == "pinnact" and not types_only and own in LEVEL:
            assert area(module) in LEVEL, f"{label(path)} imports {module}: import from the file that defines it"
            assert LEVEL[area(module)] <= LEVEL[own], f"{label(path)} (level {LEVEL[own]}) imports {module} from below"


def test_imports_have_no_cycle():
    graph = {
        module_name(path): {m for m, types_only in imported(path) if m in MODULES and not types_only} for path in FILES
    }
    graph = {module: found - {module} for module, found in graph.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


@pytest.mark.parametrize("path", FILES, ids=label)
def test_the_library_knows_no_problems_and_no_scripts(path):
    assert not [m for m, _ in imported(path) if m.split(".")[0] in ("problems", "scripts", "tests")]


@pytest.mark.parametrize("path", FILES, ids=label)
def test_habits(path):
    """No star imports, bare excepts, `global`, mutable defaults, imports within functions (optional extras aside)."""
    tree = TREES[path]
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
    for node in ast.walk(tree):
        where = f"{label(path)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), f"{where}: import *"
        assert not isinstance(node, ast.Global), f"{where}: global"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{where}: bare except"
        is_update = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("config.update")
        assert not is_update or label(path) in PROCESSES, f"{where}: jax.config.update outside {PROCESSES}"
    for function in functions:
        for default in [*function.args.defaults, *function.args.kw_defaults]:
            mutable = isinstance(default, ast.List | ast.Dict | ast.Set)
            assert not mutable, f"{label(path)}:{function.lineno}: mutable default"
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                assert all(n.split(".")[0] in OPTIONAL for n in names), (
                    f"{label(path)}:{node.lineno}: import in a function"
                )


@pytest.mark.parametrize("path", FILES, ids=label)
def test_files_are_of_one_mind(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{label(path)} has {lines} lines: split it"


def test_the_median_file_is_short():
    lengths = sorted(path.read_text(encoding="utf-8").count("\n") for path in FILES)
    assert lengths[len(lengths) // 2] < 200


def public_functions(tree):
    """Functions and methods that users see: no leading underscore in their name or in that of their class."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node, f"class {node.name}"
            yield from ((n, f"{node.name}.{n.name}") for n in node.body if isinstance(n, ast.FunctionDef))
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, node.name


@pytest.mark.parametrize("path", FILES, ids=label)
def test_public_functions_are_annotated_and_documented(path):
    assert ast.get_docstring(TREES[path]), f"{label(path)} has no docstring"
    for node, name in public_functions(TREES[path]):
        if isinstance(node, ast.FunctionDef):
            decorators = {ast.unparse(d) for d in node.decorator_list}
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
            assert not bare and node.returns is not None, (
                f"{label(path)}: {name} lacks annotations ({bare or 'return'})"
            )
            if node.name.startswith("_") or "overload" in decorators:
                continue
        if isinstance(node, ast.ClassDef) or not is_protocol_stub(node):
            assert ast.get_docstring(node), f"{label(path)}: {name} has no docstring"


def is_protocol_stub(node):
    return len(node.body) == 1 and ast.unparse(node.body[0]) == "..."


SILENT_IMPORT = """
import jax
before = dict(jax.config.values)
import pinnact
changed = {name for name, value in jax.config.values.items() if before.get(name, value) != value}
assert not changed, changed
assert not jax.config.jax_enable_x64
import sys
late = {"matplotlib.pyplot", "shapely", "meshio", "xarray", "ase"} & set(sys.modules)
assert not late, late
"""


def test_importing_the_library_changes_nothing(tmp_path_factory):
    """No configuration of JAX, no output, no file; the extras load when they are used."""
    home = tmp_path_factory.mktemp("home")
    fonts = matplotlib.get_cachedir()  # where its list of fonts is already: making one takes seconds and says so
    own = {"HOME": str(home), "MPLCONFIGDIR": fonts, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SILENT_IMPORT],
        cwd=home,
        env=os.environ | own,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize("path", sorted((ROOT / "problems").rglob("*.py")), ids=label)
def test_a_problem_is_mathematics_only(path):
    """Under 80 lines (entries of the atlas: 150, and figures); no import but of mathematics; loading does nothing."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    roots = {
        name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for name in [a.name for a in n.names]
    }
    roots |= {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    entry = path.parent.name == "activations"
    assert text.count("\n") < (150 if entry else 80) and ast.get_docstring(tree)
    drawing = {
        "dataclasses",
        "equinox",
        "matplotlib",
        "mpl_toolkits",
        "optax",
        "sklearn",
        "textwrap",
        "time",
        "warnings",
    }
    assert roots - (drawing if entry else set()) <= {
        "pinnact",
        "jax",
        "jaxtyping",
        "numpy",
        "scipy",
        "math",
        "functools",
        "itertools",
        "collections",
        "pathlib",
    }, roots
    allowed = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.Assign | ast.AnnAssign | ast.Expr
    assert all(isinstance(node, allowed) for node in tree.body)
    assert [n.name for n in tree.body if isinstance(n, ast.FunctionDef) if not n.name.startswith("_")] == [path.stem]
