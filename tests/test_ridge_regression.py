"""Ridge regression, spectra, and fields through data: the same energy, told by three kinds of matrix."""

from itertools import pairwise

import jax
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from mcbook import calculus, kernels, ridge
from tests.ridge_problems import crooked, meshes, uneven

LAM, KAPPA = 0.3, 25.0


def data(rng, n=9, p=4):
    return rng.normal(size=(n, p)), rng.normal(size=n), rng.normal(size=p)


def test_the_gradient_is_right(rng):
    X, y, w = data(rng)

    def f(w):
        return ridge.ridge_loss(w, X, y, LAM)

    G = ridge.grad_ridge_loss_w(w, X, y, LAM)
    assert calculus.check_grad(f, G, w, reference=jax.grad(f), rng=rng)
    v = rng.normal(size=4)
    np.testing.assert_allclose(ridge.hvp_ridge_loss_w(v, X, LAM), jax.hessian(f)(w) @ v, rtol=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda X, y, w: X.T @ (X @ w - y) + 2 * LAM * w,  # the penalty without its ½
        lambda X, y, w: 2 * X.T @ (X @ w - y) + LAM * w,
        lambda X, y, w: -X.T @ (X @ w - y) + LAM * w,
        lambda X, y, w: X.T @ (X @ w - y),
        lambda X, y, w: 1.001 * X.T @ (X @ w - y) + LAM * w,
    ],
)
def test_wrong_gradients_are_caught(wrong, rng):
    X, y, w = data(rng)
    with pytest.raises(AssertionError):
        calculus.check_grad(lambda w: ridge.ridge_loss(w, X, y, LAM), wrong(X, y, w), w, rng=rng)


@pytest.mark.parametrize(("n", "p"), [(9, 4), (4, 9)])
def test_the_fit_is_scikit_learn_s_and_stationary(n, p, rng):
    X, y, _ = data(rng, n, p)
    w = ridge.fit_ridge(X, y, lam=LAM)
    assert np.abs(ridge.grad_ridge_loss_w(w, X, y, LAM)).max() < 1e-13
    known = Ridge(alpha=LAM, fit_intercept=False).fit(X, y).coef_
    np.testing.assert_allclose(w, known, rtol=1e-10)


def test_the_path_shrinks_each_direction_by_its_factor(rng):
    X, y, _ = data(rng)
    lams = np.logspace(-3, 3, 5)
    path = ridge.ridge_path(X, y, lams)
    U = np.linalg.svd(X, full_matrices=False)[0]
    for lam, w, dof, keep in zip(lams, path.W, path.dof, path.shrinkage, strict=True):
        S = X @ np.linalg.solve(X.T @ X + lam * np.eye(4), X.T)
        assert dof == pytest.approx(np.trace(S), rel=1e-12)
        np.testing.assert_allclose(U.T @ (X @ w), keep * (U.T @ y), rtol=1e-10, atol=1e-14)
    assert (np.diff(np.linalg.norm(path.W, axis=1)) < 0).all()
    free = ridge.fit_ridge(X, y, lam=0)
    np.testing.assert_allclose(free, np.linalg.lstsq(X, y)[0], rtol=1e-10)


def test_ridge_regression_is_the_energy_with_data_for_a_load(rng):
    X, y, w = data(rng)
    J = ridge.energy(w, X.T @ X, np.eye(4), X.T @ y, LAM)
    assert J + y @ y / 2 == pytest.approx(ridge.ridge_loss(w, X, y, LAM), rel=1e-13)


# Spectra


def test_modes_come_from_above_at_the_order_squared():
    off = []
    for n in (20, 40):
        mesh = ridge.mesh_interval(n, length=2.0)
        modes = ridge.spectrum(ridge.stiffness(mesh), ridge.mass(mesh))
        M, known = ridge.mass(mesh).toarray(), (np.arange(n + 1) * np.pi / 2) ** 2
        np.testing.assert_allclose(modes.V.T @ M @ modes.V, np.eye(n + 1), atol=1e-12)
        assert (modes.mu[1:] > known[1:]).all()
        off.append(modes.mu[3] / known[3] - 1)
    assert ridge.orders(off, [2, 1])[0] == pytest.approx(2, abs=0.05)


def test_shrinkage_and_freedom_are_those_of_the_smoother(rng):
    mesh, lam = crooked(rng), 0.05
    K, M = ridge.stiffness(mesh).toarray(), ridge.mass(mesh).toarray()
    modes = ridge.spectrum(K, M)
    S = np.linalg.solve(M + lam * K, M)
    assert ridge.effective_dof(modes.mu, lam) == pytest.approx(np.trace(S), rel=1e-11)
    np.testing.assert_allclose(
        S, modes.V @ np.diag(ridge.shrinkage(modes.mu, lam)) @ modes.V.T @ M, atol=1e-12
    )
    assert ridge.effective_dof(modes.mu, 0) == len(M)
    assert ridge.effective_dof(modes.mu, 1e6) == pytest.approx(1, abs=1e-4)


# A field through data


def problem(rng, mesh):
    X = mesh.nodes[mesh.cells[::2, : mesh.nodes.shape[1] + 1]].mean(1)
    return X, rng.normal(size=len(X))


@pytest.mark.parametrize("penalty", ["mass", "identity"])
def test_the_field_is_stationary_and_its_gradient_right(penalty, rng):
    for mesh in meshes(rng):
        X, y = problem(rng, mesh)
        N = ridge.interpolation(mesh, X).toarray()
        R = ridge.penalty_matrix(mesh, kappa=KAPPA, penalty=penalty).toarray()
        fit = ridge.fit_field(mesh, X, y, lam=LAM, kappa=KAPPA, penalty=penalty)
        assert np.abs(ridge.grad_field_loss_w(fit.w, N, y, R, LAM)).max() < 1e-11
        np.testing.assert_allclose(fit.fitted, N @ fit.w, rtol=1e-12)
        S = N @ np.linalg.solve(N.T @ N + LAM * R, N.T)
        assert fit.dof == pytest.approx(np.trace(S), rel=1e-9)
        np.testing.assert_allclose(fit.fitted, S @ y, atol=1e-11)


def test_the_field_s_gradient_is_right_and_wrong_ones_are_caught(rng):
    mesh = uneven(rng)
    X, y = problem(rng, mesh)
    N = ridge.interpolation(mesh, X).toarray()
    R = ridge.penalty_matrix(mesh, kappa=KAPPA).toarray()
    w = rng.normal(size=len(R))

    def f(w):
        return ridge.field_loss(w, N, y, R, LAM)

    G = ridge.grad_field_loss_w(w, N, y, R, LAM)
    assert calculus.check_grad(f, G, w, reference=jax.grad(f), rng=rng)
    r = N.T @ (N @ w - y)
    for wrong in (r + LAM * w, r - LAM * R @ w, r + 2 * LAM * R @ w, r + 1.001 * LAM * R @ w, 2 * G):
        with pytest.raises(AssertionError):
            calculus.check_grad(f, wrong, w, rng=rng)


def test_the_field_is_kernel_ridge_regression_with_green_s_function(rng):
    """On the mesh exactly, with G = N A⁻¹Nᵀ; in the limit with the exponential kernel of the line."""
    x = np.array([0.15, 0.4, 0.45, 0.8])
    y, G = rng.normal(size=4), ridge.green_line(x[:, None] - x, KAPPA)
    K = kernels.kernel_matrix(x[:, None], kernel="laplacian", sigma=1 / np.sqrt(KAPPA)) / 10
    alpha = kernels.solve(K, y, lam=LAM / 10).alpha
    off = []
    for n in (20, 40):
        mesh = ridge.mesh_interval(n)
        fit = ridge.fit_field(mesh, x, y, lam=LAM / 10, kappa=KAPPA, line=True)
        A = ridge.penalty_matrix(mesh, kappa=KAPPA, line=True).toarray()
        N = ridge.interpolation(mesh, x).toarray()
        Gh = N @ np.linalg.solve(A, N.T)
        np.testing.assert_allclose(fit.fitted, Gh @ np.linalg.solve(Gh + LAM / 10 * np.eye(4), y), rtol=1e-9)
        off.append(np.abs(fit.fitted - G @ alpha).max())
    assert ridge.orders(off, [2, 1])[0] == pytest.approx(2, abs=0.1)


def test_without_springs_the_field_is_the_linear_spline(rng):
    """kappa = 0: straight between the data and flat beyond; a heavy penalty leaves the mean."""
    mesh = ridge.mesh_interval(40)
    x, y = np.array([0.25, 0.5, 0.9]), rng.normal(size=3)
    w = ridge.fit_field(mesh, x, y, lam=1e-3, kappa=0).w
    bends = np.abs(np.diff(w, 2)) > 1e-10
    np.testing.assert_array_equal(np.flatnonzero(bends) + 1, [10, 20, 36])
    assert np.ptp(w[:11]) < 1e-10
    flat = ridge.fit_field(mesh, x, y, lam=1e4, kappa=0)
    np.testing.assert_allclose(flat.w, y.mean(), atol=1e-3)
    assert flat.dof == pytest.approx(1, abs=1e-3)


def test_with_the_mass_the_path_converges_and_with_the_identity_it_does_not(rng):
    """Finer and finer meshes at a fixed lam: M's fit and freedom settle at order 2; I's drift on."""
    x = np.arange(1, 20, 3) / 20
    y, lams = rng.normal(size=len(x)), np.array([1e-3, 1e-1])
    move, drift = {}, {}
    for penalty in ("mass", "identity"):
        paths = [
            ridge.field_path(ridge.mesh_interval(n), x, y, lams=lams, kappa=KAPPA, penalty=penalty)
            for n in (40, 80, 160, 320)
        ]
        move[penalty] = [np.abs(b.fitted - a.fitted).max() for a, b in pairwise(paths)]
        drift[penalty] = [np.abs(b.dof - a.dof).max() for a, b in pairwise(paths)]
    np.testing.assert_allclose(ridge.orders(move["mass"], [4, 2, 1]), 2, atol=0.1)
    np.testing.assert_allclose(ridge.orders(drift["mass"], [4, 2, 1]), 2, atol=0.1)
    assert min(ridge.orders(drift["identity"], [4, 2, 1])) < 0.7
    assert drift["identity"][-1] > 100 * drift["mass"][-1]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda X, y: ridge.fit_ridge(X, y, lam=-1), "lam must be finite and not negative"),
        (lambda X, y: ridge.fit_ridge(X, y[1:], lam=1), "y must have shape"),
        (lambda X, y: ridge.fit_ridge(y, y, lam=1), "rows are samples"),
        (lambda X, y: ridge.fit_ridge(X * np.nan, y, lam=1), "NaN"),
        (lambda X, y: ridge.fit_ridge(X[:2], y[:2], lam=0), "not unique"),
        (lambda X, y: ridge.fit_ridge(X @ np.ones((4, 4)), y, lam=0), "not unique"),
        (lambda X, y: ridge.ridge_path(X, y, []), "L ≥ 1"),
        (lambda X, y: ridge.spectrum(X, X), "square"),
        (lambda X, y: ridge.spectrum(np.eye(2), np.zeros((2, 2))), "positive definite"),
        (lambda X, y: ridge.shrinkage([-1.0], 1), "mu must not be negative"),
        (lambda X, y: ridge.shrinkage([1.0], -1), "lam"),
        (lambda X, y: ridge.fit_field(ridge.mesh_interval(3), [0.5], [1], lam=0, kappa=1), "lam must be pos"),
        (lambda X, y: ridge.fit_field(ridge.mesh_interval(3), [2.0], [1], lam=1, kappa=1), "outside"),
        (lambda X, y: ridge.fit_field(ridge.mesh_interval(3), [0.5], [1, 2], lam=1, kappa=1), "y must"),
        (lambda X, y: ridge.fit_field(ridge.mesh_interval(3), [0.5], [1], lam=1, kappa=-1), "kappa"),
        (
            lambda X, y: ridge.fit_field(ridge.mesh_interval(3), [0.5], [1], lam=1, kappa=1, penalty="l2"),
            "penalty",
        ),
    ],
)
def test_bad_input_is_named(call, says, rng):
    X, y, _ = data(rng)
    with pytest.raises(ValueError, match=says):
        call(X, y)
