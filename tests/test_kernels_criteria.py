"""Gradients of the leave-one-out error and of the evidence; tuning; what lam means."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernel_problems import WIDTHS, close, every_kernel, problem
from scipy.stats import multivariate_normal

from mcbook import kernels
from mcbook.calculus import check_grad

pytestmark = pytest.mark.usefixtures("one_blas_thread")

LAM = 0.1
JUDGES = {"loo": kernels.judge_loo, "evidence": kernels.judge_evidence}
judges = pytest.mark.parametrize("judge", ["loo", "evidence"])


def kernel_jax(X, sigma, kernel):
    """K by broadcasting, for JAX to differentiate; the diagonal is set, as sqrt has no slope at 0."""
    A = X / jnp.broadcast_to(sigma, X.shape)
    D = A[:, None, :] - A[None, :, :]
    s = jnp.abs(D).sum(-1) if kernel.metric == "cityblock" else (D**2).sum(-1)
    one = jnp.eye(len(X), dtype=bool)
    return jnp.where(one, 1.0, kernel.phi(jnp.where(one, 1.0, s)))


def loss_of_C(C, y, P, judge):
    """The criteria from their definitions, with inverses and determinants written out."""
    n, q = P.shape
    C_inv = jnp.linalg.inv(C)
    S = P.T @ C_inv @ P
    B = C_inv - C_inv @ P @ jnp.linalg.inv(S) @ P.T @ C_inv
    if judge == "loo":
        return jnp.mean((B @ y / jnp.diag(B)) ** 2)
    s2 = y @ B @ y / (n - q)
    log_determinants = jnp.linalg.slogdet(C)[1] + (jnp.linalg.slogdet(S)[1] if q else 0.0)
    return 0.5 * ((n - q) * (jnp.log(2 * jnp.pi * s2) + 1) + log_determinants)


def loss_of_theta(theta, X, y, P, kernel, judge):
    """theta = (log sigma…, log lam)."""
    sigma = jnp.exp(theta[0] if len(theta) == 2 else theta[:-1])
    K = kernel_jax(X, sigma, kernel)
    return loss_of_C(K + jnp.exp(theta[-1]) * jnp.eye(len(X)), y, P, judge)


grad_of_theta = jax.jit(jax.grad(loss_of_theta), static_argnums=(4, 5))
grad_of_C = jax.jit(jax.grad(loss_of_C), static_argnums=3)


def claimed(X, y, P, kernel, sigma, judge, lam=LAM):
    found = JUDGES[judge](X, y, kernel=kernel, sigma=sigma, lam=lam, P=P)
    return found.value, np.append(found.grad_log_sigma, found.grad_log_lam)


@judges
@pytest.mark.parametrize(
    "kernel", [kernels.GAUSSIAN, kernels.LAPLACIAN, kernels.MATERN52], ids=lambda k: k.name
)
@pytest.mark.parametrize("sigma", [1.3, WIDTHS], ids=["one width", "a width per feature"])
def test_judges_and_their_gradients(judge, kernel, sigma, rng):
    X, y, P = problem(rng)
    value, G = claimed(X, y, P, kernel, sigma, judge)
    theta = np.log(np.append(sigma, LAM))
    assert value == pytest.approx(float(loss_of_theta(theta, X, y, P, kernel, judge)), rel=1e-12)
    close(G, grad_of_theta(jnp.asarray(theta), X, y, P, kernel, judge), 1e-9)


@judges
@pytest.mark.parametrize("q", [0, 2])
def test_gradients_by_central_differences(judge, q, rng):
    X, y, P = problem(rng, q=q)

    def f(theta):
        return claimed(X, y, P, kernels.MATERN52, np.exp(theta[:-1]), judge, np.exp(theta[-1]))[0]

    theta = np.log(np.append(WIDTHS, LAM))
    check_grad(f, claimed(X, y, P, kernels.MATERN52, WIDTHS, judge)[1], theta, rng=rng, rtol=1e-7)


def gradient_in_C(alpha, B, y, judge, q=2):
    if judge == "loo":
        return kernels.grad_loo_loss_C(B, alpha)
    return kernels.grad_evidence_loss_C(B, alpha, kernels.signal_variance(alpha, y, q))


@judges
def test_gradient_in_C(judge, rng):
    """Against JAX's, which is not symmetric in form but must be in value: C enters as a free matrix."""
    X, y, P = problem(rng)
    K = kernels.kernel_matrix(X, sigma=1.0)
    alpha, B, _ = kernels.weights_and_inverse(K, y, lam=LAM, P=P)
    G = gradient_in_C(alpha, B, y, judge)
    reference = np.asarray(grad_of_C(jnp.asarray(K + LAM * np.eye(len(K))), y, P, judge))
    close(G, (reference + reference.T) / 2, 1e-11)
    assert (np.abs(G - G.T) <= 1e-13 * np.abs(G).max()).all()
    kept = B.copy()
    assert (gradient_in_C(alpha, B, y, judge) == G).all()
    assert (kept == B).all()


def test_gradient_in_C_can_take_the_place_of_B(rng):
    X, y, P = problem(rng)
    alpha, B, _ = kernels.weights_and_inverse(kernels.kernel_matrix(X, sigma=1.0), y, lam=LAM, P=P)
    for G, spent in (
        (kernels.grad_loo_loss_C(B, alpha), lambda B: kernels.grad_loo_loss_C(B, alpha, overwrite=True)),
        (
            kernels.grad_evidence_loss_C(B, alpha, 2.0),
            lambda B: kernels.grad_evidence_loss_C(B, alpha, 2.0, overwrite=True),
        ),
    ):
        buffer = B.copy()
        in_place = spent(buffer)
        assert np.shares_memory(in_place, buffer)
        close(in_place, G, 1e-14)


WRONG_LOO = {
    "sign": lambda B, alpha, u, r: -(B * (u * r)) @ B + np.outer(B @ u, alpha),
    "the quotient's second term lost": lambda B, alpha, u, r: -np.outer(B @ u, alpha),
    "b held constant": lambda B, alpha, u, r: (B * (u * r)) @ B,
    "B u forgotten": lambda B, alpha, u, r: (B * (u * r)) @ B - np.outer(u, alpha),
    "factor 2": lambda B, alpha, u, r: 2 * ((B * (u * r)) @ B - np.outer(B @ u, alpha)),
    "0.1 %": lambda B, alpha, u, r: 1.001 * ((B * (u * r)) @ B - np.outer(B @ u, alpha)),
}
WRONG_EVIDENCE = {
    "sign": lambda B, alpha, s2: (np.outer(alpha, alpha) / s2 - B) / 2,
    "trace term lost": lambda B, alpha, s2: -np.outer(alpha, alpha) / (2 * s2),
    "half forgotten": lambda B, alpha, s2: B - np.outer(alpha, alpha) / s2,
    "one inverse for two": lambda B, alpha, s2: (B - np.outer(alpha, alpha) / s2 @ np.linalg.pinv(B)) / 2,
    "s² = 1": lambda B, alpha, s2: (B - np.outer(alpha, alpha)) / 2,
    "0.1 %": lambda B, alpha, s2: 1.001 * (B - np.outer(alpha, alpha) / s2) / 2,
}


@pytest.mark.parametrize("wrong", WRONG_LOO.values(), ids=WRONG_LOO)
def test_wrong_loo_gradients_are_caught(wrong, rng):
    X, y, P = problem(rng)
    K = kernels.kernel_matrix(X, sigma=1.0)
    alpha, B, _ = kernels.weights_and_inverse(K, y, lam=LAM, P=P)
    b = np.diagonal(B)
    u = 2 * alpha / b / (len(y) * b)
    judge_wrong(wrong(B, alpha, u, alpha / b), K, y, P, "loo", rng)


@pytest.mark.parametrize("wrong", WRONG_EVIDENCE.values(), ids=WRONG_EVIDENCE)
def test_wrong_evidence_gradients_are_caught(wrong, rng):
    X, y, P = problem(rng)
    K = kernels.kernel_matrix(X, sigma=1.0)
    alpha, B, _ = kernels.weights_and_inverse(K, y, lam=LAM, P=P)
    judge_wrong(wrong(B, alpha, kernels.signal_variance(alpha, y, 2)), K, y, P, "evidence", rng)


def judge_wrong(G, K, y, P, judge, rng):
    """A wrong gradient in C must fail, even loosely, the test that the right one passes."""
    C = jnp.asarray(K + LAM * np.eye(len(K)))
    reference = np.asarray(grad_of_C(C, y, P, judge))
    with pytest.raises(AssertionError):
        close((G + G.T) / 2, (reference + reference.T) / 2, 1e-6)


@every_kernel
@pytest.mark.parametrize("sigma", [1.3, WIDTHS], ids=["one", "several"])
def test_vjp_of_the_kernel_matrix(kernel, sigma, rng):
    X, _, _ = problem(rng)
    K_bar = rng.normal(size=(len(X), len(X)))
    K_bar = K_bar + K_bar.T

    def f(log_sigma):
        return (K_bar * kernels.kernel_matrix(X, kernel=kernel, sigma=np.exp(log_sigma))).sum()

    G = kernels.vjp_kernel_matrix_log_sigma(X + 1e3, K_bar, kernel=kernel, sigma=sigma)
    assert G.shape == np.shape(sigma)

    def f_jax(log_sigma):
        return (K_bar * kernel_jax(jnp.asarray(X), jnp.exp(log_sigma), kernel)).sum()

    close(G, jax.grad(f_jax)(jnp.log(sigma)), 1e-10)
    check_grad(f, G, np.log(sigma), rng=rng, rtol=1e-7)


def test_evidence_is_the_gaussian_density(rng):
    """Without P it is -log of a multivariate normal density at the best variance, which is best."""
    X, y, _ = problem(rng, q=0)
    K = kernels.kernel_matrix(X, sigma=1.0)
    C = K + LAM * np.eye(len(K))
    s2 = kernels.signal_variance(kernels.solve(K, y, lam=LAM).alpha, y)
    ours = kernels.evidence_loss(K, y, lam=LAM)
    assert ours == pytest.approx(-multivariate_normal(cov=s2 * C).logpdf(y), rel=1e-12)
    for factor in (0.9, 1.1):
        assert -multivariate_normal(cov=factor * s2 * C).logpdf(y) > ours


def test_restricted_evidence_is_that_of_contrasts(rng):
    """With P it is the density of Nᵀy, Nᵀ P = 0, up to ½ log|PᵀP|: what P explains has no say."""
    X, y, P = problem(rng)
    K = kernels.kernel_matrix(X, sigma=1.0)
    N = np.linalg.qr(P, mode="complete")[0][:, P.shape[1] :]
    s2 = kernels.signal_variance(kernels.solve(K, y, lam=LAM, P=P).alpha, y, P.shape[1])
    contrasts = -multivariate_normal(cov=s2 * N.T @ (K + LAM * np.eye(len(K))) @ N).logpdf(N.T @ y)
    ours = kernels.evidence_loss(K, y, lam=LAM, P=P)
    assert ours == pytest.approx(contrasts + 0.5 * np.linalg.slogdet(P.T @ P)[1], rel=1e-11)
    assert kernels.evidence_loss(K, y + P @ [5.0, -3.0], lam=LAM, P=P) == pytest.approx(ours, rel=1e-9)


@judges
def test_criteria_of_a_matrix_and_of_points_agree(judge, rng):
    X, y, P = problem(rng)
    K = kernels.kernel_matrix(X, sigma=WIDTHS)
    plain = {"loo": kernels.loo_loss, "evidence": kernels.evidence_loss}[judge](K, y, lam=LAM, P=P)
    assert plain == pytest.approx(claimed(X, y, P, kernels.GAUSSIAN, WIDTHS, judge)[0], rel=1e-13)
    if judge == "loo":
        assert plain == pytest.approx(kernels.leave_one_out(K, y, lam=LAM, P=P).rmse ** 2, rel=1e-13)


# tuning


def rough(rng, n=150):
    """Two features that matter at different scales, one that does not; noise 0.1."""
    X = rng.uniform(-1, 1, size=(n, 3))
    return X, np.sin(5 * X[:, 0]) + 0.5 * X[:, 1] + 0.1 * rng.normal(size=n), np.ones((n, 1))


@judges
def test_tuning_finds_a_stationary_point_no_grid_beats(judge, rng):
    X, y, P = rough(rng)
    found = kernels.tune(X, y, P=P, judge=judge, lam_bounds=(1e-6, 10.0))
    assert found.converged
    assert found.value == min(step.value for step in found.steps)
    value = claimed(X, y, P, kernels.GAUSSIAN, found.sigma, judge, found.lam)[0]
    assert value == pytest.approx(found.value, rel=1e-12)
    for sigma in np.geomspace(found.sigma / 4, found.sigma * 4, 7):
        for lam in np.geomspace(1e-5, 1, 6):
            assert claimed(X, y, P, kernels.GAUSSIAN, sigma, judge, lam)[0] >= value - 1e-5 * abs(value)


def test_a_width_per_feature_finds_out_which_matter(rng):
    X, y, P = rough(rng)
    one = kernels.tune(X, y, P=P, lam_bounds=(1e-6, 10.0))
    each = kernels.tune(X, y, P=P, groups=range(3), lam_bounds=(1e-6, 10.0))
    assert each.value < one.value
    assert each.sigma[0] < each.sigma[1]
    assert each.sigma[0] < each.sigma[2] / 5
    pair = kernels.tune(X, y, P=P, groups=["a", "b", "b"], lam_bounds=(1e-6, 10.0))
    assert pair.sigma[1] == pair.sigma[2]
    assert each.value <= pair.value * 1.001


def test_not_converging_is_data(rng):
    X, y, P = rough(rng, n=40)
    found = kernels.tune(X, y, P=P, max_iter=1)
    assert not found.converged
    assert found.gradient > 1e-3
    assert found.message


def test_tuning_does_not_depend_on_units(rng):
    X, y, P = rough(rng, n=60)
    plain = kernels.tune(X, y, P=P, lam_bounds=(1e-6, 10.0), sigma=1.0)
    scaled = kernels.tune(100 * X, 627.5 * y, P=P, lam_bounds=(1e-6, 10.0), sigma=100.0)
    assert scaled.sigma == pytest.approx(100 * plain.sigma, rel=1e-3)
    assert scaled.lam == pytest.approx(plain.lam, rel=1e-2)
    assert np.sqrt(scaled.value) == pytest.approx(627.5 * np.sqrt(plain.value), rel=1e-6)


# what lam means


@pytest.mark.parametrize("q", [0, 2])
def test_the_spectrum_is_that_of_the_projected_matrix(q, rng):
    X, _, P = problem(rng, q=q)
    K = kernels.kernel_matrix(X, sigma=0.7)
    mu, W = kernels.spectrum(K, P=P)
    assert W.shape == (len(K), len(K) - q)
    close(W.T @ W, np.eye(len(mu)), 1e-12)
    close(W.T @ K @ W, np.diag(mu), 1e-12)
    if q:
        assert np.abs(P.T @ W).max() <= 1e-12
        _, B, _ = kernels.weights_and_inverse(K, X[:, 0], lam=LAM, P=P)
        close((W / (mu + LAM)) @ W.T, B, 1e-11)


@pytest.mark.parametrize("q", [0, 2])
def test_the_smoother_takes_y_to_the_fit(q, rng):
    X, y, P = problem(rng, q=q)
    K = kernels.kernel_matrix(X, sigma=0.7)
    S = kernels.smoother_matrix(K, lam=LAM, P=P)
    alpha, beta = kernels.solve(K, y, lam=LAM, P=P)
    close(S @ y, K @ alpha + (P @ beta if q else 0), 1e-11)
    assert kernels.effective_dof(K, lam=LAM, P=P) == pytest.approx(np.trace(S), rel=1e-11)
    if q:
        close(S @ P, P, 1e-11)
    else:
        close(S, K @ np.linalg.inv(K + LAM * np.eye(len(K))), 1e-11)


def test_degrees_of_freedom_run_from_q_to_n(rng):
    X, _, P = problem(rng)
    K = kernels.kernel_matrix(X, sigma=0.7)
    dof = [kernels.effective_dof(K, lam=lam, P=P) for lam in (1e-13, 1e-3, 1e-1, 1e1, 1e12)]
    assert all(a > b for a, b in pairwise(dof))
    assert dof[0] == pytest.approx(len(K), abs=1e-3)
    assert dof[-1] == pytest.approx(2, abs=1e-3)


def test_lam_is_a_noise_variance(rng):
    """Data drawn with noise²/signal² = lam: in the mean over draws the evidence is lowest there."""
    X = rng.uniform(-1, 1, size=(60, 1))
    K = kernels.kernel_matrix(X, sigma=0.3)
    truth = kernels.lam_from_noise(0.4, 2.0)
    assert truth == pytest.approx(0.04)
    L = np.linalg.cholesky(K + 1e-10 * np.eye(60))
    draws = [2.0 * L @ rng.normal(size=60) + 0.4 * rng.normal(size=60) for _ in range(60)]
    mean = {m: np.mean([kernels.evidence_loss(K, y, lam=m * truth) for y in draws]) for m in (0.25, 1, 4)}
    assert mean[1] < mean[0.25]
    assert mean[1] < mean[4]


@pytest.mark.parametrize("q", [0, 2])
def test_the_path_over_lam_is_leave_one_out_for_each(q, rng):
    X, y, P = problem(rng, q=q)
    y = y + rng.normal(size=len(y))  # noise enough that the best lam lies inside
    K = kernels.kernel_matrix(X, sigma=0.7)
    path = kernels.lam_path(K, y, P=P, lams=np.geomspace(1e-6, 1e4, 15))
    for lam, rmse in zip(path.lams, path.rmse, strict=True):
        assert rmse == pytest.approx(kernels.leave_one_out(K, y, lam=lam, P=P).rmse, rel=1e-9)
    assert path.best_rmse == pytest.approx(kernels.leave_one_out(K, y, lam=path.lam, P=P).rmse, rel=1e-9)
    assert path.best_rmse <= path.rmse.min()
    assert path.at_edge == (np.argmin(path.rmse) in (0, 14))
    both = kernels.lam_path(K, np.column_stack([y, y]), P=P, lams=path.lams)
    close(both.rmse, path.rmse, 1e-12)


# bad input

REFUSED = {
    "judge": (lambda X, y: kernels.tune(X, y, judge="grid"), "judge must be one of"),
    "groups": (lambda X, y: kernels.tune(X, y, groups=[0, 1]), "groups must be"),
    "bounds": (lambda X, y: kernels.tune(X, y, lam_bounds=(0, 1)), "lam_bounds must be"),
    "widths without groups": (lambda X, y: kernels.tune(X, y, sigma=[1.0, 1.0, 1.0]), "pass groups"),
    "one sample": (lambda X, y: kernels.tune(X[:1], y[:1]), "at least 2"),
    "all rows equal": (lambda X, y: kernels.tune(0 * X, y), "rows that differ"),
    "two targets": (lambda X, y: kernels.judge_loo(X, X, sigma=1, lam=1), "y must be"),
    "K_bar": (lambda X, y: kernels.vjp_kernel_matrix_log_sigma(X, np.eye(3), sigma=1), "K's shape"),
    "y in P": (lambda X, y: kernels.judge_evidence(X, 0 * y, sigma=1, lam=1), "span of P"),
    "lams": (lambda X, y: kernels.lam_path(X @ X.T, y, lams=[1.0, 0.1]), "ascending"),
    "indefinite": (lambda X, y: kernels.spectrum(-X @ X.T), "no kernel matrix"),
    "no shrinkage": (lambda X, y: kernels.shrinkage([0.0, 1.0], 0.0), "give lam > 0"),
    "noise": (lambda X, y: kernels.lam_from_noise(-1, 1), "noise ≥ 0"),
    "lost column": (lambda X, y: kernels.loo_loss(X @ X.T, y, lam=1, P=np.eye(30)[:, :1]), "loses rank"),
}


@pytest.mark.parametrize(("call", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_by_name(call, words, rng):
    X, y, _ = problem(rng)
    with pytest.raises(ValueError, match=words):
        call(X, y)
