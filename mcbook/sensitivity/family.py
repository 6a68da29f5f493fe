"""Families of sequences evolved on a tree under a known coupling model, and answers whose causes are planted.

Problem    nobody knows what truly matters in a real protein; here it is what was put in, and nothing else
Model      Potts: H(s) = Σ_i h_i[s_i] + Σ_{i<j} J_ij[s_i, s_j], the larger the fitter; J only between contacts
Evolution  one sequence in equilibrium, then a tree in which every branch forks; along a branch Metropolis
           mutations: site and letter at random, kept with probability min(1, exp ΔH). The first forks part
           the samples (and the groups, their top branches), the last make each sample's relatives.
Blocks     PS   (L, q) the sample's own sequence, one-hot
           MSA  (L, 2) of each position of its relatives: log odds of the sample's own letter against the
                background, and conservation log q - entropy, both in nats; pseudocount 1 over the letters
Answer     y = p(s) + r(m) + κ p(s) r(m) / √(Var p Var r) + noise
           p(s) = α (Σ_{i in S} h_i[s_i] + Σ_{i<j in S} J_ij[s_i, s_j]) - mean
           r(m) = β tanh(Σ_{j in T} w_j·(m_j - m̄_j)) - mean,   S, T the planted positions
           With κ = 0 the blocks add up, and p and r are their contributions by whatever definition.
Symbols    L positions, q letters, n samples, R relatives each; S, T supports; κ interaction
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from mcbook.sensitivity._layout import Array, Partial


class Potts(NamedTuple):
    """Fields h (L, q) and couplings J (L, L, q, q), J_ij = J_jiᵀ, J_ii = 0; in units of temperature."""

    h: Float[np.ndarray, "L q"]
    J: Float[np.ndarray, "L L q q"]


class Planted(NamedTuple):
    """The true function's parts; zero outside the supports. An argument of `true_answer`."""

    h: Float[Array, "L q"]
    J: Float[Array, "L L q q"]
    w: Float[Array, "L 2"]
    centre: Float[Array, "L 2"]  # m̄, the MSA block's mean
    beta: Float[Array, ""]
    mean: Float[Array, " 2"]  # of the two contributions over the samples
    kappa: Float[Array, ""]  # over √(Var p Var r)


class Families(NamedTuple):
    """n samples: blocks X, answers y (n,) without noise in `clean`, and what was planted.

    `contributions` (n, 2) are p and r, less their means. `support`: which positions matter, per block.
    `clades` (n,): the top branch of the tree that a sample sits on; samples of one clade are relatives.
    """

    X: dict[str, Any]
    y: Float[np.ndarray, " n"]
    clean: Float[np.ndarray, " n"]
    contributions: Float[np.ndarray, "n 2"]
    support: dict[str, Bool[np.ndarray, " L"]]
    planted: Planted
    clades: Int[np.ndarray, " n"]
    sequences: Int[np.ndarray, "n L"]
    relatives: Int[np.ndarray, "n R L"]


# The coupling model and evolution under it


def random_potts(
    rng: np.random.Generator,
    *,
    sites: int = 20,
    letters: int = 5,
    contacts: int = 30,
    field: int | float = 0.6,
    coupling: int | float = 0.8,
) -> Potts:
    """Normal fields and, on `contacts` pairs of positions, normal couplings; standard deviations as given.

    Raises ValueError for sizes below 2 and for more contacts than pairs.
    """
    pairs = np.argwhere(np.triu(np.ones((sites, sites), bool), 1))
    if min(sites, letters) < 2 or not 0 <= contacts <= len(pairs):
        raise ValueError(
            f"random_potts expects 2 sites and letters or more and at most {len(pairs)} contacts; got "
            f"{sites}, {letters}, {contacts}."
        )
    h, J = field * rng.normal(size=(sites, letters)), np.zeros((sites, sites, letters, letters))
    for i, j in pairs[rng.choice(len(pairs), contacts, replace=False)]:
        J[i, j] = coupling * rng.normal(size=(letters, letters))
        J[j, i] = J[i, j].T
    return Potts(h, J)


def log_fitness(potts: Potts, S: Any) -> Float[np.ndarray, " n"]:
    """H of sequences S (n, L) of letters 0..q-1.  Raises ValueError."""
    S = _sequences(S, potts)
    at = np.arange(S.shape[1])
    pairs = potts.J[at[:, None], at, S[:, :, None], S[:, None, :]]
    return potts.h[at, S].sum(axis=1) + pairs.sum(axis=(1, 2)) / 2


def mutation_effects(potts: Potts, S: Any) -> Float[np.ndarray, "n L q"]:
    """H(mutant) - H(s) of every single mutant: h_i[a] + Σ_j J_ij[a, s_j], less that of the letter there."""
    S = _sequences(S, potts)
    one_hot = np.eye(potts.h.shape[1])[S]
    field = potts.h + np.einsum("ijab,njb->nia", potts.J, one_hot)
    return field - np.take_along_axis(field, S[:, :, None], axis=2)


def evolve(potts: Potts, S: Any, steps: int, *, rng: np.random.Generator) -> Int[np.ndarray, "n L"]:
    """`steps` Metropolis mutations of every sequence in S (n, L), each on its own.  Raises ValueError."""
    S = _sequences(S, potts).copy()
    (n, L), q = S.shape, potts.h.shape[1]
    rows, at = np.arange(n), np.arange(L)[None]
    for _ in range(steps):
        i, new = rng.integers(0, L, n), rng.integers(0, q, n)
        old = S[rows, i]
        fields = [potts.h[i, a] + potts.J[i[:, None], at, a[:, None], S].sum(axis=1) for a in (new, old)]
        kept = np.log(rng.random(n)) < fields[0] - fields[1]
        S[rows, i] = np.where(kept, new, old)
    return S


def fork(potts: Potts, S: Any, forks: int, steps: int, *, rng: np.random.Generator) -> Int[np.ndarray, "m L"]:
    """The tree below each sequence: `forks` times every branch becomes two, each `steps` mutations long.

    The 2^forks leaves of one sequence lie beside each other.
    """
    for _ in range(forks):
        S = evolve(potts, np.repeat(S, 2, axis=0), steps, rng=rng)
    return np.asarray(S)


# Blocks, and the planted answer


def profile(S: Any, relatives: Any, letters: int) -> Float[np.ndarray, "n L 2"]:
    """The MSA block: log odds of a sample's letters in its relatives (n, R, L), and conservation; in nats."""
    f = (np.eye(letters)[relatives].sum(axis=1) + 1 / letters) / (relatives.shape[1] + 1)
    own = np.take_along_axis(f, np.asarray(S)[:, :, None], axis=2)[:, :, 0]
    conservation = np.log(letters) + (f * np.log(f)).sum(axis=2)
    return np.stack([np.log(own * letters), conservation], axis=2)


def contributions(planted: Planted, x: dict[str, Any]) -> Float[Array, " 2"]:
    """p(s) and r(m) of one sample, means not yet taken off; between letters p is the polynomial in s."""
    s, m = x["PS"], x["MSA"]
    pairs = jnp.einsum("ia,ijab,jb->", s, planted.J, s) / 2
    return jnp.stack(
        [(planted.h * s).sum() + pairs, planted.beta * jnp.tanh((planted.w * (m - planted.centre)).sum())]
    )


def true_answer(planted: Planted, x: dict[str, Any]) -> Float[Array, ""]:
    """The planted answer of one sample, without noise."""
    p, r = contributions(planted, x) - planted.mean
    return p + r + planted.kappa * p * r


def true_model(families: Families) -> Any:
    """The planted function as a model of one sample, for the attributions."""
    return Partial(true_answer, jax.tree.map(jnp.asarray, families.planted))


def simulate_families(
    n: int,
    *,
    rng: np.random.Generator,
    potts: Potts | None = None,
    msa_share: int | float = 0.5,
    support: tuple[int, int] = (6, 6),
    kappa: int | float = 0.0,
    noise: int | float = 0.5,
    forks: tuple[int, int] = (5, 60),
    kin: tuple[int, int] = (4, 8),
) -> Families:
    """n samples, each with 2^kin[0] - 1 relatives, and answers of variance about 1 (before the noise).

    Parameters
    ----------
    potts : the coupling model; None draws `random_potts(rng)`.
    msa_share : Var r / (Var p + Var r), the relatives' share of what the blocks contribute.
    support : how many positions matter in PS and in MSA.
    kappa : strength of the interaction; 0 for blocks that add up.
    noise : standard deviation added to the answers.
    forks, kin : (number of forks, mutations tried per branch) above and below the samples' ancestors.

    Raises
    ------
    ValueError : n < 4; a share outside [0, 1]; more planted positions than there are; noise < 0.
    """
    potts = random_potts(rng) if potts is None else potts
    _check(n, potts, msa_share, support, noise, kin)
    S, relatives, clades = _tree(n, potts, forks, kin, rng)
    L, q = potts.h.shape
    X = {"PS": np.eye(q)[S], "MSA": profile(S, relatives, q)}
    masks = {name: _choose(L, k, rng) for name, k in zip(("PS", "MSA"), support, strict=True)}
    planted = _plant(potts, X, masks, msa_share, kappa, rng)
    parts = np.asarray(jax.vmap(partial(contributions, planted))(X)) - planted.mean
    clean = parts.sum(axis=1) + float(planted.kappa) * parts.prod(axis=1)
    y = clean + noise * rng.normal(size=n)
    return Families(X, y, clean, parts, masks, planted, clades, S, relatives)


def _tree(n, potts, forks, kin, rng):
    """Sequences (n, L), relatives (n, R, L) and top branches (n,): leaves of one tree."""
    L, q = potts.h.shape
    root = evolve(potts, rng.integers(0, q, (1, L)), 200 * L, rng=rng)
    top = fork(potts, root, forks[0], forks[1], rng=rng)
    each = -(-n // len(top))
    ancestors = evolve(potts, np.repeat(top, each, axis=0), forks[1], rng=rng)
    order = rng.permutation(len(ancestors))[:n]
    leaves = fork(potts, ancestors[order], *kin, rng=rng).reshape(n, -1, L)
    return leaves[:, 0], leaves[:, 1:], np.repeat(np.arange(len(top)), each)[order]


def _choose(L: int, k: int, rng: np.random.Generator) -> np.ndarray:
    mask = np.zeros(L, dtype=bool)
    mask[rng.choice(L, k, replace=False)] = True
    return mask


def _plant(potts, X, masks, msa_share, kappa, rng) -> Planted:
    """Parts on the supports alone, scaled so that Var p = 1 - msa_share and Var r = msa_share."""
    S, T = masks["PS"], masks["MSA"]
    h, J = potts.h * S[:, None], potts.J * (S[:, None] & S)[:, :, None, None]
    w = rng.normal(size=(len(T), 2)) * T[:, None]
    centre = X["MSA"].mean(axis=0)
    w = w * 1.5 / max(float(np.einsum("nij,ij->n", X["MSA"], w).std()), 1e-12)
    raw = Planted(h, J, w, centre, np.ones(()), np.zeros(2), np.zeros(()))
    sd = np.maximum(np.asarray(jax.vmap(partial(contributions, raw))(X)).std(axis=0), 1e-12)
    scale = np.sqrt([1 - msa_share, msa_share]) / sd
    raw = raw._replace(h=h * scale[0], J=J * scale[0], beta=np.asarray(scale[1]))
    mean = np.asarray(jax.vmap(partial(contributions, raw))(X)).mean(axis=0)
    strength = kappa / max(float(np.sqrt(msa_share * (1 - msa_share))), 1e-12)
    return raw._replace(mean=mean, kappa=np.asarray(strength))


def _sequences(S: Any, potts: Potts) -> np.ndarray:
    S, (L, q) = np.asarray(S), potts.h.shape
    if S.ndim != 2 or S.shape[1] != L or S.dtype.kind not in "iu" or S.min() < 0 or S.max() >= q:
        raise ValueError(
            f"S must be (n, {L}) integers 0..{q - 1}, letters of the model; got shape {S.shape}, {S.dtype}."
        )
    return S


def _check(n, potts, msa_share, support, noise, kin) -> None:
    L = len(potts.h)
    if n < 4 or not 0 <= msa_share <= 1 or noise < 0 or kin[0] < 1:
        raise ValueError(
            "simulate_families expects n ≥ 4, msa_share in [0, 1], noise ≥ 0 and one fork of relatives or "
            f"more; got {n}, {msa_share}, {noise}, {kin}."
        )
    if not all(1 <= k <= L for k in support):
        raise ValueError(f"support must name 1..{L} positions per block, got {support}.")
