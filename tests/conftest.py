"""Strict settings for every test: float64, no silent rank promotion; warnings are errors (pyproject.toml)."""

import matplotlib

matplotlib.use("Agg")

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
