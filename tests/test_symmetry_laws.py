"""The laws: exact energies obey them, planted faults break the right one; the condition on a layer."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from symmetry_problems import ETHANOL, NUMBERS, geometry

from mcbook import calculus, symmetry
from mcbook.symmetry import laws

REST = 1 + 0.02 * np.add.outer(NUMBERS, NUMBERS)


def springs(X):
    """½ Σ (r - r₀)² over all pairs, r₀ by element: it has every symmetry."""
    D = X[None] - X[:, None]
    r = jnp.sqrt((D**2).sum(-1) + jnp.eye(len(X)))
    return 0.25 * (((r - REST) ** 2) * (1 - jnp.eye(len(X)))).sum()


def grad_springs_X(X):
    """Σ_j (r_ij - r₀)(x_i - x_j)/r_ij, by hand."""
    D = X[:, None] - X[None]
    r = np.sqrt((D**2).sum(-1) + np.eye(len(X)))
    return (((r - REST) / r)[..., None] * D).sum(axis=1)


def both(energy):
    return jax.jit(lambda X: (energy(X), -jax.grad(energy)(X)))


def errors(energy, rng):
    return laws.symmetry_errors(both(energy), geometry(rng), NUMBERS, rng=rng)


@pytest.mark.parametrize("reflect", [False, True])
def test_random_rotations_are_orthogonal_and_uniform(reflect, rng):
    many = np.array([laws.random_rotation(rng, reflect=reflect) for _ in range(4000)])
    np.testing.assert_allclose(many @ many.swapaxes(1, 2), np.broadcast_to(np.eye(3), many.shape), atol=1e-14)
    np.testing.assert_allclose(np.linalg.det(many), -1 if reflect else 1, atol=1e-14)
    # uniform: E R = 0 and E R_ij² = 1/3; standard errors are 0.009 and 0.005
    assert np.abs(many.mean(axis=0)).max() < 0.04
    assert np.abs((many**2).mean(axis=0) - 1 / 3).max() < 0.025


def test_permutations_keep_elements(rng):
    seen = [laws.random_permutation(NUMBERS, rng) for _ in range(20)]
    assert all((NUMBERS[order] == NUMBERS).all() for order in seen)
    assert any((order != np.arange(9)).any() for order in seen)


def test_the_gradient_of_the_springs_is_the_automatic_one(rng):
    X = geometry(rng)
    G = grad_springs_X(X)
    np.testing.assert_allclose(G, jax.grad(springs)(X), atol=1e-13)
    calculus.check_grad(lambda X: float(springs(X)), G, X, rng=rng)


def test_a_symmetric_energy_has_no_errors(rng):
    assert max(errors(springs, rng)) < 1e-13


FIXED = np.array([0.3, -0.2, 0.5])
PLANTED = {  # a term that breaks laws, and the errors which have to show it
    "an axis of its own": (
        lambda X: ((X - X.mean(axis=0, keepdims=True))[:, 0] ** 2).sum(),
        {"rotation", "reflection", "net_torque"},
    ),
    "a handedness": (lambda X: jnp.linalg.det(X[1:4] - X[:1]), {"reflection", "permutation"}),
    "an origin of its own": (lambda X: (X**2).sum(), {"translation", "net_force"}),
    "an atom of its own": (lambda X: ((X[3] - X[0]) ** 2).sum(), {"permutation"}),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_broken_law_is_named_and_the_others_are_not(fault, rng):
    term, expected = PLANTED[fault]
    found = errors(lambda X: springs(X) + 1e-3 * term(X), rng)._asdict()
    found.pop("energy")
    assert {name for name, value in found.items() if value > 1e-6} == expected
    assert all(value < 1e-12 for name, value in found.items() if name not in expected)


def test_forces_of_the_wrong_sign_still_turn_but_are_not_the_gradient(rng):
    """Symmetry is no proof that forces belong to the energy: that is what differences are for."""
    X = geometry(rng)
    wrong = laws.symmetry_errors(lambda X: (springs(X), grad_springs_X(X)), X, NUMBERS, rng=rng)
    assert max(wrong) < 1e-13
    with pytest.raises(AssertionError):
        calculus.check_grad(lambda X: float(springs(X)), -grad_springs_X(X), X, rng=rng)


@pytest.mark.parametrize(
    "wrong",
    [lambda X, R, F: F @ R, lambda X, R, F: F, lambda X, R, F: -F @ R.T, lambda X, R, F: 1.001 * F @ R.T],
    ids=["transpose", "not turned", "sign", "0.1 %"],
)
def test_wrongly_turned_forces_are_caught(wrong, rng):
    """A model that stores forces upright and turns them wrongly: F R, and others, in place of F Rᵀ."""
    X = geometry(rng)
    G = -grad_springs_X(X)

    def turned(Y):
        R = symmetry.align(X, Y)
        return springs(Y), (G if np.allclose(R, np.eye(3), atol=1e-6) else wrong(X, R, G))

    assert laws.symmetry_errors(turned, X, NUMBERS, rng=rng).rotation > 5e-4


def test_align_undoes_a_rotation_and_never_mirrors(rng):
    R = laws.random_rotation(rng)
    np.testing.assert_allclose(symmetry.align(ETHANOL @ R, ETHANOL), R, atol=1e-13)
    mirrored = geometry(rng) * [1, 1, -1]
    assert np.linalg.det(symmetry.align(mirrored, ETHANOL)) == pytest.approx(1)


def test_align_is_the_best_rotation(rng):
    """No rotation nearby, and no random one, brings the two closer."""
    X, Y = geometry(rng), geometry(rng)
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    R = symmetry.align(X, Y)
    best = np.linalg.norm(X @ R.T - Y)
    for _ in range(50):
        near = jax.scipy.linalg.expm(laws.skew(1e-3 * rng.normal(size=3)))
        assert np.linalg.norm(X @ (near @ R).T - Y) > best
        assert np.linalg.norm(X @ laws.random_rotation(rng).T - Y) > best


def test_torque_is_the_cross_product(rng):
    X, F = rng.normal(size=(2, 5, 3))
    M, t = laws.torque(F, X), np.cross(X, F).sum(axis=0)
    np.testing.assert_allclose(M, laws.skew(t), atol=1e-14)
    np.testing.assert_allclose(laws.skew(t) @ X[0], np.cross(t, X[0]), atol=1e-14)


# --- one layer ---------------------------------------------------------------------------------------------

M = np.random.default_rng(3).normal(size=(6, 4))
LAYERS = {
    "mixing features": (lambda V: jnp.einsum("gf,fx->gx", M, V), True),
    "gated by lengths": (lambda V: V * jnp.tanh((V**2).sum(-1, keepdims=True)), True),
    "cross products": (lambda V: jnp.cross(V[:2], V[2:]), True),
    "tanh of components": (jnp.tanh, False),
    "a bias": (lambda V: V + FIXED[None], False),
    "mixing x with y": (lambda V: V @ np.array([[1, 0.1, 0], [0, 1, 0], [0, 0, 1]]), False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_condition_on_the_jacobian_says_what_finite_rotations_say(name, rng):
    layer, good = LAYERS[name]
    V, R = rng.normal(size=(4, 3)), laws.random_rotation(rng)
    A = laws.skew(rng.normal(size=3))
    y_bar = rng.normal(size=layer(V).shape)
    found = (
        laws.equivariance_error(layer, V, R),
        laws.generator_error(layer, V, A),
        laws.torque_error(layer, V, y_bar),
    )
    assert all(error < 1e-14 for error in found) if good else all(error > 1e-3 for error in found)


def test_cross_products_turn_and_do_not_mirror(rng):
    """Rotations are connected to the identity, reflections are not: the Jacobian says nothing of them."""
    cross = LAYERS["cross products"][0]
    V = rng.normal(size=(4, 3))
    assert laws.equivariance_error(cross, V, laws.random_rotation(rng, reflect=True)) > 0.1


def test_symmetric_generators_are_not_rotations(rng):
    """The planted fault: A symmetric stretches, and no nonlinear layer commutes with that."""
    gated = LAYERS["gated by lengths"][0]
    A = rng.normal(size=(3, 3))
    assert laws.generator_error(gated, rng.normal(size=(4, 3)), A + A.T) > 1e-3


@pytest.mark.parametrize(
    ("X", "numbers"), [(ETHANOL[None], NUMBERS), (ETHANOL, NUMBERS[:3]), (ETHANOL * np.nan, NUMBERS)]
)
def test_bad_geometries_are_named(X, numbers, rng):
    with pytest.raises(ValueError, match="one finite geometry"):
        partial(laws.symmetry_errors, both(springs))(X, numbers, rng=rng)
