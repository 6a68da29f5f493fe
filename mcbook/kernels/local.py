"""What an atom sees: a local many-body representation.

Problem    a vector per atom, of fixed length, that turns and moves with the molecule unchanged, that does not
           care how the neighbours are numbered, and goes smoothly to nothing at a cutoff
Two-body   G_i[e, k]     = Σ_{j of e}  g_k(r_ij) r_ij^-p fc(r_ij)
Three-body G_i[ee', l,m] = w Σ_{j<k of ee'} h_l((r_ij + r_ik)/2) cos(m theta) (1 + 3 c_i c_j c_k)
                           (r_ij r_ik r_jk)^-q fc(r_ij) fc(r_ik),   c the cosines of the triangle's angles
Parts      g_k log-normal in r with the centre r_k, h_l Gaussian; fc(r) = (1 + cos(pi r/rc))/2; the factor
           in the middle is that of the triple-dipole energy
References christensen2020 (FCHL19, in whose spirit this is; its own choices differ: shorter cutoffs, weights,
           and cosines up to the fifth order, smooth where three atoms stand in a line)
Symbols    a atoms, b molecules of one size at a time, e elements, r distances in Å, theta the angle at i
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mcbook.kernels.molecules import SYMBOLS, geometries

NUMBERS_AT_ONCE = 4_000_000  # in the largest array: 32 MB


class Basis(NamedTuple):
    """The representation's settings; lengths in Å. Chosen on validation molecules of QM7 (see the page)."""

    two_cutoff: float = 4.0
    two_count: int = 14
    two_spread: float = 0.32  # Å², the variance of the log-normal about r
    two_power: float = 1.8
    three_cutoff: float = 4.0
    three_count: int = 12
    three_sharpness: float = 2.7  # 1/Å²
    three_power: float = 1.0
    three_weight: float = 0.09
    orders: tuple[int, ...] = (0, 1, 2, 3, 4, 5)


class Environments(NamedTuple):
    """The atoms of n molecules, one after the other: features (atoms, p), numbers (atoms,), counts (n,)."""

    features: Float[np.ndarray, "atoms p"]
    numbers: Int[np.ndarray, " atoms"]
    counts: Int[np.ndarray, " n"]


def environments(
    molecules: Sequence[Any], *, basis: Basis | None = None, elements: Sequence[int] | None = None
) -> Environments:
    """The representation of every atom of every molecule, pairs (numbers, positions_angstrom).

    elements: atomic numbers that give the blocks, by default those that occur; p = e two_count +
    e (e + 1)/2 three_count len(orders).  Pass the training set's for a test set.
    Raises ValueError as `geometries` does, for an element that is not among them, and for a bad basis.
    """
    checked, basis = geometries(molecules), _checked(basis or Basis())
    present = sorted({int(z) for Z, _ in checked for z in Z})
    kinds = np.array(present if elements is None else sorted(elements))
    if missing := sorted(set(present) - set(kinds.tolist())):
        names = ", ".join(SYMBOLS[z] for z in missing)
        raise ValueError(f"{names} occurs, but is not among the elements {kinds.tolist()}.")
    counts = np.array([len(Z) for Z, _ in checked])
    starts = np.cumsum(counts) - counts
    width = len(kinds) * basis.two_count
    width += len(kinds) * (len(kinds) + 1) // 2 * basis.three_count * len(basis.orders)
    features = np.empty((int(counts.sum()), width))
    for rows, Z, R in _batches(checked, counts, len(kinds), basis):
        found = _represent(Z, R, kinds, basis)
        for start, block in zip(starts[rows], found, strict=True):
            features[start : start + len(block)] = block
    return Environments(features, np.concatenate([Z for Z, _ in checked]), counts)


def principal_axes(env: Environments, *, rank: int) -> Float[np.ndarray, "p rank"]:
    """Orthonormal directions (p, rank) in which environments differ most; see `compressed`.

    From the second moments about the mean of each element's atoms (at most 20 000 in all), so that what
    tells two atoms of one element apart is kept.
    Raises ValueError for a rank that is not within 1 … p.
    """
    width = env.features.shape[1]
    if not 1 <= rank <= width:
        raise ValueError(f"rank must be between 1 and the {width} features, got {rank}.")
    step = -(-len(env.features) // 20_000)
    moments = np.zeros((width, width))
    for z in np.unique(env.numbers):
        G = env.features[env.numbers == z][::step]
        G = G - G.mean(axis=0)
        moments += G.T @ G
    return np.linalg.eigh(moments)[1][:, ::-1][:, :rank]


def compressed(env: Environments, axes: Any) -> Environments:
    """Features on those axes, (atoms, rank): distances hardly change, and products have less to do."""
    return env._replace(features=env.features @ np.asarray(axes))


def cutoff(r: np.ndarray, rc: float) -> np.ndarray:
    """(1 + cos(pi r/rc))/2 inside rc, 0 outside: value and slope vanish together at rc."""
    return np.where(r < rc, 0.5 * (1 + np.cos(np.pi * np.minimum(r, rc) / rc)), 0.0)


def two_body(r: np.ndarray, basis: Basis) -> np.ndarray:
    """g_k(r) r^-p fc(r), (…, two_count): in k a log-normal density of mean r and variance two_spread."""
    centres = np.linspace(0, basis.two_cutoff, basis.two_count + 1)[1:]
    log_variance = np.log1p(basis.two_spread / r**2)
    deviation = np.sqrt(log_variance)
    mean = np.log(r) - log_variance / 2
    z = (np.log(centres) - mean[..., None]) / deviation[..., None]
    density = np.exp(-(z**2) / 2) / (np.sqrt(2 * np.pi) * deviation[..., None] * centres)
    return density * (cutoff(r, basis.two_cutoff) * r**-basis.two_power)[..., None]


def three_body(r_ij: np.ndarray, r_ik: np.ndarray, r_jk: np.ndarray, basis: Basis) -> np.ndarray:
    """The three-body term of one triangle, seen from i: (…, three_count · len(orders)); lengths in Å."""
    cosines = [
        (a**2 + b**2 - c**2) / (2 * a * b)
        for a, b, c in ((r_ij, r_ik, r_jk), (r_ij, r_jk, r_ik), (r_ik, r_jk, r_ij))
    ]
    c_i = np.clip(cosines[0], -1.0, 1.0)
    centres = np.linspace(0, basis.three_cutoff, basis.three_count + 1)[1:]
    weight = basis.three_weight * (1 + 3 * c_i * cosines[1] * cosines[2])
    weight = weight * (r_ij * r_ik * r_jk) ** -basis.three_power
    weight = weight * cutoff(r_ij, basis.three_cutoff) * cutoff(r_ik, basis.three_cutoff)
    middle = (r_ij + r_ik)[..., None] / 2
    radial = weight[..., None] * np.exp(-basis.three_sharpness * (middle - centres) ** 2)
    angular = np.cos(np.arccos(c_i)[..., None] * np.array(basis.orders))
    product = radial[..., None] * angular[..., None, :]
    return product.reshape(*product.shape[:-2], -1)


def _represent(Z: np.ndarray, R: np.ndarray, kinds: np.ndarray, basis: Basis) -> np.ndarray:
    """(b, a, p) for b molecules of a atoms each: sums over neighbours are products with 0/1 matrices."""
    b, a = Z.shape
    of_kind = (Z[:, None, :] == kinds[:, None]).astype(float)  # (b, e, a)
    r = np.linalg.norm(R[:, :, None] - R[:, None], axis=-1)
    r[:, np.arange(a), np.arange(a)] = 2 * max(basis.two_cutoff, basis.three_cutoff)  # no atom sees itself
    pairs = (of_kind[:, None] @ two_body(r, basis)).reshape(b, a, -1)
    j, k = np.triu_indices(a, 1)
    low, high = np.triu_indices(len(kinds))
    of_pair = of_kind[:, low][..., j] * of_kind[:, high][..., k]
    of_pair += (low != high)[:, None] * of_kind[:, high][..., j] * of_kind[:, low][..., k]  # (b, ee', jk)
    terms = three_body(r[:, :, j], r[:, :, k], r[:, None, j, k], basis)  # (b, a, jk, l m)
    return np.concatenate([pairs, (of_pair[:, None] @ terms).reshape(b, a, -1)], axis=-1)


def _batches(
    checked: list, counts: np.ndarray, kinds: int, basis: Basis
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, numbers and positions of molecules of one size, few enough for the largest array."""
    for a in np.unique(counts):
        rows = np.flatnonzero(counts == a)
        terms = a * (a * (a - 1) // 2 + kinds**2) * basis.three_count * len(basis.orders)
        step = max(1, int(NUMBERS_AT_ONCE // max(terms, 1)))
        for some in np.split(rows, range(step, len(rows), step)):
            yield some, np.stack([checked[i][0] for i in some]), np.stack([checked[i][1] for i in some])


def _checked(basis: Basis) -> Basis:
    positive = ("two_cutoff", "two_count", "two_spread", "three_cutoff", "three_count", "three_sharpness")
    for name in positive:
        if not getattr(basis, name) > 0:
            raise ValueError(f"the basis' {name} must be positive, got {getattr(basis, name)}.")
    if not basis.orders or min(basis.orders) < 0:
        raise ValueError(f"the basis' orders must be integers ≥ 0, one or more; got {basis.orders}.")
    return basis
