"""Derivatives of factorisations, matrix functions, solutions: adjoint pairs, differences, JAX, refusals."""

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
import pytest

from mcbook.calculus import check_jvp, check_vjp, oracles
from mcbook.calculus.oracles import ORACLES, Implicit


def spd(rng, n=4):
    A = rng.standard_normal((n, n))
    return A @ A.T + np.diag(np.arange(1.0, n + 1))


def symmetric(rng, n=4):
    return oracles.factorisations.sym(rng.standard_normal((n, n)))


def eigen_vjp(A, w_bar, V_bar):
    return oracles.vjp_eigh(A, w_bar, V_bar)


# Functions of a symmetric A are tried as functions of sym(A): then every entry may move.
SYM = oracles.factorisations.sym
PAIRS = {
    "Cholesky factor": (spd, oracles.cholesky, oracles.jvp_cholesky, oracles.vjp_cholesky),
    "matrix square root": (spd, oracles.sqrtm, oracles.jvp_sqrtm, oracles.vjp_sqrtm),
}


@pytest.mark.parametrize("name", PAIRS)
def test_functions_of_a_positive_definite_matrix(name, rng):
    draw, F, jvp, vjp = PAIRS[name]
    for _ in range(3):
        A = draw(rng)
        check_jvp(lambda A, F=F: F(SYM(A)), lambda A, D, jvp=jvp: jvp(A, SYM(D)), A, rng=rng)
        check_vjp(lambda A, F=F: F(SYM(A)), lambda A, B, vjp=vjp: SYM(vjp(A, B)), A, rng=rng)


def test_the_factors_are_what_they_claim(rng):
    A, M, W = spd(rng), rng.standard_normal((5, 3)), rng.standard_normal((4, 4))
    L, S, (w, V), (U, s, R) = oracles.cholesky(A), oracles.sqrtm(A), oracles.eigh(A), oracles.svd(M)
    np.testing.assert_allclose(L @ L.T, A, rtol=1e-12)
    np.testing.assert_allclose(S @ S, A, rtol=1e-12)
    np.testing.assert_allclose((V * w) @ V.T, A, atol=1e-12 * np.linalg.norm(A))
    np.testing.assert_allclose((U * s) @ R.T, M, atol=1e-12)
    for scale in (1e-3, 1.0, 30.0):
        E = np.asarray(jax.scipy.linalg.expm(scale * jnp.asarray(W)))
        np.testing.assert_allclose(oracles.expm(scale * W), E, rtol=1e-8, atol=1e-11 * np.abs(E).max())
    np.testing.assert_allclose(oracles.expm(W) @ oracles.expm(-W), np.eye(4), atol=1e-11)


def test_eigenvalues_and_eigenvectors(rng):
    for _ in range(3):
        A = symmetric(rng)
        for k, part in enumerate(("w", "V")):
            F = lambda A, part=part: getattr(oracles.eigh(SYM(A)), part)  # noqa: E731
            check_jvp(F, lambda A, D, k=k: oracles.jvp_eigh(A, SYM(D))[k], A, rng=rng)
            bars = lambda B, k=k: (B, np.zeros((4, 4))) if k == 0 else (np.zeros(4), B)  # noqa: E731
            check_vjp(F, lambda A, B, bars=bars: SYM(oracles.vjp_eigh(A, *bars(B))), A, rng=rng)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)])
def test_singular_values_and_vectors(shape, rng):
    A = rng.standard_normal(shape)
    zero = [np.zeros_like(part) for part in oracles.svd(A)]
    for k in range(3):
        F = lambda A, k=k: oracles.svd(A)[k]  # noqa: E731
        check_jvp(F, lambda A, D, k=k: oracles.jvp_svd(A, D)[k], A, rng=rng)
        vjp = lambda A, B, k=k: oracles.vjp_svd(A, *zero[:k], B, *zero[k + 1 :])  # noqa: E731
        check_vjp(F, vjp, A, rng=rng)


def test_the_exponential(rng):
    for scale in (0.1, 1.0, 4.0):
        A = scale * rng.standard_normal((4, 4))
        reference = lambda A, B: jax.vjp(jax.scipy.linalg.expm, A)[1](jnp.asarray(B))[0]  # noqa: E731
        check_vjp(oracles.expm, oracles.vjp_expm, A, reference=reference, rng=rng)
        check_jvp(oracles.expm, oracles.jvp_expm, A, rng=rng)
    D = rng.standard_normal((4, 4))
    np.testing.assert_allclose(oracles.jvp_expm(A, 1e9 * D), 1e9 * oracles.jvp_expm(A, D), rtol=1e-9)


@pytest.mark.parametrize("shape", [(4,), (4, 2)])
def test_a_solve(shape, rng):
    A, B = rng.standard_normal((4, 4)) + 3 * np.eye(4), rng.standard_normal(shape)
    for k, X in ((0, A), (1, B)):
        F = lambda X, k=k: oracles.solve(X, B) if k == 0 else oracles.solve(A, X)  # noqa: E731
        check_vjp(F, lambda X, U, k=k: oracles.vjp_solve(*((X, B) if k == 0 else (A, X)), U)[k], X, rng=rng)
    A_dot, B_dot, U_bar = rng.standard_normal((4, 4)), rng.standard_normal(shape), rng.standard_normal(shape)
    A_bar, B_bar = oracles.vjp_solve(A, B, U_bar)
    both = np.vdot(A_bar, A_dot) + np.vdot(B_bar, B_dot)
    assert np.vdot(U_bar, oracles.jvp_solve(A, B, A_dot, B_dot)) == pytest.approx(both, rel=1e-12)


def newton(p, M):
    """u with u + tanh(Mu)/2 = p."""
    u = np.zeros(len(p))
    for _ in range(60):
        u = u - np.linalg.solve(
            np.eye(len(p)) + 0.5 * (1 - np.tanh(M @ u) ** 2)[:, None] * M, u + np.tanh(M @ u) / 2 - p
        )
    return u


def test_an_implicit_function(rng):
    M, p = 0.7 * rng.standard_normal((4, 4)), rng.standard_normal(4)

    def at(p):
        u = newton(p, M)
        return Implicit(np.eye(4) + 0.5 * (1 - np.tanh(M @ u) ** 2)[:, None] * M, -np.eye(4))

    check_jvp(lambda p: newton(p, M), lambda p, d: oracles.jvp_implicit(at(p), d), p, rng=rng)
    check_vjp(lambda p: newton(p, M), lambda p, b: oracles.vjp_implicit(at(p), b), p, rng=rng)


@pytest.mark.parametrize("change", [lambda G: G.T + 0.1 * G, lambda G: -G, lambda G: 1.001 * G])
def test_a_wrong_pair_is_no_pair(change, rng):
    A, D, B = (rng.standard_normal((4, 4)) for _ in range(3))
    right = np.vdot(B, oracles.jvp_expm(A, D))
    assert np.vdot(oracles.vjp_expm(A, B), D) == pytest.approx(right, rel=1e-11)
    assert abs(np.vdot(change(oracles.vjp_expm(A, B)), D) - right) > 1e-4 * abs(right)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: oracles.cholesky(np.diag([1.0, -1.0])), "positive definite"),
        (lambda: oracles.cholesky(np.array([[1.0, 2.0], [0.0, 1.0]])), "symmetric"),
        (lambda: oracles.jvp_eigh(np.eye(3), np.ones((3, 3))), "coincide"),
        (
            lambda: oracles.vjp_eigh(np.diag([1.0, 1.0, 2.0]), np.ones(3), np.eye(3)),
            "values 0 and 1 coincide",
        ),
        (lambda: oracles.jvp_svd(np.ones((3, 2)), np.ones((3, 2))), "vanishes"),
        (lambda: oracles.jvp_svd(np.eye(2), np.ones((2, 2))), "coincide"),
        (lambda: oracles.jvp_sqrtm(np.ones((2, 2)), np.eye(2)), "no derivative"),
        (lambda: oracles.expm(np.ones((2, 3))), "square"),
        (lambda: oracles.expm(np.full((2, 2), np.nan)), "finite"),
        (lambda: oracles.solve(np.ones((2, 2)), np.ones(2)), "invertible"),
        (lambda: oracles.vjp_implicit(Implicit(np.zeros((2, 2)), np.eye(2)), np.ones(2)), "invertible"),
    ],
)
def test_where_there_is_no_derivative_there_is_a_refusal(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_eigenvalues_that_almost_coincide():
    """On this side of the gap the derivative is right, on that side it is refused."""
    Q = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))[0]
    D = SYM(np.arange(9.0).reshape(3, 3))
    for gap in (1e-3, 1e-5, 1e-7):
        A = SYM((Q * [1.0, 1.0 + gap, 2.0]) @ Q.T)
        w, V = oracles.eigh(A)
        w_dot, V_dot = oracles.jvp_eigh(A, D)
        wrong = D @ V + A @ V_dot - V_dot * w - V * w_dot  # the differential of A V = V diag(w)
        assert np.linalg.norm(wrong) <= 1e-12 * np.linalg.norm(V_dot)
        assert np.linalg.norm(V.T @ V_dot + V_dot.T @ V) <= 1e-12 * np.linalg.norm(V_dot)
    with pytest.raises(ValueError, match="values 0 and 1 coincide"):
        oracles.jvp_eigh(SYM((Q * [1.0, 1.0 + 1e-9, 2.0]) @ Q.T), D)


def test_singular_values_that_almost_coincide_or_vanish(rng):
    U, V = (np.linalg.qr(rng.standard_normal((4, 3)))[0] for _ in range(2))
    D = rng.standard_normal((4, 4))
    for s in ([2.0, 1.0 + 1e-6, 1.0], [2.0, 1.0, 1e-6]):
        A = (U * s) @ V.T + np.outer(*(np.linalg.svd(M)[0][:, 3] for M in (U, V))) * 3.0
        u, t, v = oracles.svd(A)
        u_dot, t_dot, v_dot = oracles.jvp_svd(A, D)
        back = (u_dot * t) @ v.T + (u * t_dot) @ v.T + (u * t) @ v_dot.T
        assert np.linalg.norm(back - D) <= 1e-8 * np.linalg.norm(D)
    for s, message in (([2.0, 1.0 + 1e-9, 1.0], "coincide"), ([2.0, 1.0, 1e-9], "vanishes")):
        with pytest.raises(ValueError, match=message):
            oracles.jvp_svd((U * s) @ np.linalg.qr(V[:3])[0].T, D[:, :3])


@pytest.mark.parametrize("least", [1e-2, 1e-4, 1e-6])
def test_a_matrix_that_is_almost_singular(least, rng):
    """Still right where the condition holds; and what is right is what the defining equation says."""
    Q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    A, D = SYM((Q * [least, 1.0, 2.0, 3.0]) @ Q.T), SYM(rng.standard_normal((4, 4)))
    L, L_dot = oracles.cholesky(A), oracles.jvp_cholesky(A, D)
    np.testing.assert_allclose(L_dot @ L.T + L @ L_dot.T, D, atol=1e-13 * np.linalg.norm(L_dot))
    S, S_dot = oracles.sqrtm(A), oracles.jvp_sqrtm(A, D)
    np.testing.assert_allclose(S_dot @ S + S @ S_dot, D, atol=1e-13 * np.linalg.norm(S_dot) + 1e-12)
    b = rng.standard_normal(4)
    U_dot = oracles.jvp_solve(A, b, D, 0 * b)
    np.testing.assert_allclose(A @ U_dot, -D @ oracles.solve(A, b), atol=1e-13 * np.linalg.norm(U_dot))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda A: oracles.cholesky(A - 1e-9 * np.eye(3)), "least eigenvalue is -1"),
        (lambda A: oracles.jvp_sqrtm(A, np.eye(3)), "no derivative"),
        (lambda A: oracles.solve(A, np.ones(3)), "condition number"),
        (lambda A: oracles.jvp_implicit(Implicit(A, np.eye(3)), np.ones(3)), "condition number"),
        (lambda A: oracles.vjp_implicit(Implicit(A, np.eye(3)), np.ones(3)), "condition number"),
    ],
)
def test_what_is_singular_to_working_precision_is_refused(call, message):
    v = np.array([1.0, 2.0, 2.0]) / 3
    with pytest.raises(ValueError, match=message):
        call(np.eye(3) - (1 - 1e-17) * np.outer(v, v))


M4 = np.diag([1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: oracles.jvp_cholesky(M4, np.eye(3)), "A_dot"),
        (lambda: oracles.vjp_cholesky(M4, np.ones(4)), "L_bar"),
        (lambda: oracles.jvp_eigh(M4, np.ones(4)), "A_dot"),
        (lambda: oracles.vjp_eigh(M4, np.eye(4), np.eye(4)), "w_bar"),
        (lambda: oracles.vjp_eigh(M4, np.ones(4), 0.0), "V_bar"),
        (lambda: oracles.jvp_svd(M4[:, :2], np.eye(4)), "A_dot"),
        (lambda: oracles.vjp_svd(M4, np.eye(4), np.eye(4), np.eye(4)), "s_bar"),
        (lambda: oracles.vjp_svd(M4, np.ones(4), np.ones(4), np.eye(4)), "U_bar"),
        (lambda: oracles.jvp_expm(M4, np.eye(3)), "A_dot"),
        (lambda: oracles.vjp_expm(M4, np.full((4, 4), np.nan)), "E_bar"),
        (lambda: oracles.vjp_sqrtm(M4, np.ones(4)), "S_bar"),
        (lambda: oracles.solve(M4, np.ones(3)), "B"),
        (lambda: oracles.jvp_solve(M4, np.ones((4, 2)), M4, np.ones((4, 1))), "B_dot"),
        (lambda: oracles.jvp_solve(M4, np.ones(4), 1.0, np.ones(4)), "A_dot"),
        (lambda: oracles.vjp_solve(M4, np.ones((4, 2)), np.ones(4)), "U_bar"),
        (lambda: oracles.jvp_implicit(Implicit(M4, M4[:, :2]), np.ones(4)), "p_dot"),
        (lambda: oracles.vjp_implicit(Implicit(M4, M4[:, :2]), np.ones((4, 1))), "u_bar"),
    ],
)
def test_a_step_of_another_shape_is_not_stretched(call, name):
    with pytest.raises(ValueError, match=f"{name} needs"):
        call()


def test_the_table_lists_every_pair():
    public = {name for name in vars(oracles) if name.startswith(("jvp_", "vjp_"))}
    assert {f.__name__ for row in ORACLES for f in (row.jvp, row.vjp)} == public
    assert all(row.condition for row in ORACLES)
