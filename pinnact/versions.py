"""The versions that numbers depend on."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("jax", "jaxlib", "equinox", "optax", "numpy", "scipy", "matplotlib")


def versions() -> dict[str, str]:
    """Those of pinnact, of the packages under it, and of Python."""
    # Our own version is that of the imported package, also where it runs from a checkout without being installed.
    found = {"pinnact": sys.modules[__package__ or "pinnact"].__version__}  # type: ignore[attr-defined]
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found | {"python": platform.python_version()}
