"""Which similarities are tried when nobody says which."""

from __future__ import annotations

from ragdiag.similarities import Pipeline, parse

# Mild remedies first: of two that do equally well, the earlier one is easier to live with. What real stores
# taught: shifting each side by its own mean and whitening partly wins where anything wins; whole whitening
# nearly always loses and is tried so that this can be seen.
REMEDIES = (
    "query-centred",
    "abtt(d=2)",
    "query-centred | whitened(gamma=0.25)",
    "query-centred | whitened(gamma=0.5)",
    "query-centred | whitened(shrinkage=0.5)",
    "whitened(gamma=0.5)",
    "whitened(shrinkage=0.5)",
    "whitened",
)
PLAIN = ("cosine", "dot", "l2")


def candidates(baseline: str, *, lengths_vary: bool) -> tuple[Pipeline, ...]:
    """Return the similarities that are compared with `baseline` by default.

    Where vectors differ in length, remedies start from their directions, and cosine, dot product and
    L2 are compared too; otherwise those three rank alike.

    Examples
    --------
    >>> [c.name for c in candidates("l2", lengths_vary=True)][:3]
    ['cosine', 'dot', 'cosine | query-centred']
    """
    if not lengths_vary:
        return tuple(parse(name) for name in REMEDIES)
    plain = [name for name in PLAIN if name != baseline]
    return tuple(parse(name) for name in (*plain, *(f"cosine | {name}" for name in REMEDIES)))


def smaller(dim: int) -> tuple[Pipeline, ...]:
    """Return the similarities that store fewer bytes a vector, for the frontier of quality against size."""
    sizes = [k for k in (1024, 512, 256, 128, 64) if k < dim]
    names = [f"{cut}(k={k})" for k in sizes for cut in ("truncated", "pca")]
    return tuple(parse(name) for name in (*names, "int8", "binary"))
