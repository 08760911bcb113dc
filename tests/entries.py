"""Entries of the atlas as modules, so that tests can feed their rules with made-up measurements."""

import importlib.util
import sys
from pathlib import Path

ACTIVATIONS = Path(__file__).resolve().parent.parent / "problems" / "activations"


def entry(name):
    """The module of an entry; its `_checks` is the rule."""
    spec = importlib.util.spec_from_file_location(f"entry_{name}", ACTIVATIONS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
