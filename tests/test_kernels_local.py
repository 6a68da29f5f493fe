"""Coulomb matrices, the local representation and its kernel: formulas, invariances, smoothness, oracles."""

import numpy as np
import pytest
from molecule_problems import (
    CARBON_DIOXIDE,
    FORMALDEHYDE,
    METHANE,
    MOLECULES,
    WATER,
    moved,
    renumbered,
    shaken,
)

from mcbook import kernels

BASIS = kernels.Basis()
KINDS = (1, 6, 8)


# ---- Coulomb matrices -------------------------------------------------------------------------------------


def test_coulomb_matrix_is_the_formula() -> None:
    Z, R = WATER
    M = kernels.coulomb_matrix(Z, R)
    r_oh, r_hh = np.linalg.norm(R[0] - R[1]), np.linalg.norm(R[1] - R[2])
    expected = [[0.5 * 8**2.4, 8 / r_oh, 8 / r_oh], [8 / r_oh, 0.5, 1 / r_hh], [8 / r_oh, 1 / r_hh, 0.5]]
    bohr = 0.529177210903
    expected = np.where(np.eye(3), expected, np.array(expected) * bohr)
    np.testing.assert_allclose(M, expected, rtol=1e-9)


def test_coulomb_matrices_do_not_notice_motion_or_numbering(rng) -> None:
    bent = shaken(rng, FORMALDEHYDE)
    X = kernels.coulomb_matrices([bent, moved(rng, bent), renumbered(rng, bent)[0]])
    np.testing.assert_allclose(X[1:], X[:1].repeat(2, axis=0), rtol=1e-11, atol=1e-11)
    assert np.abs(kernels.coulomb_matrices([shaken(rng, bent)]) - X[0]).max() > 1e-3


def test_rows_stand_in_falling_order_and_padding_is_zero() -> None:
    size = 7
    X = kernels.coulomb_matrices(MOLECULES, size=size)
    assert X.shape == (4, size * (size + 1) // 2)
    for row, (Z, _) in zip(X, MOLECULES, strict=True):
        M = np.zeros((size, size))
        M[np.tril_indices(size)] = row
        M = M + np.tril(M, -1).T
        norms = np.linalg.norm(M, axis=1)
        assert (np.diff(norms) <= 1e-12).all()
        assert (norms[len(Z) :] == 0).all()
        assert (norms[: len(Z)] > 0).all()


def test_a_size_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="size must be at least 5"):
        kernels.coulomb_matrices(MOLECULES, size=4)


# ---- the local representation -----------------------------------------------------------------------------


def by_loops(Z, R, kinds, basis: kernels.Basis) -> np.ndarray:
    """The formulas of the module's docstring, sum by sum."""
    kinds, a, L, M = list(kinds), len(Z), basis.three_count, len(basis.orders)
    pairs = [(p, q) for p in range(len(kinds)) for q in range(p, len(kinds))]
    two = np.zeros((a, len(kinds), basis.two_count))
    three = np.zeros((a, len(pairs), L, M))
    fc = lambda r, rc: (1 + np.cos(np.pi * r / rc)) / 2 if r < rc else 0.0  # noqa: E731
    for i in range(a):
        for j in set(range(a)) - {i}:
            r = np.linalg.norm(R[j] - R[i])
            s2 = np.log(1 + basis.two_spread / r**2)
            for k in range(basis.two_count):
                x = basis.two_cutoff * (k + 1) / basis.two_count
                g = np.exp(-((np.log(x) - np.log(r) + s2 / 2) ** 2) / (2 * s2)) / (
                    x * np.sqrt(2 * np.pi * s2)
                )
                two[i, kinds.index(Z[j]), k] += g * r**-basis.two_power * fc(r, basis.two_cutoff)
            for k in set(range(j + 1, a)) - {i}:
                u, v, w = R[j] - R[i], R[k] - R[i], R[k] - R[j]
                a_ij, a_ik, a_jk = np.linalg.norm(u), np.linalg.norm(v), np.linalg.norm(w)
                c = u @ v / a_ij / a_ik
                atm = 1 + 3 * c * (-u @ w / a_ij / a_jk) * (v @ w / a_ik / a_jk)
                weight = basis.three_weight * atm * (a_ij * a_ik * a_jk) ** -basis.three_power
                weight *= fc(a_ij, basis.three_cutoff) * fc(a_ik, basis.three_cutoff)
                p = pairs.index(tuple(sorted((kinds.index(Z[j]), kinds.index(Z[k])))))
                for l in range(L):  # noqa: E741
                    x = basis.three_cutoff * (l + 1) / L
                    h = np.exp(-basis.three_sharpness * ((a_ij + a_ik) / 2 - x) ** 2)
                    for m, order in enumerate(basis.orders):
                        three[i, p, l, m] += weight * h * np.cos(order * np.arccos(np.clip(c, -1, 1)))
    return np.concatenate([two.reshape(a, -1), three.reshape(a, -1)], axis=1)


@pytest.mark.parametrize("molecule", [FORMALDEHYDE, CARBON_DIOXIDE, METHANE])
def test_environments_are_the_formulas(molecule, rng) -> None:
    molecule = molecule if molecule is CARBON_DIOXIDE else shaken(rng, molecule)
    found = kernels.environments([molecule], elements=KINDS).features
    expected = by_loops(*molecule, KINDS, BASIS)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    planted = by_loops(*molecule, KINDS, BASIS._replace(three_weight=1.001 * BASIS.three_weight))
    assert np.abs(found - planted).max() > 1e-6 * np.abs(expected).max()


def test_molecules_do_not_disturb_one_another(rng) -> None:
    several = [shaken(rng, m) for m in (METHANE, WATER, FORMALDEHYDE, METHANE, WATER)]
    together = kernels.environments(several, elements=KINDS)
    alone = [kernels.environments([m], elements=KINDS).features for m in several]
    np.testing.assert_allclose(together.features, np.concatenate(alone), rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(together.counts, [5, 3, 4, 5, 3])


def test_environments_do_not_notice_motion_and_follow_the_numbering(rng) -> None:
    bent = shaken(rng, FORMALDEHYDE)
    other, order = renumbered(rng, moved(rng, bent))
    G = kernels.environments([bent], elements=KINDS).features
    np.testing.assert_allclose(
        kernels.environments([other], elements=KINDS).features, G[order], rtol=1e-8, atol=1e-11
    )
    assert np.abs(kernels.environments([shaken(rng, bent)], elements=KINDS).features - G).max() > 1e-3


@pytest.mark.parametrize("function", ["cutoff", "two_body", "three_body"])
def test_value_and_slope_vanish_at_the_cutoff(function: str) -> None:
    rc, h = BASIS.two_cutoff, 1e-4
    assert rc == BASIS.three_cutoff
    evaluate = {
        "cutoff": lambda r: kernels.cutoff(r, rc),
        "two_body": lambda r: kernels.two_body(r, BASIS),
        "three_body": lambda r: kernels.three_body(r, np.full(3, 1.5), r, BASIS),
    }[function]
    inside, at, outside = evaluate(np.array([rc - h, rc, rc + h]))
    scale = np.abs(evaluate(np.full(3, 1.5))).max()
    assert np.abs(inside).max() < 10 * scale * h**2  # a first-order zero would be 1e4 times larger
    assert np.abs(at).max() == np.abs(outside).max() == 0


def test_three_atoms_through_a_line_are_smooth(rng) -> None:
    """theta has a kink at 180°, cos(m theta) has none: even in the bend, so the central slope is O(h²)."""
    Z, R = CARBON_DIOXIDE
    bend = np.zeros_like(R)
    bend[0, 0] = 1.0
    G = [kernels.environments([(Z, R + h * bend)], elements=KINDS).features for h in (-1e-3, 0.0, 1e-3)]
    scale = np.abs(G[1]).max()
    assert np.abs(G[2] - G[0]).max() < 1e-9 * scale
    assert np.abs(G[2] - G[1]).max() < 1e-4 * scale  # a kink would show as 1e-3


def test_bad_bases_and_elements_are_refused() -> None:
    with pytest.raises(ValueError, match="O occurs"):
        kernels.environments([WATER], elements=[1, 6])
    with pytest.raises(ValueError, match="two_cutoff must be positive"):
        kernels.environments([WATER], basis=BASIS._replace(two_cutoff=0.0))
    with pytest.raises(ValueError, match="orders must be integers ≥ 0"):
        kernels.environments([WATER], basis=BASIS._replace(orders=()))


# ---- the kernel -------------------------------------------------------------------------------------------


def kernel_by_loops(A: kernels.Environments, B: kernels.Environments, sigma: float) -> np.ndarray:
    def atoms(env):
        ends = np.cumsum(env.counts)
        return [
            (env.numbers[e - k : e], env.features[e - k : e]) for e, k in zip(ends, env.counts, strict=True)
        ]

    return np.array(
        [
            [
                sum(
                    np.exp(-((g - h) ** 2).sum() / (2 * sigma**2))
                    for z, g in zip(*a, strict=True)
                    for y, h in zip(*b, strict=True)
                    if y == z
                )
                for b in atoms(B)
            ]
            for a in atoms(A)
        ]
    )


def sets(rng):
    first = [shaken(rng, m) for m in MOLECULES * 3]
    return (
        kernels.environments(first, elements=KINDS),
        kernels.environments([shaken(rng, m) for m in MOLECULES[:3]], elements=KINDS),
    )


@pytest.mark.parametrize("sigma", [0.3, 5.0])
@pytest.mark.parametrize("tiles", [(384, 3072), (7, 11)])
def test_local_kernel_is_the_double_sum(sigma: float, tiles, rng, monkeypatch) -> None:
    monkeypatch.setattr("mcbook.kernels.additive.TILE_ROWS", tiles[0])
    monkeypatch.setattr("mcbook.kernels.additive.TILE_COLUMNS", tiles[1])
    A, B = sets(rng)
    K, K_new = kernels.local_kernel(A, sigma=sigma), kernels.local_kernel(A, B, sigma=sigma)
    np.testing.assert_allclose(K, kernel_by_loops(A, A, sigma), rtol=1e-12)
    np.testing.assert_allclose(K_new, kernel_by_loops(A, B, sigma), rtol=1e-12)
    np.testing.assert_array_equal(K, K.T)
    assert np.linalg.eigvalsh(K)[0] > -1e-12 * K.max()


def test_nothing_in_common_is_zero_and_energies_add_up(rng) -> None:
    hydrogen = ([1, 1], np.array([[0, 0, 0], [0, 0, 0.74]]))
    env = kernels.environments([hydrogen, CARBON_DIOXIDE], elements=KINDS)
    K = kernels.local_kernel(env, sigma=1.0)
    assert K[0, 1] == K[1, 0] == 0
    np.testing.assert_allclose(K[0, 0], 4.0, rtol=1e-12)  # two equal atoms, twice
    np.testing.assert_allclose(K[1, 1], 1.0 + 4.0, rtol=1e-12)


def test_leave_one_out_with_dressed_atoms_is_refitting(rng) -> None:
    molecules = [shaken(rng, m) for m in MOLECULES * 4]
    env, P = kernels.environments(molecules), kernels.composition(molecules)
    K, y = kernels.local_kernel(env, sigma=0.5), rng.normal(size=len(molecules)) + P @ [50.0, 170.0, 100.0]
    left = kernels.leave_one_out(K, y, lam=1e-2, P=P)
    for i in range(len(y)):
        rest = np.delete(np.arange(len(y)), i)
        alpha, beta = kernels.solve(K[np.ix_(rest, rest)], y[rest], lam=1e-2, P=P[rest])
        assert abs(K[i, rest] @ alpha + P[i] @ beta - left.predictions[i]) < 1e-10 * np.abs(y).max()
    shifted = kernels.leave_one_out(K, y + P @ [1.0, -2.0, 3.0], lam=1e-2, P=P)
    np.testing.assert_allclose(shifted.residuals, left.residuals, atol=1e-9)


def test_kernel_arguments_that_make_no_sense() -> None:
    A, B = kernels.environments([WATER]), kernels.environments([METHANE])
    with pytest.raises(ValueError, match="sigma must be a positive number"):
        kernels.local_kernel(A, sigma=0.0)
    C = kernels.environments([METHANE], basis=BASIS._replace(two_count=9))
    with pytest.raises(ValueError, match="same basis and elements"):
        kernels.local_kernel(B, C, sigma=1.0)


def test_principal_axes_keep_distances_and_all_of_them_keep_them_exactly(rng) -> None:
    A, _ = sets(rng)
    K = kernels.local_kernel(A, sigma=1.0)
    width = A.features.shape[1]
    axes = kernels.principal_axes(A, rank=width)
    np.testing.assert_allclose(axes.T @ axes, np.eye(width), atol=1e-12)
    np.testing.assert_allclose(kernels.local_kernel(kernels.compressed(A, axes), sigma=1.0), K, rtol=1e-11)
    gaps = [
        np.abs(kernels.local_kernel(kernels.compressed(A, axes[:, :r]), sigma=1.0) - K).max()
        for r in (2, 8, 30)
    ]
    assert gaps[0] > 10 * gaps[1] > 100 * gaps[2]
    np.testing.assert_array_equal(kernels.principal_axes(A, rank=2), axes[:, :2])
    with pytest.raises(ValueError, match=f"between 1 and the {width} features"):
        kernels.principal_axes(A, rank=width + 1)


# ---- neighbours -------------------------------------------------------------------------------------------


def test_neighbours_are_the_nearest_in_feature_space(rng) -> None:
    Phi = rng.normal(size=(9, 4))
    K = Phi @ Phi.T
    S = kernels.similarity(K)
    unit = Phi / np.linalg.norm(Phi, axis=1, keepdims=True)
    np.testing.assert_allclose(S, unit @ unit.T, atol=1e-14)
    found = kernels.neighbours(K, 3, count=4)
    distances = np.linalg.norm(unit - unit[3], axis=1)
    np.testing.assert_array_equal(found.indices, np.argsort(distances)[1:5])
    assert 3 not in found.indices
    assert (np.diff(found.similarity) <= 0).all()


@pytest.mark.parametrize(("i", "count"), [(-1, 2), (9, 2), (0, 0), (0, 9)])
def test_neighbours_out_of_range(i: int, count: int) -> None:
    with pytest.raises(ValueError, match="0 ≤ i < n"):
        kernels.neighbours(np.eye(9), i, count=count)


def test_similarity_needs_a_kernel_matrix() -> None:
    with pytest.raises(ValueError, match="positive diagonal"):
        kernels.similarity(np.zeros((2, 2)))
