"""Cholesky's factor in place, for matrices of any size.  Private; kernels and symmetry share it.

Problem    C = L Lᵀ, C symmetric positive definite, in the lower triangle of a C-ordered buffer
Method     LAPACK's dpotrf up to `WHOLE` rows. Beyond, by strips of BLOCK rows of U = Lᵀ:
           U_kk = chol(A_kk),  U_kr = U_kk⁻ᵀ A_kr,  A_rr -= U_krᵀ U_kr
           where r are the rows and columns still to come; all but a thin strip is matrix products
Why        OpenBLAS's threaded dpotrf (0.3 as SciPy 1.17 ships it) ends in a segmentation fault at 21 000
           rows with two threads, and no Python code can catch that
"""

import numpy as np
from jaxtyping import Float
from scipy.linalg import lapack
from scipy.linalg.blas import dtrsm

WHOLE = 16_000
BLOCK = 512


def cholesky_in_place(
    C: Float[np.ndarray, "n n"], *, whole: int = WHOLE, block: int = BLOCK
) -> tuple[Float[np.ndarray, "n n"], int]:
    """L in the lower triangle of C's buffer, and LAPACK's info: 0, or the first row (from 1) that fails.

    The other triangle is not read; beyond `whole` rows its diagonal blocks are overwritten.
    """
    if len(C) > whole:
        return C, _by_strips(C.T, block)
    upper, info = lapack.dpotrf(C.T, lower=0, overwrite_a=1, clean=0)
    return upper.T, int(info)


def _by_strips(U: Float[np.ndarray, "n n"], block: int) -> int:
    """Overwrites the upper triangle of U, stored by columns, with its factor; returns info."""
    n = len(U)
    for k in range(0, n, block):
        end = min(k + block, n)
        corner, info = lapack.dpotrf(U[k:end, k:end], lower=0, clean=0)
        U[k:end, k:end] = corner
        if info:
            return k + int(info)
        strip = dtrsm(1.0, corner, U[k:end, end:], lower=0, trans_a=1)
        U[k:end, end:] = strip
        for j in range(end, n, block):
            stop = min(j + block, n)
            U[end:stop, j:stop] -= strip[:, : stop - end].T @ strip[:, j - end : stop - end]
    return 0
