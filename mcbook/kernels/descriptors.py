"""The Coulomb matrix.

Problem    a molecule as a vector of fixed length that does not change when the molecule is moved or turned
Formula    M_ii = ½ Z_i^2.4 (about the energy of the free atom, Hartree),  M_ij = Z_i Z_j/‖R_i - R_j‖ (bohr)
Order      rows by falling norm, columns alike: the numbering of the atoms drops out (but the order jumps
           where two norms cross, and the vector with it)
Padding    with zeros, to the size of the largest molecule; the lower triangle, row by row, is the vector
References rupp2012
Symbols    n molecules, a atoms, Z numbers, R positions; size the number of rows of M after padding
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from mcbook.kernels.molecules import BOHR_ANGSTROM, geometries


def coulomb_matrices(molecules: Sequence[Any], *, size: int | None = None) -> Float[np.ndarray, "n d"]:
    """The sorted Coulomb matrices' lower triangles (n, size (size + 1)/2), in Hartree.

    molecules: pairs (numbers, positions_angstrom); size: that of the largest if None.
    Raises ValueError as `geometries` does, and for a size less than the largest molecule's.
    """
    checked = geometries(molecules)
    largest = max(len(Z) for Z, _ in checked)
    size = largest if size is None else size
    if size < largest:
        raise ValueError(f"size must be at least {largest}, the atoms of the largest molecule; got {size}.")
    lower = np.tril_indices(size)
    out = np.zeros((len(checked), len(lower[0])))
    for row, (Z, R) in zip(out, checked, strict=True):
        M = np.zeros((size, size))
        M[: len(Z), : len(Z)] = coulomb_matrix(Z, R)
        row[:] = M[lower]
    return out


def coulomb_matrix(Z: np.ndarray, R: np.ndarray) -> np.ndarray:
    """M (a, a) of one molecule, sorted by falling row norm; R (a, 3) in Å, M in Hartree.  Checks nothing."""
    D = np.linalg.norm(R[:, None] - R, axis=-1) / BOHR_ANGSTROM
    np.fill_diagonal(D, 1.0)
    M = np.outer(Z, Z) / D
    np.fill_diagonal(M, 0.5 * Z.astype(float) ** 2.4)
    order = np.argsort(-np.linalg.norm(M, axis=1), kind="stable")
    return M[np.ix_(order, order)]
