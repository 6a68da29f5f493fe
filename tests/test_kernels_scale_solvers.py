"""Conjugate gradients without a stored matrix, and the gradient of the validation error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import kernels
from mcbook.calculus import check_grad


def problem(rng, n=150, d=3, k=2):
    return rng.uniform(-1, 1, (n, d)), rng.normal(size=(n, k))


def spd(rng, n=60, condition=1e4):
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    return (Q * np.logspace(0, np.log10(condition), n)) @ Q.T


# Products -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", sorted(kernels.KERNELS))
def test_product_in_tiles_is_the_product(kernel, rng):
    X, V = problem(rng)
    sigma = [0.5, 1.0, 2.0]
    K = kernels.kernel_matrix(X, kernel=kernel, sigma=sigma)
    for tile, threads in ((32, 1), (64, 3), (1000, None)):
        KV = kernels.kernel_product(X, V, kernel=kernel, sigma=sigma, tile=tile, threads=threads)
        np.testing.assert_allclose(KV, K @ V, atol=1e-12)
    np.testing.assert_allclose(
        kernels.kernel_product(X, V[:, 0], kernel=kernel, sigma=sigma), K @ V[:, 0], atol=1e-12
    )


# Conjugate gradients ------------------------------------------------------------------------------


def test_conjugate_gradients_end_after_as_many_steps_as_there_are_eigenvalues(rng):
    Q = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    C = (Q * np.repeat([1.0, 3.0, 10.0, 50.0], 10)) @ Q.T
    run = kernels.conjugate_gradients(lambda V: C @ V, rng.normal(size=(40, 3)), tol=1e-10)
    assert run.converged
    assert run.iterations == 4


def test_error_in_the_energy_norm_falls_and_obeys_the_bound(rng):
    C, b = spd(rng), rng.normal(size=60)
    x = np.linalg.solve(C, b)
    energies = []
    for steps in range(0, 50, 5):
        e = kernels.conjugate_gradients(lambda V: C @ V, b, max_iter=steps, tol=1e-14).solution[:, 0] - x
        energies.append(np.sqrt(e @ C @ e))
    assert (np.diff(energies) < 0).all()
    rate = (np.sqrt(1e4) - 1) / (np.sqrt(1e4) + 1)
    assert all(energy <= 2 * rate ** (5 * j) * energies[0] for j, energy in enumerate(energies))


def test_residuals_are_orthogonal_to_the_search_space(rng):
    """After t steps the residual is orthogonal to b, Cb, …, C^(t-1)b: what makes the directions conjugate."""
    C, b = spd(rng, 20, 50.0), rng.normal(size=20)
    run = kernels.conjugate_gradients(lambda V: C @ V, b, max_iter=5, tol=1e-14)
    r = b - C @ run.solution[:, 0]
    krylov = np.stack([np.linalg.matrix_power(C, j) @ b for j in range(5)])
    krylov /= np.linalg.norm(krylov, axis=1, keepdims=True)
    assert np.abs(krylov @ r).max() < 1e-10 * np.linalg.norm(b)
    assert run.true_residual[0] == pytest.approx(np.linalg.norm(r) / np.linalg.norm(b), rel=1e-8)
    assert run.residuals[-1, 0] == pytest.approx(run.true_residual[0], rel=1e-8)


def test_columns_do_not_see_each_other(rng):
    C, B = spd(rng), rng.normal(size=(60, 3))
    B[:, 2] = 0
    run = kernels.conjugate_gradients(lambda V: C @ V, B, tol=1e-10)
    assert run.converged
    for j in range(2):
        alone = kernels.conjugate_gradients(lambda V: C @ V, B[:, j], tol=1e-10)
        np.testing.assert_allclose(run.solution[:, j], alone.solution[:, 0], atol=1e-9)
    assert not run.solution[:, 2].any()


def test_an_exact_preconditioner_needs_one_step(rng):
    C = spd(rng)
    run = kernels.conjugate_gradients(
        lambda V: C @ V, rng.normal(size=60), precondition=lambda R: np.linalg.solve(C, R), tol=1e-9
    )
    assert run.iterations == 1


def test_not_converging_and_not_definite_are_data(rng):
    C, b = spd(rng), rng.normal(size=60)
    early = kernels.conjugate_gradients(lambda V: C @ V, b, max_iter=3)
    assert not early.converged
    assert early.iterations == 3
    assert len(early.residuals) == 4
    assert "NOT converged: residual" in early.message
    wrong = kernels.conjugate_gradients(lambda V: -(C @ V), b)
    assert not wrong.converged
    assert "not positive definite" in wrong.message
    assert np.isfinite(wrong.solution).all()


# Preconditioner and fit ---------------------------------------------------------------------------


def test_woodbury(rng):
    F, V = rng.normal(size=(50, 7)), rng.normal(size=(50, 2))
    apply = kernels.low_rank_preconditioner(F, lam=0.3)
    np.testing.assert_allclose(apply(V), np.linalg.solve(F @ F.T + 0.3 * np.eye(50), V), atol=1e-12)


def test_the_preconditioned_spectrum_obeys_its_bound(rng):
    X, _ = problem(rng)
    K, lam = kernels.kernel_matrix(X, sigma=0.8), 1e-3
    F = kernels.pivoted_cholesky(X, 40, sigma=0.8).F
    apply = kernels.low_rank_preconditioner(F, lam=lam)
    spectrum = np.sort(np.linalg.eigvals(apply(K + lam * np.eye(150))).real)
    assert spectrum[0] > 1 - 1e-8
    assert spectrum[-1] <= 1 + np.linalg.norm(K - F @ F.T, 2) / lam * (1 + 1e-6)
    assert spectrum[-1] < 0.01 * (1 + np.linalg.norm(K, 2) / lam)


@pytest.mark.parametrize("kernel", ["gaussian", "laplacian", "matern32"])
def test_fit_without_a_matrix_is_the_exact_fit(kernel, rng):
    X, Y = problem(rng)
    P = np.column_stack([np.ones(150), X[:, 0]])
    settings = {"kernel": kernel, "sigma": 0.6, "lam": 0.02, "P": P}
    exact = kernels.fit(X, Y, **settings)
    plain, helped = (kernels.fit_iterative(X, Y, **settings, rank=r, tol=1e-12) for r in (0, 60))
    for fit in (plain, helped):
        assert fit.run.converged, fit.run.message
        np.testing.assert_allclose(fit.model.alpha, exact.alpha, atol=1e-8)
        np.testing.assert_allclose(fit.model.beta, exact.beta, atol=1e-8)
        np.testing.assert_allclose(P.T @ fit.model.alpha, 0, atol=1e-8)
    assert helped.run.iterations < plain.run.iterations
    one = kernels.fit_iterative(X, Y[:, 0], **settings, rank=60, tol=1e-12).model
    assert one.alpha.shape == (150,)
    np.testing.assert_allclose(
        kernels.predict(one, X[:9], P=P[:9]), kernels.predict(exact, X[:9], P=P[:9])[:, 0], atol=1e-8
    )


# The gradient of the validation error -------------------------------------------------------------


def validation_problem(rng, d=3):
    X = rng.uniform(-1, 1, (60, d))
    y = np.sin(3 * X[:, 0]) + X[:, 1] ** 2 + 0.1 * rng.normal(size=60)
    return kernels.split_rows(X, y, rng.uniform(-1, 1, (12, d)), rng=rng)


def reference_loss(part, theta):
    """V of (log sigma, log lam) from dense, differentiable pieces: no whitening, no adjoint."""
    sigma, lam = jnp.exp(theta[:-1])[None, :], jnp.exp(theta[-1])

    def k(A, B):
        gap = (A / sigma)[:, None, :] - (B / sigma)[None, :, :]
        return jnp.exp(-(gap**2).sum(2) / 2)

    X, y, X_v, y_v, Z = map(jnp.asarray, part)
    K = k(X, Z)
    a = jnp.linalg.solve(K.T @ K + lam * k(Z, Z), K.T @ y)
    return ((k(X_v, Z) @ a - y_v) ** 2).mean() / 2


def claimed(part, theta):
    V = kernels.validation_gradient(part, sigma=np.exp(theta[:-1]), lam=float(np.exp(theta[-1])))
    return V.loss, np.append(V.grad_log_sigma, V.grad_log_lam)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_validation_gradient(seed, rng):
    part = validation_problem(rng)
    theta = np.log([0.6, 0.9, 0.7, 0.1]) + 0.2 * rng.normal(size=4)
    value, G = claimed(part, theta)
    assert value == pytest.approx(float(reference_loss(part, theta)), rel=1e-10)
    reference = jax.grad(lambda t: reference_loss(part, t))
    check_grad(lambda t: claimed(part, t)[0], G, theta, reference=reference, reference_rtol=1e-9, rng=rng)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda G: -G,
        lambda G: 2 * G,
        lambda G: 1.001 * G,
        lambda G: G[[1, 0, 2, 3]],
        lambda G: G * [1, 1, 1, 0],
    ],
    ids=["sign", "factor", "0.1 %", "swapped widths", "lam forgotten"],
)
def test_wrong_validation_gradients_are_caught(wrong, rng):
    part, theta = validation_problem(rng), np.log([0.6, 0.9, 0.7, 0.1])
    G = wrong(claimed(part, theta)[1])
    with pytest.raises(AssertionError):
        check_grad(lambda t: claimed(part, t)[0], G, theta, rng=rng)


def test_a_lost_term_is_caught(rng):
    """The term of K_mm alone, which is easily forgotten, is 1 % of the gradient here, and is seen."""
    part, theta = validation_problem(rng), np.log([0.6, 0.9, 0.7, 1.0])
    f = lambda t: reference_loss(part, t)  # noqa: E731

    def frozen(t):  # K_mm as it was at theta
        sigma, lam = jnp.exp(t[:-1])[None, :], jnp.exp(t[-1])
        k = lambda A, B, s: jnp.exp(-(((A / s)[:, None, :] - (B / s)[None, :, :]) ** 2).sum(2) / 2)  # noqa: E731
        X, y, X_v, y_v, Z = map(jnp.asarray, part)
        K = k(X, Z, sigma)
        H = K.T @ K + lam * k(Z, Z, jnp.exp(jnp.asarray(theta)[:-1])[None, :])
        return ((k(X_v, Z, sigma) @ jnp.linalg.solve(H, K.T @ y) - y_v) ** 2).mean() / 2

    with pytest.raises(AssertionError):
        check_grad(f, jax.grad(frozen)(jnp.asarray(theta)), theta, rng=rng)


def test_descent_finds_the_features_that_matter(rng):
    X = rng.uniform(-1, 1, (600, 4))
    y = np.sin(4 * X[:, 0]) + np.cos(5 * X[:, 1]) + 0.1 * rng.normal(size=600)
    part = kernels.split_rows(X, y, X[:60], rng=rng)
    start = kernels.validation_gradient(part, sigma=1.5, lam=0.1)
    run = kernels.tune_widths(part, sigma=1.5, lam=0.1)
    assert run.converged, run.message
    assert run.losses[0] == pytest.approx(start.loss)
    assert run.losses.min() < 0.5 * start.loss
    assert run.sigma[2:].min() > 4 * run.sigma[:2].max()
    end = kernels.validation_gradient(part, sigma=run.sigma, lam=run.lam)
    assert end.loss == pytest.approx(run.losses.min(), rel=1e-3)
    one = kernels.tune_widths(part, sigma=1.5, lam=0.1, together=True)
    assert np.ptp(one.sigma) == 0
    assert run.losses.min() < one.losses.min() < start.loss
    early = kernels.tune_widths(part, sigma=1.5, lam=0.1, max_iter=1)
    assert not early.converged


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda X, Y: kernels.kernel_product(X, Y[:5], sigma=1.0), "every sample"),
        (lambda X, Y: kernels.kernel_product(X, Y, sigma=1.0, tile=0), "tile ≥ 1"),
        (lambda X, Y: kernels.kernel_product(X * np.nan, Y, sigma=1.0), "NaN"),
        (lambda X, Y: kernels.kernel_product(X, Y, sigma=[1.0, 0.0, 1.0]), "positive"),
        (lambda X, Y: kernels.conjugate_gradients(lambda V: V, Y, tol=0.0), "tol > 0"),
        (lambda X, Y: kernels.conjugate_gradients(lambda V: V, Y * np.inf), "NaN or infinite"),
        (lambda X, Y: kernels.low_rank_preconditioner(X, lam=0.0), "no inverse"),
        (lambda X, Y: kernels.fit_iterative(X, Y, sigma=1.0, lam=0.0), "lam > 0"),
        (lambda X, Y: kernels.fit_iterative(X, Y, sigma=1.0, lam=1.0, rank=-1), "rank ≥ 0"),
        (lambda X, Y: kernels.fit_iterative(X, Y, sigma=1.0, lam=1.0, P=np.zeros((150, 1))), "zero"),
        (
            lambda X, Y: kernels.split_rows(X, Y[:, 0], X, validate=1.0, rng=np.random.default_rng()),
            "validate < 1",
        ),
        (
            lambda X, Y: kernels.split_rows(X, Y[:, 0], X[:, :2], rng=np.random.default_rng()),
            "3 features",
        ),
        (
            lambda X, Y: kernels.tune_widths(
                kernels.split_rows(X, Y[:, 0], X[:9], rng=np.random.default_rng()), sigma=1.0, lam=0.0
            ),
            "lam > 0",
        ),
    ],
)
def test_bad_input_is_refused(call, says, rng):
    with pytest.raises(ValueError, match=says):
        call(*problem(rng))
