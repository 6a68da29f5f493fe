"""The correction itself: a Gaussian process on the pairs of a molecule, with slopes and curvatures.

Problem    f̂ from energies of a difference, or from energies and gradients, at n geometries
Solution   f(z) = beta + (1/|G|) Σ_g Σ_j k (a_j + d·w_j),  k = exp(-½‖d‖²),  d = z - g z_j,  w = J gamma
Gradient   f_z  = Σ k (w - c d),                        c = a + d·w
Hessian    f_zz = Σ k (c (d dᵀ - I) - w dᵀ - d wᵀ);     then by the chain rule of `features` to ∇f and ∇²f
Doubt      var f(X) = s² (k(X, X) - kᵀC⁻¹k + u²/(PᵀC⁻¹P)),  u = 1 - PᵀC⁻¹k
Outside    where the doubt exceeds that of nine in ten training geometries about themselves when left out
References rasmussen2006, bartok2010
Symbols    a (n,) weights of energies, gamma (n, s) of reduced gradients, w (n, p); the rest as in `kernel`

Units: kcal/mol and Å.  sigma in units of the feature; lam over the variance s².
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_triangular

from mcbook._pairs import orbits, pair_powers
from mcbook.correction import _checks
from mcbook.correction.evidence import Observations, covariance, left_out, solved
from mcbook.correction.features import (
    Feature,
    feature_jacobian,
    features,
    named_feature,
    pull_gradient,
    pull_hessian,
    reduced_basis,
)
from mcbook.correction.kernel import Points, blocks, scaled, swaps
from mcbook.correction.slips import refuse_slips

Array = Any
FAMILIAR = 0.9  # of the training geometries are inside
ROUNDING = 1e-14  # a variance below this, in units of s2, is rounding


class Model(NamedTuple):
    """A trained correction; `energy`, `gradient`, `hessian` and `doubt` use it."""

    a: np.ndarray  # (n,) weights of the energies
    w: np.ndarray  # (n, p) weights of the gradients, in the space of z
    offset_kcal: float  # beta, the constant between the two levels
    data: Observations
    L: np.ndarray  # (N, N) Cholesky factor of C
    V: np.ndarray  # (N, q) = C⁻¹P
    M: np.ndarray  # (q, q) = PᵀC⁻¹P
    s2: float  # variance of f, (kcal/mol)²
    sigma: np.ndarray  # (c,) a width for each kind of pair
    lam: np.ndarray  # (2,)
    feature: Feature
    atoms: int
    usual: np.ndarray  # (p,) mean distances of the training set, Å
    left_out_kcal: np.ndarray  # (n,) residuals of energies, each geometry left out in turn
    left_out_sd_kcal: np.ndarray  # (n,) and what the model expected of them
    norm2: float  # ‖f - beta‖² in the kernel's norm, alphaᵀK alpha


class Doubt(NamedTuple):
    """Standard deviation of the energy (m,), and which geometries (m,) lie outside the training region."""

    sd_kcal: np.ndarray
    outside: np.ndarray
    limit_kcal: float


def observe(
    positions_angstrom: Any,
    *,
    energy_kcal: Any,
    gradient_kcal_angstrom: Any = None,
    symmetries: Any = None,
    feature: Any = "log",
    offset_kcal: Any = None,
) -> Observations:
    """Energies (n,) and, if given, gradients (n, a, 3) at positions (n, a, 3), as `fit` and `tune` use them.

    symmetries (g, a): the permutations that change nothing (`like_atoms`).  offset_kcal: a known constant
    between the two levels; None fits it, without a penalty.
    Raises ValueError for shapes, NaN, positions that look like bohr, permutations that are no group, and
    gradients that are not the slopes of the energies (a sign, a unit, another frame).
    """
    X = _checks.frames(positions_angstrom)
    _checks.in_angstrom(X)
    y = _checks.energies(energy_kcal, len(X))
    permutations = _checks.permutations(symmetries, X.shape[1])
    feature = named_feature(feature)
    pairs = _checks.pairs(permutations)
    q, J = features(X, feature), feature_jacobian(X, feature)
    P = np.ones((len(X), 1))
    if offset_kcal is not None:
        y, P = y - float(offset_kcal), np.zeros((len(X), 0))
    if gradient_kcal_angstrom is None:
        return Observations(q, J[:, :, :0], y, P, pairs, orbits(pairs))
    G = _checks.gradients(gradient_kcal_angstrom, X.shape).reshape(len(X), -1)
    V = reduced_basis(J, X.shape[1])
    refuse_slips(q, J, V, y, G)
    reduced = np.einsum("ncs,nc->ns", V, G).ravel()
    P = np.vstack([P, np.zeros((len(reduced), P.shape[1]))])
    return Observations(q, J @ V, np.append(y, reduced), P, pairs, orbits(pairs))


def fit(
    positions_angstrom: Any,
    *,
    energy_kcal: Any,
    gradient_kcal_angstrom: Any = None,
    symmetries: Any = None,
    feature: Any = "log",
    offset_kcal: Any = None,
    sigma: Any,
    lam: Any = 1e-10,
) -> Model:
    """The model at given widths sigma (c,), one for each kind of pair, and noise lam (a number, or two).

    Other arguments and ValueErrors as `observe`; and a singular matrix, which a larger lam cures.
    """
    data = observe(
        positions_angstrom,
        energy_kcal=energy_kcal,
        gradient_kcal_angstrom=gradient_kcal_angstrom,
        symmetries=symmetries,
        feature=feature,
        offset_kcal=offset_kcal,
    )
    kinds = int(data.labels.max()) + 1
    sigma = np.broadcast_to(_checks.positive(sigma, "sigma", (kinds,)), (kinds,))
    lam = np.broadcast_to(_checks.positive(lam, "lam", (2,)), (2,))
    return model_of(positions_angstrom, data, sigma, lam, named_feature(feature), offset_kcal)


def model_of(
    positions_angstrom: Any,
    data: Observations,
    sigma: np.ndarray,
    lam: np.ndarray,
    feature: Feature,
    offset_kcal: Any,
) -> Model:
    """Solve once, and keep what predictions need."""
    X = np.asarray(positions_angstrom, dtype=float)
    C = covariance(data, sigma, lam)
    found = solved(C, data.y, data.P)
    n = len(data.q)
    a, gamma = found.alpha[:n], found.alpha[n:].reshape(n, -1)
    w = np.einsum("nps,ns->np", data.J / sigma[data.labels][:, None], gamma)
    residual, variance = left_out(found.B, found.alpha, n)
    offset = float(found.beta[0]) if len(found.beta) else float(offset_kcal or 0.0)
    noise = np.repeat(lam, [n, len(C) - n])
    norm2 = float(found.alpha @ (data.y - data.P @ found.beta) - noise @ found.alpha**2)
    return Model(
        a=a,
        w=w,
        offset_kcal=offset,
        data=data,
        L=found.L,
        V=found.V,
        M=found.M,
        s2=found.s2,
        sigma=sigma,
        lam=lam,
        feature=feature,
        atoms=X.shape[1],
        usual=pair_powers(X, power=-1).mean(0),
        left_out_kcal=residual,
        left_out_sd_kcal=np.sqrt(found.s2 * variance),
        norm2=norm2,
    )


def energy(model: Model, positions_angstrom: Any) -> Float[np.ndarray, " m"]:
    """f (m,) in kcal/mol, at positions (m, a, 3).  Raises ValueError for another molecule, NaN, bohr."""
    _, z = _scaled(model, positions_angstrom)
    f = sum((k * c).sum(1) for _, k, c, _ in _terms(model, z))
    return model.offset_kcal + f / len(model.data.pairs)


def gradient(model: Model, positions_angstrom: Any) -> Float[np.ndarray, "m a 3"]:
    """∇f (m, a, 3) in kcal/mol/Å; the correction to the force is minus this.  ValueErrors as `energy`."""
    X, z = _scaled(model, positions_angstrom)
    return pull_gradient(X, _slope(model, z), model.feature)


def hessian(model: Model, positions_angstrom: Any) -> Float[np.ndarray, "m a 3 a 3"]:
    """∇²f (m, a, 3, a, 3) in kcal/mol/Å².  ValueErrors as `energy`."""
    X, z = _scaled(model, positions_angstrom)
    return pull_hessian(X, _slope(model, z), _curvature(model, z), model.feature)


def doubt(model: Model, positions_angstrom: Any) -> Doubt:
    """The energy's standard deviation, and a warning outside the training region.  ValueErrors as `energy`.

    A geometry is outside where its standard deviation exceeds what the model has about nine in ten training
    geometries when each is left out.  The scale is the evidence's, which few geometries make too small;
    `learn(…, folds=5)` calibrates it.
    """
    _, z = _scaled(model, positions_angstrom)
    A, D = Points(z, np.zeros((*z.shape, 0))), _training(model)
    b = blocks(A, D, model.data.pairs)
    K = np.hstack([b.EE, b.EG.reshape(len(z), -1)])
    itself = np.mean([np.exp(-0.5 * ((z - g.z) ** 2).sum(1)) for g in swaps(A, model.data.pairs)], axis=0)
    v = solve_triangular(model.L, K.T, lower=True)
    u = 1 - K @ model.V
    variance = itself - (v**2).sum(0) + (u * np.linalg.solve(model.M, u.T).T).sum(1)
    sd = np.sqrt(np.maximum(variance, ROUNDING) * model.s2)
    limit = float(np.quantile(model.left_out_sd_kcal, FAMILIAR))
    return Doubt(sd, sd > limit, limit)


def _training(model: Model) -> Points:
    return scaled(model.data.q, model.data.J, model.sigma[model.data.labels])


def _scaled(model: Model, positions: Any) -> tuple[np.ndarray, np.ndarray]:
    """The positions, checked, and z (m, p)."""
    X = _checks.frames(positions, a=model.atoms)
    _checks.like_training(X, model.usual)
    return X, features(X, model.feature) / model.sigma[model.data.labels]


def _terms(model: Model, z: np.ndarray):
    """For every permutation: d (m, n, p), k (m, n), c = a + d·w (m, n), and w (n, p), permuted."""
    for g in model.data.pairs:
        w = model.w[:, g]
        d = z[:, None, :] - (model.data.q / model.sigma[model.data.labels])[None, :, g]
        yield d, np.exp(-0.5 * (d**2).sum(-1)), model.a + np.einsum("mnp,np->mn", d, w), w


def _slope(model: Model, z: np.ndarray) -> np.ndarray:
    """∂f/∂q (m, p): f_z = Σ k (w - c d), over sigma."""
    f_z = sum(k @ w - np.einsum("mn,mnp->mp", k * c, d) for d, k, c, w in _terms(model, z))
    return f_z / model.sigma[model.data.labels] / len(model.data.pairs)


def _curvature(model: Model, z: np.ndarray) -> np.ndarray:
    """∂²f/∂q∂q (m, p, p): f_zz = Σ k (c (d dᵀ - I) - w dᵀ - d wᵀ), over sigma twice."""
    f_zz = np.zeros((*z.shape, z.shape[1]))
    for d, k, c, w in _terms(model, z):
        v = 0.5 * c[..., None] * d - w  # c d dᵀ - w dᵀ - d wᵀ = v dᵀ + d vᵀ
        outer = np.einsum("mn,mnp,mnr->mpr", k, v, d, optimize=True)
        f_zz += outer + outer.transpose(0, 2, 1) - (k * c).sum(1)[:, None, None] * np.eye(z.shape[1])
    sigma = model.sigma[model.data.labels]
    return f_zz / np.outer(sigma, sigma) / len(model.data.pairs)
