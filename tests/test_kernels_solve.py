"""Kernel functions, the exact solve and its closed forms: oracles, refits, laws, bad input."""

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernel_problems import ALL, WIDTHS, close, every_kernel, problem
from scipy.spatial.distance import cdist
from sklearn.gaussian_process.kernels import Matern
from sklearn.kernel_ridge import KernelRidge

from mcbook import kernels
from mcbook.kernels import _distances

pytestmark = pytest.mark.usefixtures("one_blas_thread")


def saddle(K, y, P, lam):
    """alpha and beta from the full saddle system, by LU: the oracle of every solve."""
    n, q = P.shape
    A = np.block([[K + lam * np.eye(n), P], [P.T, np.zeros((q, q))]])
    both = np.linalg.solve(A, np.concatenate([y, np.zeros((q, *y.shape[1:]))]))
    return both[:n], both[n:]


# kernel functions


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("gaussian", lambda X, s: np.exp(-cdist(X, X, "sqeuclidean") / (2 * s * s))),
        ("laplacian", lambda X, s: np.exp(-cdist(X, X, "cityblock") / s)),
        ("matern12", lambda X, s: Matern(length_scale=s, nu=0.5)(X)),
        ("matern32", lambda X, s: Matern(length_scale=s, nu=1.5)(X)),
        ("matern52", lambda X, s: Matern(length_scale=s, nu=2.5)(X)),
    ],
)
def test_kernel_matrices_follow_the_stated_conventions(name, theirs, rng):
    X = 100 + rng.normal(size=(40, 3))  # far from the origin: where ‖x‖² + ‖z‖² - 2 x·z would cancel
    K = kernels.kernel_matrix(X, kernel=name, sigma=1.7)
    close(K, theirs(X, 1.7), 1e-12)
    assert (K == K.T).all()
    assert (np.diagonal(K) == 1).all()
    close(kernels.kernel_matrix(X[:7], X, kernel=name, sigma=1.7), K[:7], 1e-12)


@every_kernel
def test_phi_and_its_slopes(kernel, rng):
    s = jnp.asarray(rng.uniform(0.05, 5, size=30))
    close(kernel.dphi(s), jax.vmap(jax.grad(kernel.phi))(s), 1e-12)
    close(kernel.d2phi(s), jax.vmap(jax.grad(kernel.dphi))(s), 1e-12)
    close(kernel.dphi(np.asarray(s)), kernel.dphi(s), 1e-14)


@every_kernel
def test_a_width_per_feature_is_a_rescaling(kernel, rng):
    X, _, _ = problem(rng)
    wide = kernels.kernel_matrix(X, kernel=kernel, sigma=WIDTHS)
    close(wide, kernels.kernel_matrix(X / WIDTHS, kernel=kernel, sigma=1.0), 1e-14)


@every_kernel
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_points_that_nearly_meet_keep_their_distance(kernel, shift, rng):
    """One matrix product would lose ‖x - z‖ = 1e-5 altogether, and Matérn-1/2 shows it at full strength."""
    X = shift + rng.normal(size=(20, 3))
    X[10:] = X[:10] + 1e-5 * rng.normal(size=(10, 3))
    D = X[:, None, :] - X[None, :, :]  # differences of what is stored: exact
    s = np.abs(D).sum(-1) if kernel.metric == "cityblock" else (D**2).sum(-1)
    K = kernels.kernel_matrix(X, kernel=kernel, sigma=1.0)
    assert np.abs(K - kernel.phi(s)).max() <= 1e-12


def test_blocks_threads_and_compiled_tiles_change_nothing(rng, monkeypatch):
    X, Z = rng.normal(size=(150, 3)), rng.normal(size=(90, 3))
    plain = {k.name: kernels.kernel_matrix(X, Z, kernel=k, sigma=WIDTHS) for k in ALL}
    whole = {k.name: kernels.kernel_matrix(X, kernel=k, sigma=WIDTHS) for k in ALL}
    monkeypatch.setattr(_distances, "BLOCK", 2000)
    monkeypatch.setattr(_distances, "COMPILE_FROM", 0)
    monkeypatch.setattr(_distances, "TILE_ROWS", 8)
    monkeypatch.setattr(_distances, "TILE_COLUMNS", 32)
    for k in ALL:
        assert np.abs(kernels.kernel_matrix(X, Z, kernel=k, sigma=WIDTHS) - plain[k.name]).max() <= 1e-13
        assert np.abs(kernels.kernel_matrix(X, kernel=k, sigma=WIDTHS) - whole[k.name]).max() <= 1e-13


@every_kernel
def test_kernel_matrices_are_positive_definite(kernel, rng):
    X = rng.normal(size=(60, 2))
    assert np.linalg.eigvalsh(kernels.kernel_matrix(X, kernel=kernel, sigma=0.5))[0] > 0


def test_median_width_is_the_median_distance(rng):
    X = rng.normal(size=(41, 3))
    pairs = np.tril_indices(41, -1)
    assert kernels.median_width(X) == pytest.approx(np.sqrt(np.median(cdist(X, X, "sqeuclidean")[pairs])))
    assert kernels.median_width(X, kernel="laplacian") == pytest.approx(
        np.median(cdist(X, X, "cityblock")[pairs])
    )


# the solve


@every_kernel
def test_fit_solves_the_saddle_system(kernel, rng):
    X, y, P = problem(rng)
    K = kernels.kernel_matrix(X, kernel=kernel, sigma=WIDTHS)
    alpha, beta = saddle(K, y, P, 0.1)
    model = kernels.fit(X, y, kernel=kernel, sigma=WIDTHS, lam=0.1, P=P)
    close(model.alpha, alpha, 1e-11)
    close(model.beta, beta, 1e-11)
    solution = kernels.solve(K, y, lam=0.1, P=P)
    close(solution.alpha, model.alpha, 1e-14)
    assert np.abs(P.T @ model.alpha).max() <= 1e-11 * np.abs(model.alpha).max()
    close(kernels.predict(model, X, P=P), y - 0.1 * model.alpha, 1e-11)  # C alpha + P beta = y


def test_several_targets_are_solved_at_once(rng):
    X, y, P = problem(rng)
    Y = np.column_stack([y, X[:, 1]])
    both = kernels.fit(X, Y, sigma=1.5, lam=0.01, P=P)
    for j in range(2):
        one = kernels.fit(X, Y[:, j], sigma=1.5, lam=0.01, P=P)
        close(both.alpha[:, j], one.alpha, 1e-13)
        close(
            kernels.predict(both, X[:5] + 0.1, P=P[:5])[:, j],
            kernels.predict(one, X[:5] + 0.1, P=P[:5]),
            1e-12,
        )
    loo = kernels.leave_one_out(kernels.kernel_matrix(X, sigma=1.5), Y, lam=0.01, P=P)
    assert loo.residuals.shape == Y.shape


@pytest.mark.parametrize("name", ["gaussian", "laplacian"])
def test_fit_is_scikit_learns_kernel_ridge(name, rng):
    X, y, _ = problem(rng, q=0)
    gamma = 1 / (2 * 1.7**2) if name == "gaussian" else 1 / 1.7
    theirs = KernelRidge(kernel={"gaussian": "rbf"}.get(name, name), gamma=gamma, alpha=0.01).fit(X, y)
    ours = kernels.fit(X, y, kernel=name, sigma=1.7, lam=0.01)
    close(kernels.predict(ours, X + 0.2), theirs.predict(X + 0.2), 1e-12)


def test_alpha_makes_the_objective_stationary(rng):
    """J(alpha, beta) = ‖y - K alpha - P beta‖² + lam alphaᵀK alpha: its gradient vanishes at the fit."""
    X, y, P = problem(rng)
    K, lam = kernels.kernel_matrix(X, sigma=1.2), 0.3
    alpha, beta = kernels.solve(K, y, lam=lam, P=P)

    def J(alpha, beta):
        r = y - K @ alpha - P @ beta
        return r @ r + lam * alpha @ K @ alpha

    base = J(alpha, beta)
    for _ in range(20):
        da, db = 1e-3 * rng.normal(size=alpha.shape), 1e-3 * rng.normal(size=beta.shape)
        up, down = J(alpha + da, beta + db), J(alpha - da, beta - db)
        assert up > base
        assert abs(up - down) <= 1e-9 * base  # the slope; the curvature is even


def test_the_block_is_not_penalised(rng):
    """Adding P c to y shifts beta by c and leaves alpha: whatever P explains is taken out first."""
    X, y, P = problem(rng)
    c = np.array([1e3, -70.0])
    one, two = kernels.fit(X, y, sigma=1, lam=0.1, P=P), kernels.fit(X, y + P @ c, sigma=1, lam=0.1, P=P)
    assert np.abs(two.alpha - one.alpha).max() <= 1e-10 * np.abs(c).max()
    close(two.beta - one.beta, c, 1e-12)


@pytest.mark.parametrize(("n", "p"), [(20, 5), (5, 20)])
def test_primal_and_dual_give_the_same_weights(n, p, rng):
    Phi, y = rng.normal(size=(n, p)), rng.normal(size=n)
    w = kernels.ridge_primal(Phi, y, lam=0.3)
    close(kernels.ridge_dual(Phi, y, lam=0.3), w, 1e-12)
    close(Phi.T @ kernels.solve(Phi @ Phi.T, y, lam=0.3).alpha, w, 1e-12)  # and the kernel's machinery


def test_the_inverse_is_made_in_the_buffer_it_is_given(rng):
    X, y, P = problem(rng)
    K = kernels.kernel_matrix(X, sigma=1.0)
    kept, spent = K.copy(), K.copy()
    alpha, B, _ = kernels.weights_and_inverse(K, y, lam=0.1, P=P)
    assert (kept == K).all()
    _, in_place, _ = kernels.weights_and_inverse(spent, y, lam=0.1, P=P, overwrite=True)
    assert np.shares_memory(in_place, spent)
    close(in_place, B, 1e-15)
    close(B @ y, alpha, 1e-11)
    assert np.abs(B @ P).max() <= 1e-10
    kernels.solve(kept, y, lam=0.1, overwrite=True)
    assert (kept != K).any()


def peak(run):
    """Peak of what NumPy allocates in run(), copies made by LAPACK's wrappers included."""
    tracemalloc.start()
    run()
    bytes_at_most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return bytes_at_most


FORMED = {
    "fit": (lambda X, y, P, K: kernels.fit(X, y, sigma=1.0, lam=0.1, P=P), 1),
    "solve": (lambda X, y, P, K: kernels.solve(K, y, lam=0.1, P=P, overwrite=True), 0),
    "leave one out": (lambda X, y, P, K: kernels.leave_one_out(K, y, lam=0.1, P=P, overwrite=True), 0),
    "evidence and gradient": (lambda X, y, P, K: kernels.judge_evidence(X, y, sigma=1.0, lam=0.1, P=P), 1),
    "loo and gradient": (lambda X, y, P, K: kernels.judge_loo(X, y, sigma=1.0, lam=0.1, P=P), 2),
}


@pytest.mark.parametrize(("run", "formed"), FORMED.values(), ids=FORMED)
def test_how_many_matrices_are_formed(run, formed, rng, monkeypatch):
    """As many n x n arrays as promised; one copy more, by a careless wrapper of LAPACK's say, would show."""
    X, y, P = problem(rng, n=800)
    K = kernels.kernel_matrix(X, sigma=1.0)
    monkeypatch.setattr(_distances, "BLOCK", 10_000)
    assert round(peak(lambda: run(X, y, P, K)) / K.nbytes) == formed


# leave-one-out and cross-validation


def refit(X, y, P, train, test, **settings):
    model = kernels.fit(X[train], y[train], P=None if P is None else P[train], **settings)
    return y[test] - kernels.predict(model, X[test], P=None if P is None else P[test])


@every_kernel
@pytest.mark.parametrize("q", [0, 1, 2])
def test_leave_one_out_is_n_refits(kernel, q, rng):
    X, y, P = problem(rng, q=q)
    K = kernels.kernel_matrix(X, kernel=kernel, sigma=WIDTHS)
    loo = kernels.leave_one_out(K, y, lam=0.02, P=P)
    every = np.arange(len(X))
    truth = [refit(X, y, P, every != i, [i], kernel=kernel, sigma=WIDTHS, lam=0.02)[0] for i in every]
    close(loo.residuals, truth, 1e-10)
    close(loo.predictions + loo.residuals, y, 1e-15)
    assert loo.rmse == pytest.approx(np.sqrt(np.mean(np.square(truth))), rel=1e-10)


@pytest.mark.parametrize("q", [0, 2])
def test_cross_validation_is_a_refit_per_fold(q, rng):
    X, y, P = problem(rng, n=41, q=q)
    folds = rng.integers(0, 5, size=len(X))
    K = kernels.kernel_matrix(X, sigma=WIDTHS)
    cv = kernels.cross_validate(K, y, lam=0.02, folds=folds, P=P)
    truth = np.empty(len(X))
    for label in range(5):
        truth[folds == label] = refit(X, y, P, folds != label, folds == label, sigma=WIDTHS, lam=0.02)
    close(cv.residuals, truth, 1e-10)
    alone = kernels.cross_validate(K, y, lam=0.02, folds=np.arange(len(X)), P=P)
    close(alone.residuals, kernels.leave_one_out(K, y, lam=0.02, P=P).residuals, 1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda alpha, B, P, lam: alpha / (np.diagonal(B) * 1.001),
        lambda alpha, B, P, lam: -alpha / np.diagonal(B),
        lambda alpha, B, P, lam: alpha * lam,  # the training residual
        lambda alpha, B, P, lam: (
            alpha / np.diagonal(np.linalg.inv(np.linalg.pinv(B) + 1e-3 * np.eye(len(B))))
        ),
    ],
)
def test_wrong_leave_one_out_is_caught(wrong, rng):
    X, y, P = problem(rng)
    alpha, B, _ = kernels.weights_and_inverse(kernels.kernel_matrix(X, sigma=1.0), y, lam=0.02, P=P)
    every = np.arange(len(X))
    truth = [refit(X, y, P, every != i, [i], sigma=1.0, lam=0.02)[0] for i in every]
    with pytest.raises(AssertionError):
        close(wrong(alpha, B, P, 0.02), truth, 1e-10)


def test_forgetting_the_block_in_leave_one_out_is_wrong(rng):
    """alpha_i/[C⁻¹]_ii, the formula without P, holds beta fixed at a value that has seen sample i."""
    X, y, P = problem(rng)
    K = kernels.kernel_matrix(X, sigma=1.0)
    alpha = kernels.solve(K, y, lam=0.02, P=P).alpha
    fixed = alpha / np.diagonal(np.linalg.inv(K + 0.02 * np.eye(len(K))))
    with pytest.raises(AssertionError):
        close(fixed, kernels.leave_one_out(K, y, lam=0.02, P=P).residuals, 1e-3)


# bad input


def good(rng):
    X, y, P = problem(rng)
    return {"X": X, "y": y, "P": P, "sigma": 1.0, "lam": 0.1}


def with_nan(A):
    A = np.array(A, dtype=float)
    A[(3,) + (0,) * (A.ndim - 1)] = np.nan
    return A


FIT = {
    "X not 2-D": (lambda g: {"X": g["X"][:, 0]}, "X must be"),
    "no rows": (lambda g: {"X": g["X"][:0], "y": g["y"][:0], "P": None}, "X holds 0 sample"),
    "one row": (lambda g: {"X": g["X"][:1], "y": g["y"][:1], "P": None}, "at least 2"),
    "no features": (lambda g: {"X": g["X"][:, :0]}, "X must be"),
    "NaN in X": (
        lambda g: {"X": with_nan(g["X"])},
        r"the first at \(3, 0\)",
    ),
    "words in X": (lambda g: {"X": g["X"].astype(str)}, "real numbers"),
    "complex y": (lambda g: {"y": g["y"] + 0j}, "real numbers"),
    "short y": (lambda g: {"y": g["y"][:-1]}, "y must be"),
    "NaN in y": (lambda g: {"y": with_nan(g["y"])}, "y holds 1 NaN"),
    "short P": (lambda g: {"P": g["P"][:-1]}, "P must be"),
    "NaN in P": (lambda g: {"P": with_nan(g["P"])}, "P holds 1 NaN"),
    "dependent P": (lambda g: {"P": g["P"][:, [0, 1, 1]]}, "has rank 2"),
    "empty column": (lambda g: {"P": g["P"] * [1, 0]}, "column 1 is zero"),
    "wide P": (lambda g: {"P": np.ones((30, 30))}, "q < n"),
    "zero width": (lambda g: {"sigma": 0.0}, "sigma must be positive"),
    "negative width": (lambda g: {"sigma": [1, -1, 1]}, "sigma must be positive"),
    "too few widths": (lambda g: {"sigma": [1, 1]}, "sigma must be a number or"),
    "negative lam": (lambda g: {"lam": -0.1}, "lam must be finite and not negative"),
    "NaN lam": (lambda g: {"lam": np.nan}, "lam must be finite and not negative"),
    "unknown kernel": (lambda g: {"kernel": "rbf"}, "kernel must be a Kernel or one of"),
    "duplicate": (lambda g: {"X": g["X"][[*range(29), 4]], "lam": 0}, "row 29 equals row 4"),
    "too wide": (lambda g: {"sigma": 1e4, "lam": 0.0}, "a combination of the rows before it. Raise lam"),
}


@pytest.mark.parametrize(("change", "words"), FIT.values(), ids=FIT)
def test_fit_refuses_by_name(change, words, rng):
    given = good(rng)
    given |= change(given)
    with pytest.raises(ValueError, match=words):
        kernels.fit(given.pop("X"), given.pop("y"), **given)


MATRIX = {
    "not square": (lambda K, P: {"K": K[:-1]}, "K must be square"),
    "not symmetric": (lambda K, P: {"K": K + np.triu(K, 1)}, "K must be symmetric"),
    "NaN": (lambda K, P: {"K": with_nan(K)}, "K holds 1 NaN"),
    "one sample": (lambda K, P: {"K": K[:1, :1]}, "K holds 1 sample"),
    "indefinite": (lambda K, P: {"K": -K}, "diagonal entry 0 is"),
    "singular": (
        lambda K, P: {"K": np.ones_like(K), "lam": 0},
        "singular to working precision: row 1 is a combination",
    ),
    "one-sample column": (lambda K, P: {"P": np.eye(30)[:, :1]}, "without sample or fold 0 P loses rank"),
}


@pytest.mark.parametrize(("change", "words"), MATRIX.values(), ids=MATRIX)
def test_closed_forms_refuse_by_name(change, words, rng):
    X, y, P = problem(rng)
    K = kernels.kernel_matrix(X, sigma=1.0)
    given = {"K": K, "y": y, "P": P, "lam": 0.1} | change(K, P)
    with pytest.raises(ValueError, match=words):
        kernels.leave_one_out(given.pop("K"), given.pop("y"), **given)


def test_folds_that_make_no_sense_are_refused(rng):
    X, y, P = problem(rng)
    K = kernels.kernel_matrix(X, sigma=1.0)
    for folds in (np.zeros(30), np.arange(29)):
        with pytest.raises(ValueError, match="two folds or more"):
            kernels.cross_validate(K, y, lam=0.1, folds=folds, P=P)
    rare = np.column_stack([P[:, 0], np.arange(30) < 3])  # an element that one fold alone contains
    with pytest.raises(ValueError, match="fold 7 P loses rank"):
        kernels.cross_validate(K, y, lam=0.1, folds=np.where(np.arange(30) < 5, 7, 8), P=rare)


def test_predict_refuses_what_the_fit_has_not_seen(rng):
    X, y, P = problem(rng)
    model = kernels.fit(X, y, sigma=1.0, lam=0.1, P=P)
    with pytest.raises(ValueError, match="3 features"):
        kernels.predict(model, X[:, :2], P=P)
    for wrong in (None, P[:-1], P[:, :1]):
        with pytest.raises(ValueError, match="the columns of the fit"):
            kernels.predict(model, X, P=wrong)
    with pytest.raises(ValueError, match="columns of the fit"):
        kernels.predict(kernels.fit(X, y, sigma=1.0, lam=0.1), X, P=P)


def test_primal_and_dual_refuse_lam_zero(rng):
    for ridge in (kernels.ridge_primal, kernels.ridge_dual):
        with pytest.raises(ValueError, match="lam must be positive"):
            ridge(rng.normal(size=(5, 3)), np.ones(5), lam=0.0)


def test_float32_and_integers_are_computed_in_float64(rng):
    X, y, P = problem(rng)
    X32 = X.astype(np.float32)
    one = kernels.fit(X32, y, sigma=1.0, lam=1e-6, P=P.astype(int))
    assert one.alpha.dtype == np.float64
    close(one.alpha, kernels.fit(X32.astype(float), y, sigma=1.0, lam=1e-6, P=P).alpha, 1e-15)


def test_duplicates_are_welcome_once_there_is_noise(rng):
    """Two measurements at one point are one measurement of their mean, with half the noise."""
    X, y, _ = problem(rng, q=0)
    twice = kernels.fit(np.vstack([X, X]), np.concatenate([y + 1, y - 1]), sigma=1.0, lam=0.2)
    close(
        kernels.predict(twice, X + 0.3),
        kernels.predict(kernels.fit(X, y, sigma=1.0, lam=0.1), X + 0.3),
        1e-11,
    )
