"""Energies and forces in one matrix: JAX's Hessian blocks, differences, conservation, planted signs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernel_problems import close

from mcbook import kernels
from mcbook.calculus import check_grad

pytestmark = pytest.mark.usefixtures("one_blas_thread")

SMOOTH = [kernels.GAUSSIAN, kernels.MATERN52]
smooth_kernel = pytest.mark.parametrize("kernel", SMOOTH, ids=lambda k: k.name)
SIGMA = 1.3


def blocks_jax(X, Z, kernel, sigma):
    """The blocks as derivatives of k(x, z) with x and z apart: JAX differentiates k itself."""

    def k(x, z):
        return kernel.phi(((x - z) ** 2).sum() / sigma**2)

    def table(f):
        return jax.vmap(lambda x: jax.vmap(lambda z: f(x, z))(Z))(X)

    EF = table(lambda x, z: -jax.grad(k, 1)(x, z))
    FF = table(lambda x, z: jax.jacfwd(jax.grad(k, 1), 0)(x, z).T)  # [a, b] = ∂²k/∂x_a∂z_b
    return table(k), EF, jnp.moveaxis(FF, 2, 1)


def molecule(rng, n=12, d=2):
    """Energies and forces of a bumpy bowl, with F = -∇E by hand."""
    X = rng.uniform(-1.5, 1.5, size=(n, d))
    return X, bowl(X), -bowl_slope(X)


def bowl(X):
    return (X**2).sum(1) / 2 + np.sin(2 * X[:, 0]) * X[:, 1] + 3.0


def bowl_slope(X):
    G = X.copy()
    G[:, 0] += 2 * np.cos(2 * X[:, 0]) * X[:, 1]
    G[:, 1] += np.sin(2 * X[:, 0])
    return G


@smooth_kernel
def test_blocks_are_the_derivatives_of_the_kernel(kernel, rng):
    X, Z = jnp.asarray(rng.normal(size=(5, 3))), jnp.asarray(rng.normal(size=(4, 3)))
    EE, EF, FF = blocks_jax(X, Z, kernel, SIGMA)
    close(kernels.block_energy_energy(X, Z, kernel=kernel, sigma=SIGMA), EE, 1e-13)
    close(kernels.block_energy_force(X, Z, kernel=kernel, sigma=SIGMA), EF, 1e-12)
    close(kernels.block_force_force(X, Z, kernel=kernel, sigma=SIGMA), FF, 1e-12)


@pytest.mark.parametrize("kernel", [*SMOOTH, kernels.MATERN32], ids=lambda k: k.name)
def test_the_matrix_is_symmetric_positive_definite_and_of_one_piece(kernel, rng):
    X = rng.normal(size=(6, 2))
    K = kernels.energy_force_matrix(X, X, kernel=kernel, sigma=SIGMA)
    assert K.shape == (18, 18)
    assert np.abs(K - K.T).max() <= 1e-14
    assert np.linalg.eigvalsh(K)[0] > 0
    assert np.diagonal(K)[:6] == pytest.approx(1)
    close(np.diagonal(K)[6:], np.full(12, -2 * float(kernel.dphi(np.zeros(1))[0]) / SIGMA**2), 1e-14)
    alone = kernels.energy_force_matrix(X, X, kernel=kernel, sigma=SIGMA, energy=False)
    assert (alone == K[:, 6:]).all()


PLANTED = {
    "F = +∇E": ("block_energy_force", lambda block: -block),
    "energy-force transposed": ("block_energy_force", lambda block: np.swapaxes(block, 0, 1)),
    "second term's sign": (
        "block_force_force",
        lambda block: 2 * block * np.eye(2)[:, None, :] - block,
    ),
    "0.1 %": ("block_energy_force", lambda block: 1.001 * block),
}


@pytest.mark.parametrize(("name", "wrong"), PLANTED.values(), ids=PLANTED)
def test_planted_errors_in_the_blocks_fail(name, wrong, rng):
    X = rng.normal(size=(5, 2))
    _, EF, FF = blocks_jax(jnp.asarray(X), jnp.asarray(X), kernels.GAUSSIAN, SIGMA)
    right = getattr(kernels, name)(X, X, sigma=SIGMA)
    close(right, {"block_energy_force": EF, "block_force_force": FF}[name], 1e-12)
    with pytest.raises(AssertionError):
        close(wrong(right), {"block_energy_force": EF, "block_force_force": FF}[name], 1e-6)


def energy_at(model, x):
    return kernels.predict_energy_forces(model, x[None])[0][0]


@smooth_kernel
@pytest.mark.parametrize("seen", ["both", "energy", "force"])
def test_predicted_forces_are_minus_the_gradient_of_the_predicted_energy(kernel, seen, rng):
    X, E, F = molecule(rng)
    model = kernels.fit_energy_forces(
        X,
        energy=None if seen == "force" else E,
        force=None if seen == "energy" else F,
        kernel=kernel,
        sigma=SIGMA,
        lam_energy=1e-6,
        lam_force=1e-6,
    )
    for x in rng.normal(size=(3, 2)):
        force = kernels.predict_energy_forces(model, x[None])[1][0]
        check_grad(lambda x: energy_at(model, x), -force, x, rng=rng, rtol=1e-7)


@smooth_kernel
def test_what_the_fit_leaves_over_is_lam_alpha(kernel, rng):
    """C alpha + P beta = y: every residual is its noise variance times its weight, so without noise none."""
    X, E, F = molecule(rng)
    model = kernels.fit_energy_forces(
        X, energy=E, force=F, kernel=kernel, sigma=SIGMA, lam_energy=1e-4, lam_force=1e-3
    )
    energy, force = kernels.predict_energy_forces(model, X)
    close(energy + 1e-4 * model.alpha_energy, E, 1e-10)
    close(force + 1e-3 * model.alpha_force, F, 1e-10)
    assert model.alpha_energy.sum() == pytest.approx(0, abs=1e-9 * np.abs(model.alpha_energy).sum())


def test_the_conditional_mean_is_the_gaussian_one(rng):
    """Cov(new, seen) Cov(seen, seen)⁻¹ seen, by a dense solve; forces alone, where no zero is fitted."""
    X, _, F = molecule(rng)
    Z = rng.normal(size=(4, 2))
    model = kernels.fit_energy_forces(X, force=F, sigma=SIGMA, lam_force=1e-3)
    C = kernels.energy_force_matrix(X, X, sigma=SIGMA)[12:, 12:] + 1e-3 * np.eye(24)
    new = kernels.energy_force_matrix(Z, X, sigma=SIGMA)[:, 12:] @ np.linalg.solve(C, F.ravel())
    energy, force = kernels.predict_energy_forces(model, Z)
    close(energy, new[:4], 1e-10)
    close(force.ravel(), new[4:], 1e-10)


def test_work_around_a_closed_path_vanishes(rng):
    """Conservative by construction: the predicted force does no work around a circle."""
    X, E, F = molecule(rng)
    model = kernels.fit_energy_forces(X, energy=E, force=F, sigma=SIGMA)
    t = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle, tangent = np.column_stack([np.cos(t), np.sin(t)]), np.column_stack([-np.sin(t), np.cos(t)])
    power = (kernels.predict_energy_forces(model, circle)[1] * tangent).sum(1)
    assert abs(power.mean()) <= 1e-9 * np.abs(power).max()


def test_the_zero_of_energy_is_free(rng):
    X, E, F = molecule(rng)
    one = kernels.fit_energy_forces(X, energy=E, force=F, sigma=SIGMA)
    two = kernels.fit_energy_forces(X, energy=E - 1e4, force=F, sigma=SIGMA)
    assert two.beta - one.beta == pytest.approx(-1e4, rel=1e-9)
    close(
        kernels.predict_energy_forces(two, X + 0.1)[1], kernels.predict_energy_forces(one, X + 0.1)[1], 1e-4
    )


def test_forces_teach_more_than_energies(rng):
    X, E, F = molecule(rng, n=25)
    Z = rng.uniform(-1.2, 1.2, size=(200, 2))
    errors = {}
    for seen in ("energy", "both"):
        model = kernels.fit_energy_forces(X, energy=E, force=F if seen == "both" else None, sigma=SIGMA)
        errors[seen] = np.abs(kernels.predict_energy_forces(model, Z)[0] - bowl(Z)).mean()
    assert errors["both"] < errors["energy"] / 3


BAD = [
    ({}, "needs energy"),
    ({"energy": np.ones(11)}, "energy must be"),
    ({"force": np.ones((11, 2))}, "force must be"),
    ({"force": np.ones((12, 3))}, "2 features"),
    ({"energy": np.full(12, np.nan)}, "NaN"),
    ({"energy": np.ones(12), "kernel": "laplacian"}, "has a corner"),
    ({"energy": np.ones(12), "kernel": "matern12"}, "has a corner"),
    ({"energy": np.ones(12), "sigma": [1.0, 2.0]}, "one width"),
    ({"energy": np.ones(12), "sigma": -1.0}, "positive"),
    ({"energy": np.ones(12), "lam_energy": -1.0}, "lam_energy must be"),
]


@pytest.mark.parametrize(("given", "words"), BAD)
def test_bad_input_is_refused_by_name(given, words, rng):
    X = rng.normal(size=(12, 2))
    with pytest.raises(ValueError, match=words):
        kernels.fit_energy_forces(X, **{"sigma": SIGMA, **given})
    with pytest.raises(ValueError, match="neither"):
        kernels.energy_force_matrix(X, X, sigma=1.0, energy=False, force=False)
    with pytest.raises(ValueError, match="singular"):
        kernels.fit_energy_forces(np.vstack([X, X[:1]]), force=np.ones((13, 2)), sigma=SIGMA, lam_force=0.0)
