"""The factor in place: strips give LAPACK's factor, and name the row that fails, as LAPACK does."""

import numpy as np
import pytest

from mcbook._cholesky import cholesky_in_place


def positive_definite(rng, n: int) -> np.ndarray:
    A = rng.standard_normal((n, n + 3))
    return A @ A.T


@pytest.mark.parametrize("n", [1, 6, 7, 8, 23])
def test_strips_give_the_factor(rng, n):
    C = positive_definite(rng, n)
    buffer = C.copy()
    L, info = cholesky_in_place(buffer, whole=0, block=7)
    assert info == 0
    assert np.shares_memory(L, buffer)
    np.testing.assert_allclose(np.tril(L), np.linalg.cholesky(C), atol=1e-12 * np.abs(C).max())


def test_both_ways_agree_and_read_the_lower_triangle_only(rng):
    C = positive_definite(rng, 20)
    spoilt = np.tril(C) + np.triu(np.full((20, 20), np.nan), 1)
    whole, strips = (cholesky_in_place(spoilt.copy(), whole=limit, block=6)[0] for limit in (20, 19))
    np.testing.assert_allclose(np.tril(strips), np.tril(whole), atol=1e-12 * np.abs(C).max())


@pytest.mark.parametrize("row", [0, 6, 7, 16])
def test_the_row_that_fails_is_named(rng, row):
    C = positive_definite(rng, 17)
    C[row, row] = -1.0
    for whole in (0, 17):
        assert cholesky_in_place(C.copy(), whole=whole, block=7)[1] == row + 1
