"""The network's symmetries and forces, layer by layer and whole; the plain networks; training; bad input."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from symmetry_problems import ETHANOL, NUMBERS, SPECIES, geometry, model, net, potential

from mcbook import _pairs, calculus, symmetry
from mcbook.symmetry import dense, laws, network, training
from mcbook.symmetry import geometry as pairs

FORCE_FIELD = symmetry.force_field(potential())  # compiled once


# --- pairs, cutoff -----------------------------------------------------------------------------------------


def test_displacements_and_their_pull_back(rng):
    X, D_bar = geometry(rng), rng.normal(size=(9, 9, 3))
    np.testing.assert_array_equal(pairs.displacements(X)[1, 4], X[4] - X[1])
    X_bar = pairs.vjp_displacements(D_bar)
    np.testing.assert_allclose(X_bar, jax.vjp(pairs.displacements, X)[1](jnp.asarray(D_bar))[0], atol=1e-13)
    np.testing.assert_allclose(X_bar.sum(axis=0), 0, atol=1e-13)
    calculus.check_vjp(pairs.displacements, lambda X, D_bar: pairs.vjp_displacements(D_bar), X, rng=rng)


@pytest.mark.parametrize(
    "wrong",
    [lambda D: D.sum(1) - D.sum(0), lambda D: D.sum(0), lambda D: 1.001 * (D.sum(0) - D.sum(1))],
    ids=["sign", "half", "0.1 %"],
)
def test_a_wrong_pull_back_is_caught(wrong, rng):
    with pytest.raises(AssertionError):
        calculus.check_vjp(pairs.displacements, lambda X, D_bar: wrong(D_bar), geometry(rng), rng=rng)


def test_the_cutoff_is_twice_differentiable_where_it_ends():
    r = np.linspace(0.1, 7.0, 50)
    slope = jax.vmap(jax.grad(lambda r: pairs.cutoff(r, 5.0)))(jnp.asarray(r))
    np.testing.assert_allclose(pairs.grad_cutoff_r(r, 5.0), slope, atol=1e-15)
    ends = [lambda r: pairs.cutoff(jnp.asarray(r), 5.0)]
    ends += [jax.grad(ends[0]), jax.grad(jax.grad(ends[0]))]
    assert [abs(float(f(4.9999))) < tol for f, tol in zip(ends, (1e-11, 1e-7, 1e-3), strict=True)] == [
        True
    ] * 3
    assert (
        float(jax.grad(ends[2])(4.9999)) < -0.4
    )  # the third derivative jumps: it is no smoother than it says
    assert [float(f(5.0001)) for f in ends] == [0, 0, 0]


def test_no_atom_is_its_own_neighbour(rng):
    r = pairs.lengths(pairs.displacements(geometry(rng)))
    waves = pairs.radial_functions(r, 5.0, 3)
    assert not waves[np.arange(9), np.arange(9)].any()
    assert pairs.radial_functions(r, 5.0, 3)[0, 1, 1] == pytest.approx(
        np.sin(2 * np.pi * r[0, 1] / 5) / r[0, 1] * pairs.cutoff(r[0, 1], 5.0)
    )


# --- the network -------------------------------------------------------------------------------------------


def test_the_network_obeys_every_law_untrained(rng):
    for _ in range(3):
        found = laws.symmetry_errors(FORCE_FIELD, geometry(rng), NUMBERS, rng=rng)
        assert max(found) < 1e-12
        assert max(found.rotation, found.reflection, found.permutation) < 1e-13


def test_forces_are_the_energys_slope(rng):
    X = geometry(rng)
    E, F = FORCE_FIELD(X)
    p = net()
    np.testing.assert_allclose(E, network.energy(p, X, SPECIES), rtol=1e-14)
    np.testing.assert_allclose(
        -F, jax.jit(jax.grad(lambda X: network.energy(p, X, SPECIES)))(jnp.asarray(X)), atol=1e-12
    )
    calculus.check_grad(lambda X: float(FORCE_FIELD(X)[0]), -np.asarray(F), X, rng=rng)
    i, x, h = 4, 1, 1e-4
    up, down = (float(FORCE_FIELD(X + s * h * np.eye(27)[3 * i + x].reshape(9, 3))[0]) for s in (1, -1))
    assert F[i, x] == pytest.approx(-(up - down) / (2 * h), abs=1e-7 * float(abs(F).max()))


@pytest.mark.parametrize(
    "wrong", [lambda G: -G, lambda G: 1.001 * G, lambda G: G[:, ::-1]], ids=["sign", "0.1 %", "axes"]
)
def test_wrong_forces_are_caught(wrong, rng):
    X = geometry(rng)
    with pytest.raises(AssertionError):
        calculus.check_grad(
            lambda X: float(FORCE_FIELD(X)[0]), wrong(-np.asarray(FORCE_FIELD(X)[1])), X, rng=rng
        )


def state_of(rng, f=6):
    return network.State(jnp.asarray(rng.normal(size=(9, f))), jnp.asarray(rng.normal(size=(9, f, 3))))


def surroundings(X):
    D = pairs.displacements(jnp.asarray(X))
    r = pairs.lengths(D)
    return pairs.radial_functions(r, 5.0, 4), D / r[..., None]


@pytest.mark.parametrize("part", ["message", "update"])
def test_each_layer_meets_the_condition(part, rng):
    """Scalars stay, vectors turn: finitely, through the Jacobian, and through its transpose."""
    layer, state = net().layers[0], state_of(rng)
    radial, u = surroundings(geometry(rng))
    split = 9 * 6

    def step(vectors):  # all vectors as rows: those of the state, then the directions to the neighbours
        V, directions = vectors[:split].reshape(9, 6, 3), vectors[split:].reshape(9, 9, 3)
        state_ = state._replace(V=V)
        out = (
            network.message(layer, state_, radial, directions)
            if part == "message"
            else network.update(layer, state_)
        )
        return out.V.reshape(-1, 3), out.s

    rows = jnp.concatenate([state.V.reshape(-1, 3), u.reshape(-1, 3)])
    A, R = laws.skew(rng.normal(size=3)), laws.random_rotation(rng, reflect=True)
    out, s = step(rows)
    np.testing.assert_allclose(step(rows @ R.T)[1], s, atol=1e-12)
    assert laws.equivariance_error(lambda v: step(v)[0], rows, R) < 1e-14
    assert laws.generator_error(lambda v: step(v)[0], rows, A) < 1e-14
    assert laws.torque_error(lambda v: step(v)[0], rows, jnp.asarray(rng.normal(size=out.shape))) < 1e-13
    back = jax.vjp(lambda v: step(v)[1], rows)[1](jnp.asarray(rng.normal(size=s.shape)))[0]
    scale = float(abs(back).max() * abs(rows).max())
    assert abs(laws.torque(back, rows)).max() <= 1e-12 * scale  # a scalar sends no torque back


def test_atoms_beyond_the_cutoff_are_not_heard_and_come_in_smoothly(rng):
    """Two far ethanols: no force between them; the energy of both is the sum."""
    p = net(cutoff_angstrom=3.0)
    X = geometry(rng)
    far = jnp.concatenate([X, X + np.array([20.0, 0, 0])])
    both, one = (
        jax.jit(lambda x, k=k: network.energy_and_forces(p, x, np.tile(SPECIES, k)))(x)
        for x, k in ((far, 2), (jnp.asarray(X), 1))
    )
    np.testing.assert_allclose(both[0], 2 * one[0], rtol=1e-13)
    np.testing.assert_allclose(both[1], np.tile(one[1], (2, 1)), atol=1e-12)


def test_the_number_of_atoms_and_their_elements_matter(rng):
    X = jnp.asarray(geometry(rng))
    assert network.energy(net(), X, SPECIES) != network.energy(net(), X, SPECIES[::-1].copy())
    with pytest.raises(ValueError, match=r"knows the elements \[1, 6, 8\], got \[7\]"):
        network.species_of([6, 7], [1, 6, 8])
    with pytest.raises(ValueError, match="positive sizes"):
        net(features=0)
    with pytest.raises(ValueError, match="positive sizes, cutoff"):
        net(cutoff_angstrom=-1.0)


# --- the plain network -------------------------------------------------------------------------------------


def plain(rng, pairs_in=False, hidden=8):
    X = np.stack([geometry(rng) for _ in range(5)])
    Z = np.array([np.asarray(dense.inverse_distances(x)) for x in X]) if pairs_in else X.reshape(5, -1)
    return dense.init(jax.random.key(1), Z, hidden=hidden, scale_kcal=20.0), X[0]


def test_inverse_distances_pull_back(rng):
    X, z_bar = geometry(rng), rng.normal(size=36)
    r = [1 / np.linalg.norm(X[i] - X[j]) for i, j in itertools.combinations(range(9), 2)]
    np.testing.assert_allclose(dense.inverse_distances(X), r, rtol=1e-14)
    X_bar = dense.vjp_inverse_distances(jnp.asarray(X), jnp.asarray(z_bar))
    np.testing.assert_allclose(
        X_bar, jax.vjp(dense.inverse_distances, jnp.asarray(X))[1](jnp.asarray(z_bar))[0], atol=1e-13
    )
    calculus.check_vjp(dense.inverse_distances, dense.vjp_inverse_distances, X, rng=rng)
    np.testing.assert_allclose(dense.inverse_distances(X), _pairs.pair_powers(X[None])[0], rtol=1e-14)


def test_the_plain_networks_gradient_is_the_automatic_one(rng):
    params, X = plain(rng)
    z = jnp.asarray(X.reshape(-1))
    e, G = dense.plain_and_grad_z(params, z)
    assert e == pytest.approx(float(dense.plain(params, z)))
    np.testing.assert_allclose(G, jax.grad(dense.plain, 1)(params, z), atol=1e-14)
    calculus.check_grad(lambda z: float(dense.plain(params, z)), np.asarray(G), np.asarray(z), rng=rng)
    with pytest.raises(AssertionError):
        calculus.check_grad(
            lambda z: float(dense.plain(params, z)), 1.001 * np.asarray(G), np.asarray(z), rng=rng
        )


@pytest.mark.parametrize("pairs_in", [False, True])
def test_what_the_plain_network_is_fed_decides_which_laws_hold(pairs_in, rng):
    params, X = plain(rng, pairs_in)
    forces = dense.energy_and_forces_pairs if pairs_in else dense.energy_and_forces_raw
    field = jax.jit(lambda X: forces(params, X))
    calculus.check_grad(lambda X: float(field(X)[0]), -np.asarray(field(X)[1]), X, rng=rng)
    found = laws.symmetry_errors(field, X, NUMBERS, rng=rng)._asdict()
    broken = {name for name, value in found.items() if value > 1e-3}
    assert broken == ({"permutation", "energy"} if pairs_in else set(found))
    assert all(value < 1e-12 for name, value in found.items() if name not in broken)


@pytest.mark.parametrize("Z", [np.ones((3, 2)), np.eye(3)[:1], np.eye(3) * np.nan, np.ones(3)])
def test_bad_inputs_of_a_plain_network_are_named(Z):
    with pytest.raises(ValueError, match="two rows or more that differ"):
        dense.init(jax.random.key(0), Z)


# --- training ----------------------------------------------------------------------------------------------


def labelled(rng, n=12):
    """Frames of ethanol, and a network's own energies and forces as their labels."""
    X = np.stack([geometry(rng) for _ in range(n)])
    found = symmetry.predict(potential(7), X)
    return X, found.energy_kcal, found.force_kcal_angstrom


@pytest.fixture(scope="module")
def trained():
    X, E, F = labelled(np.random.default_rng(1))
    options = {"numbers": NUMBERS, "key": jax.random.key(3), "steps": 120, "batch": 6, "rate": 2e-2}
    return X, E, F, symmetry.train(model, net(offset_kcal=float(E.mean())), X, E, F, **options)


def test_training_brings_the_loss_down_and_keeps_the_laws(trained, rng):
    X, E, F, result = trained
    assert not result.diverged
    assert result.losses.shape == (120,)
    assert result.losses[-5:].mean() < 0.25 * result.losses[:5].mean()
    found = symmetry.predict(result.potential, X)
    before = symmetry.predict(potential(offset_kcal=float(E.mean())), X)
    left, first = (np.abs(g.force_kcal_angstrom - F).mean() for g in (found, before))
    assert left < 0.5 * first
    assert max(laws.symmetry_errors(symmetry.force_field(result.potential), X[0], NUMBERS, rng=rng)) < 1e-12


def test_what_is_fixed_stays(trained):
    params = trained[3].potential.params
    assert params.scale_kcal == 20.0
    assert params.cutoff_angstrom == 5.0
    assert not np.allclose(params.embedding, net().embedding)


def test_the_loss_is_what_it_says(rng):
    X, E, F = labelled(rng, 3)
    p = net(offset_kcal=1.0)
    got = symmetry.predict(potential(offset_kcal=1.0), X)
    expected = (((got.force_kcal_angstrom - F) ** 2).mean() + 0.5 * ((got.energy_kcal - E) ** 2).mean()) / 9
    loss = jax.jit(lambda p, *data: training.loss(model, p, *data, s_F=3.0, w=0.5))
    found = loss(p, *(jnp.asarray(v) for v in (X, E, F)))
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_random_rotations_in_jax_are_uniform():
    R = training.random_rotations(jax.random.key(0), 4000)
    np.testing.assert_allclose(np.linalg.det(R), 1, atol=1e-13)
    np.testing.assert_allclose(R @ R.swapaxes(1, 2), np.broadcast_to(np.eye(3), R.shape), atol=1e-13)
    assert abs(R.mean(axis=0)).max() < 0.04
    assert abs((R**2).mean(axis=0) - 1 / 3).max() < 0.025


def test_augmented_labels_turn_with_the_molecule(rng):
    """A model that is exactly right has no loss: turning keeps labels and geometries together."""
    X, E, F = labelled(rng, 6)
    p = net(7)
    options = {"numbers": NUMBERS, "key": jax.random.key(3), "steps": 10, "batch": 6, "rate": 1e-12}
    assert symmetry.train(model, p, X, E, F, augment=True, **options).losses.max() < 1e-24


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((0, 9, 3)), "no frames"),
        (ETHANOL[:, :2], "must be geometries"),
        (ETHANOL * np.nan, r"frame\(s\) \[0\] hold NaN"),
        (
            np.stack([ETHANOL, np.vstack([ETHANOL[:8], ETHANOL[7:8]])]),
            r"coincident atoms in frame\(s\) \[1\]",
        ),
        (ETHANOL / 0.529177, "Perhaps it is in bohr"),
        (ETHANOL / 10, "Perhaps it is in nm"),
        (ETHANOL[:6], "trained on a molecule of 9 atoms, got 6"),
    ],
)
def test_geometries_that_cannot_be_right_are_named(X, message):
    with pytest.raises(ValueError, match=message):
        symmetry.predict(potential(), X)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [(NUMBERS[::-1], "another order"), ([6, 6, 7, 1, 1, 1, 1, 1, 1], "says nothing of other molecules")],
)
def test_other_atoms_are_named(numbers, message):
    with pytest.raises(ValueError, match=message):
        symmetry.predict(potential(), ETHANOL, numbers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"force_kcal_angstrom": lambda F: F / 23.0605}, "Perhaps they are in eV/Å"),
        ({"force_kcal_angstrom": lambda F: F + 1.0}, "sum to zero"),
        ({"force_kcal_angstrom": lambda F: F[:2]}, "one for each frame"),
        ({"energy_kcal": lambda E: E * np.nan}, "finite"),
        ({"energy_kcal": lambda E: E[:, None]}, "one for each frame"),
        ({"numbers": lambda z: z[:3]}, "9 atomic numbers"),
        ({"batch": lambda b: 100}, "1 ≤ batch ≤ 12"),
        ({"steps": lambda s: 1}, "steps ≥ 10"),
        ({"rate": lambda r: 3.0}, "0 < rate < 1"),
    ],
)
def test_bad_training_input_is_named(change, message, trained):
    X, E, F, _ = trained
    good = {
        "X": X,
        "energy_kcal": E,
        "force_kcal_angstrom": 20 * F / np.sqrt((F**2).mean()),
        "numbers": NUMBERS,
    }
    good |= {"key": jax.random.key(0), "batch": 4, "steps": 10, "rate": 1e-3}
    good |= {name: spoil(good[name]) for name, spoil in change.items()}
    with pytest.raises(ValueError, match=message):
        symmetry.train(model, net(), **good)
