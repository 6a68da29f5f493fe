"""The gradient-domain model: JAX's Hessian blocks, the evidence's gradient, conservation, planted errors."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from force_problems import AMMONIA, AMMONIA_ANGSTROM, METHANOL, METHANOL_ANGSTROM, close, frames, labels

from mcbook import _pairs, symmetry
from mcbook.calculus import check_grad
from mcbook.symmetry import ProductKernel

pytestmark = pytest.mark.usefixtures("one_blas_thread")

GROUP = np.array([[0, *p] for p in ([1, 2, 3], [2, 3, 1], [3, 1, 2], [1, 3, 2], [3, 2, 1], [2, 1, 3])])
PAIRS = _pairs.pair_permutations(GROUP)
CLASSES = _pairs.orbits(PAIRS)


def some_kernel(rng):
    """Widths and weights, one for N-H and one for H-H."""
    ell, weight = np.exp(rng.normal(scale=0.3, size=(2, 2)))
    return ProductKernel(ell[CLASSES], weight[CLASSES])


def log_k(x, z, log_ell, log_weight):
    a = jnp.exp(log_weight)
    return jnp.log((1 + a * jnp.exp(-0.5 * ((x - z) / jnp.exp(log_ell)) ** 2)) / (1 + a)).sum()


def distances(X):
    i, j = _pairs.pair_index(4)
    return jnp.sqrt(((X[i] - X[j]) ** 2).sum(-1))


def symmetric_k(X, Z, log_ell, log_weight):
    """Summed over the group, as a function of positions: all that JAX is told."""
    x, z = distances(X), distances(Z)
    return jax.vmap(lambda g: jnp.exp(log_k(x, z[g], log_ell, log_weight)))(jnp.asarray(PAIRS)).sum()


@jax.jit
def hessians_jax(X, log_ell, log_weight):
    """∂²k/∂X∂Z between all frames, (n, 12, n, 12)."""

    def mixed(x, z):
        return jax.jacfwd(jax.grad(symmetric_k, 0), 1)(x, z, log_ell, log_weight).reshape(12, 12)

    return jnp.moveaxis(jax.vmap(lambda x: jax.vmap(lambda z: mixed(x, z))(X))(X), 2, 1)


def problem(rng, n=2):
    X = frames(AMMONIA_ANGSTROM, n, rng)
    return X, symmetry.internal(X), some_kernel(rng)


# The kernel and its blocks


@jax.jit
def derivatives_jax(x, z, log_ell, log_weight):
    """All that `factors` and `factor_slopes` claim, by JAX: k, ∂h, ∂²h, ∂²k, and each by both parameters."""
    at = (x, z, log_ell, log_weight)

    def k(*at):
        return jnp.exp(log_k(*at))

    def curvature(*at):
        return jax.jvp(lambda x: jax.grad(log_k)(x, *at[1:]), (at[0],), (jnp.ones(6),))[1]

    by = [
        (jax.grad(log_k, w)(*at), jax.jacobian(jax.grad(log_k), w)(*at), jax.jacobian(curvature, w)(*at))
        for w in (2, 3)
    ]
    return k(*at), jax.grad(log_k)(*at), curvature(*at), jax.jacfwd(jax.grad(k), 1)(*at), by


def test_factors_are_the_derivatives_of_log_k(rng):
    kernel = some_kernel(rng)
    x, z = rng.uniform(0.8, 1.8, size=(2, 6))
    expected = derivatives_jax(x, z, np.log(kernel.ell), np.log(kernel.weight))
    k, u, v = symmetry.factors(x, z, kernel)
    assert k == pytest.approx(float(expected[0]), rel=1e-13)
    assert k == pytest.approx(symmetry.product_kernel(x, z, kernel), rel=1e-13)
    close(u, expected[1], 1e-13)
    close(v, expected[2], 1e-13)
    close(-k * (np.outer(u, u) + np.diag(v)), expected[3], 1e-13)
    for found, (by_h, by_u, by_v) in zip(symmetry.factor_slopes(x, z, kernel), expected[4], strict=True):
        close(found.h, by_h, 1e-12)
        close(np.diag(found.u), by_u, 1e-12)
        close(np.diag(found.v), by_v, 1e-12)


def test_a_large_weight_is_the_gaussian_and_a_small_one_a_sum(rng):
    x, z = rng.uniform(0.8, 1.8, size=(2, 6))
    s = (x - z) / 0.7
    gaussian = symmetry.product_kernel(x, z, ProductKernel(np.full(6, 0.7), np.full(6, 1e12)))
    assert gaussian == pytest.approx(np.exp(-0.5 * s @ s), rel=1e-9)
    small = symmetry.product_kernel(x, z, ProductKernel(np.full(6, 0.7), np.full(6, 1e-6)))
    assert (small - 1) / 1e-6 == pytest.approx((np.exp(-0.5 * s**2) - 1).sum(), rel=1e-4)


def test_shares_of_the_orders_are_sums_over_subsets(rng):
    """Multiplied out term by term: Π (1 + a_p e_p) over all subsets of the pairs."""
    kernel = some_kernel(rng)
    expected = np.zeros(7)
    for chosen in itertools.product([0, 1], repeat=6):
        expected[sum(chosen)] += (kernel.weight ** np.array(chosen)).prod()
    close(symmetry.order_shares(kernel), expected / (1 + kernel.weight).prod(), 1e-13)
    assert symmetry.order_shares(kernel).sum() == pytest.approx(1, rel=1e-13)


def lower_blocks(data, kernel):
    """K with the triangle that `force_matrix` fills mirrored, (n, q, n, q)."""
    n, _, q = data.J.shape
    K = symmetry.force_matrix(data, PAIRS, kernel).reshape(n * q, n * q)
    return (np.tril(K) + np.tril(K, -1).T).reshape(n, q, n, q)


def test_the_matrix_is_the_mixed_hessian_of_the_kernel(rng):
    X, data, kernel = problem(rng)
    H = hessians_jax(X, np.log(kernel.ell), np.log(kernel.weight))
    inside = np.einsum("iaq,iajb,jbr->iqjr", data.Q, H, data.Q)
    K = lower_blocks(data, kernel)
    close(K, inside, 1e-12)
    outside = np.einsum("iqc,jrd,iqjr->icjd", data.Q.transpose(0, 2, 1), data.Q.transpose(0, 2, 1), K)
    close(outside, H, 1e-12)  # nothing of H lies outside the internal directions
    assert np.linalg.eigvalsh(K.reshape(12, 12))[0] > 0
    threaded = symmetry.force_matrix(data, PAIRS, kernel, threads=2)
    assert (threaded == symmetry.force_matrix(data, PAIRS, kernel)).all()


PLANTED = {
    "sign": lambda K: -K,
    "0.1 %": lambda K: 1.001 * K,
    "a block transposed": lambda K: K.transpose(0, 3, 2, 1),
    "one permutation twice": lambda K: K * 7 / 6,
}


@pytest.mark.parametrize("wrong", PLANTED.values(), ids=PLANTED)
def test_planted_errors_in_the_matrix_fail(wrong, rng):
    X, data, kernel = problem(rng)
    H = hessians_jax(X, np.log(kernel.ell), np.log(kernel.weight))
    inside = np.einsum("iaq,iajb,jbr->iqjr", data.Q, H, data.Q)
    with pytest.raises(AssertionError):
        close(wrong(lower_blocks(data, kernel)), inside, 1e-4)


def test_internal_directions_are_orthonormal_and_leave_out_moving_and_turning(rng):
    X = frames(METHANOL_ANGSTROM, 3, rng)
    Q = symmetry.internal(X).Q
    assert Q.shape == (3, 18, 12)
    close(np.einsum("nds,ndt->nst", Q, Q), np.tile(np.eye(12), (3, 1, 1)), 1e-13)
    moving = np.tile(np.eye(3), 6)  # (3, 18): every atom by the same vector
    assert np.abs(moving @ Q).max() <= 1e-12
    for axis in np.eye(3):
        assert np.abs(np.einsum("nd,ndq->nq", np.cross(axis, X).reshape(3, 18), Q)).max() <= 1e-12


# The gradient through the matrix


def loss_jax(logs, X, Q, S):
    """⟨S, K⟩, each class of pairs with one width and one weight."""
    log_ell, log_weight = logs[:, CLASSES]
    H = hessians_jax(X, log_ell, log_weight)
    return (S * jnp.einsum("iaq,iajb,jbr->iqjr", Q, H, Q)).sum()


def by_class(gradients):
    return np.array([np.bincount(CLASSES, g, 2) for g in gradients])


def classes_of(values):
    return np.array([values[c == CLASSES][0] for c in range(2)])


def test_vjp_of_the_matrix(rng):
    X, data, kernel = problem(rng)
    S = rng.normal(size=(2, 6, 2, 6))
    S = S + S.transpose(2, 3, 0, 1)
    logs = np.log([classes_of(kernel.ell), classes_of(kernel.weight)])
    expected = jax.grad(loss_jax)(logs, X, data.Q, S)
    found = by_class(symmetry.vjp_force_matrix(data, PAIRS, kernel, S))
    close(found, expected, 1e-11)
    close(by_class(symmetry.vjp_force_matrix(data, PAIRS, kernel, S, threads=2)), expected, 1e-11)
    for wrong in (found[::-1], -found, 1.001 * found, found * [[1], [2]]):
        with pytest.raises(AssertionError):
            close(wrong, expected, 1e-4)


def test_the_gradient_of_the_evidence(rng):
    _, data, kernel = problem(rng, 4)
    y, lam = rng.normal(size=(4, 6)), 1e-3
    theta = np.log([*classes_of(kernel.ell), *classes_of(kernel.weight), lam])

    def at(theta):
        ell, weight = np.exp(theta[:2]), np.exp(theta[2:4])
        return ProductKernel(ell[CLASSES], weight[CLASSES]), float(np.exp(theta[4]))

    found = symmetry.judge_evidence(data, y, PAIRS, *at(theta))
    gradient = np.append(by_class(found[1:3]).ravel(), found.by_log_lam)
    value = symmetry.evidence_loss(data, y, PAIRS, *at(theta))
    assert found.value == pytest.approx(value, rel=1e-13)
    C = lower_blocks(data, kernel).reshape(24, 24) + lam * np.eye(24)
    fit = y.ravel() @ np.linalg.solve(C, y.ravel())
    assert value == pytest.approx(0.5 * np.log(fit / 24) + np.linalg.slogdet(C)[1] / 48, rel=1e-12)
    check_grad(lambda t: symmetry.evidence_loss(data, y, PAIRS, *at(t)), gradient, theta, rng=rng, rtol=1e-7)
    for wrong in (gradient * [1, 1, 1, 1, 2], 1.001 * gradient, -gradient):
        with pytest.raises(AssertionError):
            check_grad(
                lambda t: symmetry.evidence_loss(data, y, PAIRS, *at(t)), wrong, theta, rng=rng, rtol=1e-7
            )


def test_learning_ends_at_a_stationary_point_of_better_evidence(rng):
    X = frames(AMMONIA_ANGSTROM, 8, rng)
    F = labels(X, AMMONIA)[1]
    learnt = symmetry.learn_kernel(X, F, PAIRS, lam=1e-6)
    assert learnt.converged
    assert learnt.gradient <= 1e-3
    short = symmetry.learn_kernel(X, F, PAIRS, lam=1e-6, max_iter=2)
    assert not short.converged
    assert learnt.value < short.value
    assert (learnt.kernel.ell[PAIRS] == learnt.kernel.ell).all()


# The fit


@pytest.fixture(scope="module")
def methanol():
    """24 frames learnt, 12 to predict, and the model."""
    rng = np.random.default_rng(5)
    X = frames(METHANOL_ANGSTROM, 36, rng)
    E, F = labels(X, METHANOL)
    model = symmetry.fit_gradient_domain(X[:24], F[:24], METHANOL, energy=E[:24], threads=1)
    return X, E, F, model


def test_it_learns(methanol):
    X, E, F, model = methanol
    found = symmetry.predict_gradient_domain(model, X[24:])
    less = symmetry.fit_gradient_domain(X[:6], F[:6], METHANOL, energy=E[:6], kernel=model.kernel, threads=1)
    worse = symmetry.predict_gradient_domain(less, X[24:])
    error, before = (np.abs(f.force_kcal_angstrom - F[24:]).mean() for f in (found, worse))
    assert error < 0.05 * np.abs(F[24:]).mean()
    assert error < before / 2
    assert np.abs(found.energy_kcal - E[24:]).mean() < 0.05 * E[24:].std()
    assert model.energy_slope == pytest.approx(1, abs=0.02)


def test_what_the_fit_leaves_over_is_lam_alpha(methanol):
    """(K + lam I) α = QᵀF: the force left over at a training frame is lam Q α."""
    X, _, F, model = methanol
    pair_perms = _pairs.pair_permutations(model.permutations)
    data = symmetry.internal(X[:24])
    alpha = symmetry.solve_forces(data, F[:24], pair_perms, model.kernel, 1e-3)
    looser = symmetry.fit_gradient_domain(X[:24], F[:24], METHANOL, kernel=model.kernel, lam=1e-3, threads=1)
    found = symmetry.predict_gradient_domain(looser, X[:24]).force_kcal_angstrom
    left = 1e-3 * np.einsum("ndq,nq->nd", data.Q, alpha).reshape(found.shape)
    assert np.abs(found + left - F[:24]).max() <= 1e-9 * np.abs(F).max()
    assert np.abs(left).max() > 1e-6


def test_internal_directions_change_no_prediction(rng):
    """The whole system in 3a coordinates, solved densely, as the oracle."""
    X = frames(AMMONIA_ANGSTROM, 6, rng)
    F = labels(X, AMMONIA)[1]
    kernel = some_kernel(rng)
    model = symmetry.fit_gradient_domain(X[:5], F[:5], AMMONIA, kernel=kernel, lam=1e-4, threads=1)
    H = np.asarray(hessians_jax(X, np.log(kernel.ell), np.log(kernel.weight)))
    C = H[:5, :, :5].reshape(60, 60) + 1e-4 * np.eye(60)
    full = H[5, :, :5].reshape(12, 60) @ np.linalg.solve(C, F[:5].ravel())
    close(symmetry.predict_gradient_domain(model, X[5]).force_kcal_angstrom.ravel(), full, 1e-9)


def test_forces_are_minus_the_gradient_of_the_energy(methanol, rng):
    X, _, _, model = methanol

    def energy(x):
        return float(symmetry.predict_gradient_domain(model, x).energy_kcal[0])

    for x in X[24:27]:
        force = symmetry.predict_gradient_domain(model, x).force_kcal_angstrom[0]
        check_grad(energy, -force, x, rng=rng, rtol=1e-7)
        with pytest.raises(AssertionError):
            check_grad(energy, force, x, rng=rng, rtol=1e-7)
        with pytest.raises(AssertionError):
            check_grad(energy, -1.001 * force, x, rng=rng, rtol=1e-7)


def test_the_same_model_in_jax(methanol):
    X, _, _, model = methanol
    potential = symmetry.as_potential(model)
    expected = symmetry.predict_gradient_domain(model, X[24:])
    found = symmetry.predict(potential, X[24:])
    assert np.abs(found.energy_kcal - expected.energy_kcal).max() <= 1e-9 * np.abs(model.b).max()
    close(found.force_kcal_angstrom, expected.force_kcal_angstrom, 1e-10)
    slope = jax.grad(lambda x: potential.model(potential.params, x)[0])(jnp.asarray(X[24]))
    close(-slope, found.force_kcal_angstrom[0], 1e-10)


def test_single_precision_is_refused(methanol):
    home = jax if hasattr(jax, "enable_x64") else jax.experimental
    with home.enable_x64(False), pytest.raises(ValueError, match="single precision"):
        symmetry.as_potential(methanol[3])


def test_symmetries(methanol, rng):
    """Rotation, reflection, translation, the group's permutations; no net force and no torque."""
    X, _, _, model = methanol
    x, size = X[30], np.abs(methanol[2]).max()
    E, F = (v[0] for v in symmetry.predict_gradient_domain(model, x))
    R = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moves = [(x @ S.T, F @ S.T) for S in (R, -R)] + [(x + [3.0, -7.0, 5.0], F)]
    moves += [(x[g], F[g]) for g in model.permutations]
    for moved, expected in moves:
        e, f = symmetry.predict_gradient_domain(model, moved)
        assert np.abs(f[0] - expected).max() <= 1e-9 * size
        assert abs(e[0] - E) <= 1e-9 * size
    assert np.abs(F.sum(axis=0)).max() <= 1e-12 * size
    assert np.abs(np.cross(x, F).sum(axis=0)).max() <= 1e-12 * size
    swapped = x[[0, 1, 5, 3, 4, 2]]  # a methyl's hydrogen for the hydroxyl's: like atoms, another molecule
    with pytest.raises(ValueError, match="another order of the atoms"):
        symmetry.predict_gradient_domain(model, swapped)


def test_without_permutations_the_symmetry_is_lost(methanol):
    X, E, F, model = methanol
    plain = symmetry.fit_gradient_domain(
        X[:24], F[:24], METHANOL, energy=E[:24], permutations=[range(6)], kernel=model.kernel, threads=1
    )
    x = X[30]
    turned = symmetry.predict_gradient_domain(plain, x[model.permutations[1]]).force_kcal_angstrom[0]
    still = symmetry.predict_gradient_domain(plain, x).force_kcal_angstrom[0][model.permutations[1]]
    assert np.abs(turned - still).max() > 1e-4 * np.abs(still).max()


def test_scale_and_zero_of_energy_pass_through(methanol):
    X, E, F, model = methanol
    kernel = {"kernel": model.kernel, "threads": 1}
    other = symmetry.fit_gradient_domain(X[:24], 2 * F[:24], METHANOL, energy=2 * E[:24] - 100, **kernel)
    expected, found = (symmetry.predict_gradient_domain(m, X[24:]) for m in (model, other))
    close(found.force_kcal_angstrom / 2, expected.force_kcal_angstrom, 1e-9)
    close((found.energy_kcal + 100) / 2, expected.energy_kcal, 1e-8)
    alone = symmetry.fit_gradient_domain(X[:24], F[:24], METHANOL, **kernel)
    assert alone.shift == 0
    assert np.isnan(alone.energy_slope)


BAD = {
    "no frames": ({"X": np.zeros((0, 6, 3)), "F": np.zeros((0, 6, 3))}, "no frames"),
    "NaN": ({"F": np.full((24, 6, 3), np.nan)}, "NaN"),
    "bohr": ({"X": lambda X: X * 1.8897}, "bohr"),
    "nanometre": ({"X": lambda X: X / 10}, "nm"),
    "coincident": ({"X": lambda X: np.concatenate([X[:, :1], X[:, :1], X[:, 2:]], 1)}, "coincident"),
    "shape": ({"F": np.zeros((24, 5, 3))}, "forces"),
    "forces that push": ({"F": lambda F: F + 1.0}, "sum to zero"),
    "gradients": ({"F": lambda F: -F}, "wrong sign"),
    "eV forces": ({"F": lambda F: F / 23.06}, "eV/Å"),
    "Hartree energies": ({"energy": lambda E: E / 627.5}, "units differ"),
    "elements": ({"permutations": [[0, 1, 2, 3, 4, 5], [1, 0, 2, 3, 4, 5]]}, "different elements"),
    "no group": ({"permutations": [[0, 1, 2, 3, 4, 5], [0, 1, 3, 4, 2, 5]]}, "not a group"),
    "twice": ({"permutations": [[0, 1, 2, 3, 4, 5]] * 2}, "repeat"),
    "no permutation": ({"permutations": [[0, 1, 2, 3, 4, 4]]}, "each of 0 … 5 once"),
    "lam": ({"lam": 0.0}, "lam must be positive"),
    "width": ({"kernel": ProductKernel(np.ones(15), -np.ones(15))}, "positive numbers"),
    "classes": ({"kernel": ProductKernel(1 + np.arange(15.0), np.ones(15))}, "numbering"),
    "numbers": ({"numbers": METHANOL[:5]}, "atomic numbers"),
}


@pytest.mark.parametrize(("changed", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(changed, words, methanol):
    X, E, F, model = methanol
    given = {
        "X": X[:24],
        "F": F[:24],
        "numbers": METHANOL,
        "energy": E[:24],
        "kernel": model.kernel,
        "threads": 1,
    }
    for name, value in changed.items():
        given[name] = value(given[name]) if callable(value) else value
    with pytest.raises(ValueError, match=words):
        symmetry.fit_gradient_domain(given.pop("X"), given.pop("F"), given.pop("numbers"), **given)


def test_repeated_frames_want_a_larger_lam(methanol):
    X, _, F, model = methanol
    twice = np.concatenate([X[:12], X[:12]]), np.concatenate([F[:12], F[:12]])
    with pytest.raises(ValueError, match="singular to working precision"):
        symmetry.fit_gradient_domain(*twice, METHANOL, kernel=model.kernel, lam=1e-18, threads=1)


def test_predictions_refuse_what_training_never_saw(methanol):
    X, _, _, model = methanol
    stretched = X[30] + np.outer(METHANOL == 8, [2.0, 0.0, 0.0])
    for moved, words in (
        (stretched, "apart, in training"),
        (X[30][:5], "6 atoms, got 5"),
        (X[30] * 1.8897, "bohr"),
        (np.zeros((0, 6, 3)), "no frames"),
    ):
        with pytest.raises(ValueError, match=words):
            symmetry.predict_gradient_domain(model, moved)
    with pytest.raises(ValueError, match="another order"):
        symmetry.predict_gradient_domain(model, X[30], numbers=METHANOL[::-1])
    with pytest.raises(ValueError, match="trained on the atoms"):
        symmetry.predict_gradient_domain(model, X[30], numbers=[6, 16, 1, 1, 1, 1])


# Beyond memory


def test_the_product_needs_no_matrix(methanol, rng):
    X, _, _, model = methanol
    pair_perms, data = _pairs.pair_permutations(model.permutations), symmetry.internal(X[:5])
    K = symmetry.force_matrix(data, pair_perms, model.kernel).reshape(60, 60)
    K = np.tril(K) + np.tril(K, -1).T
    alpha = rng.normal(size=(5, 12))
    for threads in (1, 2):
        found = symmetry.force_product(data, pair_perms, model.kernel, alpha, threads=threads)
        close(found.ravel(), K @ alpha.ravel(), 1e-12)


def test_conjugate_gradients_end_where_cholesky_does(methanol):
    X, E, F, model = methanol
    found = symmetry.fit_iterative(
        X[:24], F[:24], METHANOL, energy=E[:24], kernel=model.kernel, neighbours=12, tol=1e-9, threads=1
    )
    assert found.run.converged
    assert found.run.true_residual <= 1e-8
    expected, there = (symmetry.predict_gradient_domain(m, X[24:]) for m in (model, found.model))
    close(there.force_kcal_angstrom, expected.force_kcal_angstrom, 1e-6)
    assert np.abs(there.energy_kcal - expected.energy_kcal).max() <= 1e-4 * E.std()


def test_the_sparse_inverse_is_exact_with_all_predecessors_and_better_with_more(methanol):
    X, _, F, model = methanol
    steps = []
    for neighbours in (1, 5, 11):
        run = symmetry.fit_iterative(
            X[:12], F[:12], METHANOL, kernel=model.kernel, lam=1e-3, neighbours=neighbours, threads=1
        ).run
        assert run.converged
        steps.append(len(run.residuals) - 1)
    assert steps[0] > 1.5 * steps[1] > 1.5 * steps[2]
    assert steps[2] <= 2


def test_not_converging_is_data(methanol):
    X, _, F, model = methanol
    run = symmetry.fit_iterative(
        X[:24], F[:24], METHANOL, kernel=model.kernel, neighbours=0, max_iter=3, threads=1
    ).run
    assert not run.converged
    assert len(run.residuals) == 4
    assert run.true_residual == pytest.approx(run.residuals[-1], rel=1e-6)
    with pytest.raises(ValueError, match="neighbours ≥ 0"):
        symmetry.fit_iterative(X[:24], F[:24], METHANOL, neighbours=-1)
