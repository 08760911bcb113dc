"""What a traced program consists of."""

import jax


def equations(jaxpr):
    """All equations of a program, those of its inner programs among them."""
    for equation in jaxpr.eqns:
        yield equation
        inner = jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns") or hasattr(leaf, "jaxpr")
        )
        for leaf in inner:
            if hasattr(found := getattr(leaf, "jaxpr", leaf), "eqns"):
                yield from equations(found)
