"""Dressed atoms: the part of an energy that counting atoms explains.

Problem    y ≈ P beta + what the kernel must explain, P (n, q) the counts of each element
Solution   beta is found with alpha, unpenalised (`solve`'s P): never fitted before, or leave-one-out would
           have seen the sample that it leaves out
Alone      beta = (PᵀP)⁻¹Pᵀy, least squares: the baseline that any descriptor must beat
References wahba1990 (the unpenalised block)
Symbols    n molecules, q elements, P (n, q), beta (q,) in kcal/mol per atom
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from mcbook.kernels.molecules import SYMBOLS, geometries


def composition(
    molecules: Sequence[Any], *, elements: Sequence[int] | None = None
) -> Float[np.ndarray, "n q"]:
    """P (n, q), counts of atoms of each element.

    elements: atomic numbers, by default those that occur, ascending; pass the training set's for a test set.
    Raises ValueError as `geometries` does, and for a molecule with an element that is not among them.
    """
    checked = geometries(molecules, bonded=False)
    present = sorted({int(z) for Z, _ in checked for z in Z})
    elements = present if elements is None else [int(z) for z in elements]
    if missing := sorted(set(present) - set(elements)):
        names = ", ".join(SYMBOLS[z] for z in missing)
        raise ValueError(
            f"{names} occurs, but is not among the elements {elements}: nothing was learnt of it."
        )
    return np.array([[float(np.count_nonzero(z == Z)) for z in elements] for Z, _ in checked])


def dressed_atoms(P: Any, y: Any) -> Float[np.ndarray, " q"]:
    """beta (q,), the worth of each element by least squares alone: the baseline.

    Raises ValueError when the counts (n, q) cannot tell the elements apart (rank below q), or n differs.
    """
    P, y = np.asarray(P, dtype=float), np.asarray(y, dtype=float)
    if P.ndim != 2 or y.shape != P.shape[:1] or not (np.isfinite(P).all() and np.isfinite(y).all()):
        raise ValueError(f"expected finite P (n, q) and y (n,), got {P.shape} and {y.shape}.")
    beta, _, rank, _ = np.linalg.lstsq(P, y)
    if rank < P.shape[1]:
        raise ValueError(f"P {P.shape} has rank {rank}: these molecules cannot tell the elements apart.")
    return beta
