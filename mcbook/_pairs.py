"""Pairs of atoms: powers of their distances with first and second derivatives, and the permutations of atoms.

Problem    a molecule's energy depends on the positions X (a, 3) through the distances of its pairs only
Features   x_p = r_p^-k for the pair p = (i, j), i < j, r_p = ‖u‖, u = X_i - X_j;  k = -1: distances
First      dx_p = w u·(dX_i - dX_j),  w = -k r^-(k+2)
Second     d²x_p = (dX_i - dX_j)ᵀ(w I + w' u uᵀ)(dX_i - dX_j),  w' = k (k + 2) r^-(k+4)
Symmetry   invariant under rotations, reflections and translations; permuting atoms permutes the pairs,
           x(X[perm]) = x(X)[pair_permutations(perm)]
Group      the automorphisms of the bond graph that a molecule can perform without breaking bonds: those that
           keep the handedness of every centre with four neighbours, or turn all of them over (a reflection)
References chmiela2018, longuethiggins1963, cordero2008
Symbols    X (n, a, 3) frames, x (n, p) features, p = a (a - 1)/2; tangents X_dot, x_dot; cotangents x_bar
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

Array = Any

# Covalent radii in Å (Cordero 2008, doi:10.1039/b801115j), by atomic number.
RADII_ANGSTROM = {
    **{1: 0.31, 5: 0.84, 6: 0.76, 7: 0.71, 8: 0.66, 9: 0.57, 14: 1.11},
    **{15: 1.07, 16: 1.05, 17: 1.02, 35: 1.20, 53: 1.39},
}
STRETCH = 1.25  # a bond is shorter than this many sums of covalent radii
MOST = 20_000  # permutations looked at before giving up


def pair_index(a: int) -> tuple[Int[Array, " p"], Int[Array, " p"]]:
    """The atoms i < j of every pair, in the order (0, 1), (0, 2), …: all features here are in this order."""
    return np.triu_indices(a, 1)


def pair_powers(X: Float[Array, "n a 3"], *, power: int = 1) -> Float[Array, "n p"]:
    """r_p^-power of all pairs: inverse distances by default, distances for power = -1.

    Raises ValueError where two atoms coincide.
    """
    return _separations(X)[1] ** -power


def jvp_pair_powers(
    X: Float[Array, "n a 3"], X_dot: Float[Array, "n a 3"], *, power: int = 1
) -> Float[Array, "n p"]:
    """x_dot = w u·(X_dot_i - X_dot_j): how the features change when the atoms move by X_dot."""
    u, r = _separations(X)
    i, j = pair_index(X.shape[1])
    return -power * r ** (-power - 2) * np.einsum("npc,npc->np", u, X_dot[:, i] - X_dot[:, j])


def vjp_pair_powers(
    X: Float[Array, "n a 3"], x_bar: Float[Array, "n p"], *, power: int = 1
) -> Float[Array, "n a 3"]:
    """X_bar = (∂x/∂X)ᵀ x_bar: with x_bar = ∂E/∂x this is ∂E/∂X, with no net force and no torque."""
    u, r = _separations(X)
    pull = (-power * r ** (-power - 2) * x_bar)[..., None] * u
    i, j = pair_index(X.shape[1])
    X_bar = np.zeros(X.shape)
    for k in range(X.shape[1]):
        X_bar[:, k] = pull[:, i == k].sum(axis=1) - pull[:, j == k].sum(axis=1)
    return X_bar


def pair_jacobian(X: Float[Array, "n a 3"], *, power: int = 1) -> Float[Array, "n p a 3"]:
    """∂x/∂X in full: row p is w u at atom i and -w u at atom j, and zero elsewhere."""
    u, r = _separations(X)
    i, j = pair_index(X.shape[1])
    p = np.arange(len(i))
    J = np.zeros((len(X), len(i), *X.shape[1:]))
    J[:, p, i] = -power * r[..., None] ** (-power - 2) * u
    J[:, p, j] = -J[:, p, i]
    return J


def pair_curvature(
    X: Float[Array, "n a 3"], x_bar: Float[Array, "n p"], *, power: int = 1
) -> Float[Array, "n a 3 a 3"]:
    """Σ_p x_bar_p ∂²x_p/∂X∂X: what the features' own curvature adds to a Hessian,

    ∇²E = Jᵀ(∂²E/∂x∂x)J + pair_curvature(X, ∂E/∂x).
    """
    u, r = _separations(X)
    a = X.shape[1]
    i, j = pair_index(a)
    along = power * (power + 2) * r ** (-power - 4) * x_bar
    B = along[..., None, None] * u[..., :, None] * u[..., None, :]
    B += (-power * r ** (-power - 2) * x_bar)[..., None, None] * np.eye(3)
    H = np.zeros((len(X), a, 3, a, 3))
    H[:, i, :, j] = H[:, j, :, i] = -np.moveaxis(B, 1, 0)  # the mixed blocks; the diagonal ones balance them
    for k in range(a):
        H[:, k, :, k] = -H[:, k].sum(axis=2)
    return H


def _separations(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """u (n, p, 3) = X_i - X_j and its length r (n, p).  Raises ValueError where two atoms coincide."""
    i, j = pair_index(X.shape[1])
    u = X[:, i] - X[:, j]
    r = np.sqrt((u**2).sum(axis=-1))
    if not (r > 0).all():
        frame, p = np.argwhere(~(r > 0))[0]
        raise ValueError(
            f"atoms {i[p]} and {j[p]} of frame {frame} coincide (or a position is NaN); drop that frame."
        )
    return u, r


def bond_graph(numbers: Any, X: Float[Array, "n a 3"]) -> Bool[Array, "a a"]:
    """Which atoms are bonded: their median distance (Å) is below 1.25 sums of covalent radii.

    Raises ValueError for an element without a radius in the table.
    """
    unknown = sorted({int(z) for z in numbers} - set(RADII_ANGSTROM))
    if unknown:
        raise ValueError(f"no covalent radius for atomic number(s) {unknown}; pass permutations by hand.")
    radius = np.array([RADII_ANGSTROM[int(z)] for z in numbers])
    i, j = pair_index(len(numbers))
    bonded = np.zeros((len(numbers),) * 2, bool)
    bonded[i, j] = np.median(_separations(X)[1], axis=0) < STRETCH * (radius[i] + radius[j])
    return bonded | bonded.T


def molecular_permutations(numbers: Any, X: Float[Array, "n a 3"], *, most: int = 200) -> Int[Array, "g a"]:
    """The group of permutations that the molecule performs: methyl rotors, flips, … (g, a), identity first.

    Energy(X[perm]) = energy(X) holds for *every* permutation of like atoms; of use are those that lead back
    to shapes that the frames can visit: automorphisms of the bond graph which keep the handedness of all
    centres with four neighbours, or reverse all of it: distances do not tell a shape from its mirror image.
    Ethanol: 6 (3 turns of the methyl, each with or without the mirror), toluene and benzene 12, uracil 1.
    Raises ValueError for more than `most`, and for elements without a radius.
    """
    numbers = np.asarray(numbers)
    bonded = bond_graph(numbers, X)
    signs = handedness(bonded, X)
    found = []
    for k, perm in enumerate(_automorphisms(numbers, bonded)):
        turned = handedness(bonded, X[:, perm]) * signs
        if (turned > 0).all() or (turned < 0).all():
            found.append(perm)
        if len(found) > most or k > MOST:
            raise ValueError(
                f"more than {most} permutations, or {MOST} to look at: pass those that matter by hand."
            )
    return np.array(sorted(found, key=lambda perm: tuple(perm)))


def handedness(bonded: Bool[Array, "a a"], X: Float[Array, "n a 3"]) -> Float[Array, " c"]:
    """±1 for each centre with four or more neighbours: the side on which the first three turn clockwise.

    A vote over the frames of the sign of det(b - a, c - a, d - a) for the first four neighbours a, b, c, d.
    """
    signs = []
    for centre in np.flatnonzero(bonded.sum(axis=1) >= 4):
        a, b, c, d = np.flatnonzero(bonded[centre])[:4]
        edges = np.stack([X[:, b] - X[:, a], X[:, c] - X[:, a], X[:, d] - X[:, a]], axis=1)
        signs.append(np.sign(np.sign(np.linalg.det(edges)).sum() + 0.5))
    return np.array(signs)


def _automorphisms(numbers: np.ndarray, bonded: np.ndarray) -> Iterator[np.ndarray]:
    """All permutations with numbers[perm] = numbers and bonded[perm][:, perm] = bonded, by backtracking."""
    kind = numbers * 100 + bonded.sum(axis=1)

    def extend(perm: list[int]) -> Iterator[np.ndarray]:
        k = len(perm)
        if k == len(numbers):
            yield np.array(perm)
            return
        for atom in np.flatnonzero(kind == kind[k]):
            if atom not in perm and (bonded[atom, perm] == bonded[k, :k]).all():
                yield from extend([*perm, int(atom)])

    return extend([])


def pair_permutations(permutations: Int[Array, "g a"]) -> Int[Array, "g p"]:
    """The same permutations acting on pairs: pair_powers(X[:, perm]) = pair_powers(X)[:, pair_perm]."""
    permutations = np.asarray(permutations)
    a = permutations.shape[1]
    i, j = pair_index(a)
    where = np.zeros((a, a), int)
    where[i, j] = where[j, i] = np.arange(len(i))
    return where[permutations[:, i], permutations[:, j]]


def orbits(permutations: Int[Array, "g p"]) -> Int[Array, " p"]:
    """A label 0, 1, … for each index (atom or pair): equal where some permutation of the group joins them."""
    least = np.asarray(permutations).min(axis=0)
    return np.unique(least, return_inverse=True)[1]
