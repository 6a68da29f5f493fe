"""Pairs of atoms: derivatives against JAX, planted errors, invariances, and the groups of known molecules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from force_problems import AMMONIA, AMMONIA_ANGSTROM, METHANOL, METHANOL_ANGSTROM, close, frames

from mcbook import _pairs
from mcbook.calculus import check_grad

POWERS = pytest.mark.parametrize("power", [1, -1, 2])


def features(x, power):
    i, j = _pairs.pair_index(len(x))
    return ((x[i] - x[j]) ** 2).sum(-1) ** (-power / 2)


def curvature(x, x_bar, power):
    return jax.hessian(lambda x: (x_bar * features(x, power)).sum())(x)


@POWERS
def test_all_derivatives_are_those_of_the_features(power, rng):
    X, X_dot = frames(AMMONIA_ANGSTROM, 3, rng), rng.normal(size=(3, 4, 3))
    x_bar = rng.normal(size=(3, 6))
    for k, x in enumerate(X):
        J = jax.jacobian(features)(x, power)
        close(_pairs.pair_powers(X, power=power)[k], features(x, power), 1e-14)
        close(_pairs.pair_jacobian(X, power=power)[k], J, 1e-13)
        close(_pairs.jvp_pair_powers(X, X_dot, power=power)[k], jnp.tensordot(J, X_dot[k], 2), 1e-13)
        close(_pairs.vjp_pair_powers(X, x_bar, power=power)[k], jnp.tensordot(x_bar[k], J, 1), 1e-13)
        H = curvature(jnp.asarray(x), x_bar[k], power)
        close(_pairs.pair_curvature(X, x_bar, power=power)[k], H, 1e-12)


PLANTED = {
    "sign": lambda H: -H,
    "half": lambda H: H / 2,
    "0.1 %": lambda H: 1.001 * H,
    "atoms exchanged": lambda H: H[[1, 0, 2, 3]],
    "coordinates exchanged": lambda H: H[:, [1, 0, 2]],
}


@pytest.mark.parametrize("wrong", PLANTED.values(), ids=PLANTED)
def test_planted_errors_fail(wrong, rng):
    X, x_bar = frames(AMMONIA_ANGSTROM, 1, rng), rng.normal(size=(1, 6))
    H = curvature(jnp.asarray(X[0]), x_bar[0], 1)
    right = _pairs.pair_curvature(X, x_bar)[0]
    close(right, H, 1e-12)
    with pytest.raises(AssertionError):
        close(wrong(right), H, 1e-4)


def test_the_gradient_of_an_energy_of_distances_by_differences(rng):
    (x,) = frames(AMMONIA_ANGSTROM, 1, rng)
    weight = rng.normal(size=6)

    def energy(x):
        return float((weight * np.sin(_pairs.pair_powers(x[None], power=-1)[0])).sum())

    slope = weight * np.cos(_pairs.pair_powers(x[None], power=-1))
    gradient = _pairs.vjp_pair_powers(x[None], slope, power=-1)[0]
    check_grad(energy, gradient, x, rng=rng, rtol=1e-7)
    with pytest.raises(AssertionError):
        check_grad(energy, 1.001 * gradient, x, rng=rng, rtol=1e-7)


@POWERS
def test_pulling_on_distances_neither_moves_nor_turns_the_molecule(power, rng):
    X = frames(METHANOL_ANGSTROM, 4, rng)
    G = _pairs.vjp_pair_powers(X, rng.normal(size=(4, 15)), power=power)
    assert np.abs(G.sum(axis=1)).max() <= 1e-13 * np.abs(G).max()
    assert np.abs(np.cross(X, G).sum(axis=1)).max() <= 1e-13 * np.abs(G).max()


def test_features_are_invariant_and_permute_with_the_atoms(rng):
    X = frames(METHANOL_ANGSTROM, 3, rng)
    x = _pairs.pair_powers(X)
    R = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    for mirror in (R, -R):
        close(_pairs.pair_powers(X @ mirror.T + [1.0, -2.0, 3.0]), x, 1e-13)
    perms = np.array([rng.permutation(6) for _ in range(5)])
    for perm, pair_perm in zip(perms, _pairs.pair_permutations(perms), strict=True):
        assert (_pairs.pair_powers(X[:, perm]) == x[:, pair_perm]).all()


def test_coincident_atoms_are_named(rng):
    X = frames(METHANOL_ANGSTROM, 2, rng)
    X[1, 4] = X[1, 2]
    with pytest.raises(ValueError, match="atoms 2 and 4 of frame 1 coincide"):
        _pairs.pair_powers(X)


# Groups


def ring(n, radius, angle=0.0):
    turn = 2 * np.pi * np.arange(n) / n + angle
    return radius * np.column_stack([np.cos(turn), np.sin(turn), 0 * turn])


TETRAHEDRON = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
ETHYLENE = np.array(
    [[0.67, 0, 0], [-0.67, 0, 0]] + [[s * 1.24, t * 0.93, 0] for s in (1, -1) for t in (1, -1)]
)
KNOWN = {
    "ammonia": (AMMONIA, AMMONIA_ANGSTROM, 6, 6),
    "methanol": (METHANOL, METHANOL_ANGSTROM, 6, 6),
    "benzene": ([6] * 6 + [1] * 6, np.vstack([ring(6, 1.39), ring(6, 2.48)]), 12, 12),
    "methane": ([6, 1, 1, 1, 1], np.vstack([np.zeros(3), 1.09 * TETRAHEDRON]), 24, 24),
    "ethylene": ([6, 6, 1, 1, 1, 1], ETHYLENE, 8, 8),
    "CHFClBr": (
        [6, 1, 9, 17, 35],
        np.vstack([np.zeros(3), TETRAHEDRON * [[1.09], [1.36], [1.76], [1.94]]]),
        1,
        1,
    ),
    "ethane": (
        [6, 6] + [1] * 6,
        np.vstack(
            [
                [[0, 0, 0.77], [0, 0, -0.77]],
                ring(3, 1.02) + [0, 0, 1.16],
                ring(3, 1.02, np.pi / 3) - [0, 0, 1.16],
            ]
        ),
        36,
        72,
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_groups_of_known_molecules(name, rng):
    """Ethane's bond graph has 72 automorphisms; half would turn one methyl inside out and not the other."""
    numbers, at, order, automorphisms = KNOWN[name]
    X = frames(at, 5, rng, 0.02)
    group = _pairs.molecular_permutations(numbers, X)
    assert len(group) == order
    assert (group[0] == np.arange(len(numbers))).all()
    assert (np.asarray(numbers)[group] == numbers).all()
    known = {tuple(g) for g in group}
    assert {tuple(s[t]) for s in group for t in group} == known
    bonded = _pairs.bond_graph(numbers, X)
    assert len(list(_pairs._automorphisms(np.asarray(numbers), bonded))) == automorphisms
    classes = _pairs.orbits(_pairs.pair_permutations(group))
    pairs = _pairs.pair_permutations(group)
    assert (classes[pairs] == classes).all()
    assert len(np.unique(classes)) == len({tuple(np.unique(pairs[:, p])) for p in range(pairs.shape[1])})


def test_the_group_does_not_depend_on_the_order_of_the_atoms(rng):
    X = frames(METHANOL_ANGSTROM, 5, rng, 0.03)
    order = rng.permutation(6)
    group = _pairs.molecular_permutations(METHANOL[order], X[:, order])
    back = {tuple(order[g][np.argsort(order)]) for g in group}
    assert back == {tuple(g) for g in _pairs.molecular_permutations(METHANOL, X)}


def test_what_no_group_can_be_found_for(rng):
    X = frames(METHANOL_ANGSTROM, 2, rng, 0.02)
    with pytest.raises(ValueError, match="no covalent radius"):
        _pairs.molecular_permutations([92, 8, 1, 1, 1, 1], X)
    with pytest.raises(ValueError, match="more than 5 permutations"):
        _pairs.molecular_permutations(METHANOL, X, most=5)
