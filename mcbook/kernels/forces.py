"""Energies and forces in one kernel matrix: observations of a function and of its derivatives.

Problem    learn an energy E(x) from energies E(x_i) and from forces F(x_i) = -∇E(x_i), and predict both
Model      E ~ GP(beta, k), k(x, z) = phi(s), s = ‖x - z‖²/sigma²; derivatives of a GP are jointly Gaussian
Blocks     with delta = x - z, in rows for the observations at x and columns for those at z:
           Cov(E, E)  = phi
           Cov(E, F)  = -∂k/∂z      =  2 phi' delta/sigma²
           Cov(F, E)  = -∂k/∂x      = -2 phi' delta/sigma²
           Cov(F, F)  = ∂²k/∂x∂zᵀ   = -2 phi' I/sigma² - 4 phi'' delta deltaᵀ/sigma⁴: two minus signs cancel
Solver     C = K + diag(lam_energy, …, lam_force, …), C alpha + P beta = y, Pᵀalpha = 0: beta shifts energies
Reference  solak2003, chmiela2017
Symbols    X (n, d) points, m energies first, then the forces point by point: N = m + n d; delta (n, m, d)

Predicted forces are minus the gradient of the predicted energy, exactly: the field is conservative.  beta,
the energy's unknown zero, is an unpenalised column: ones for energies, zeros for forces.
Units: lam_energy in those of E², lam_force in those of (E/length)², both over the kernel's variance.
"""

from typing import Any, NamedTuple

import numpy as np

from mcbook.kernels._checks import named_kernel, points, ridge, targets, widths
from mcbook.kernels._factor import coefficients, factorise
from mcbook.kernels.functions import GAUSSIAN, KERNELS, Kernel


class EnergyForces(NamedTuple):
    """A fit to energies, forces or both; `predict_energy_forces` uses it."""

    alpha_energy: np.ndarray  # (m,), m = n or 0
    alpha_force: np.ndarray  # (n, d) or (0, d)
    beta: float  # the energy's zero; 0 where only forces were seen
    X: np.ndarray  # (n, d)
    kernel: Kernel
    sigma: np.ndarray  # ()


def block_energy_energy(X: Any, Z: Any, *, kernel: Kernel = GAUSSIAN, sigma: Any) -> np.ndarray:
    """Cov(E(x_i), E(z_j)) = phi(s_ij), (n, m)."""
    _, S = _differences(X, Z, sigma)
    return kernel.phi(S)


def block_energy_force(X: Any, Z: Any, *, kernel: Kernel = GAUSSIAN, sigma: Any) -> np.ndarray:
    """Cov(E(x_i), F(z_j)) = -∂k/∂z = 2 phi' (x - z)/sigma², (n, m, d)."""
    delta, S = _differences(X, Z, sigma)
    return 2 * kernel.dphi(S)[..., None] * delta / sigma**2


def block_force_force(X: Any, Z: Any, *, kernel: Kernel = GAUSSIAN, sigma: Any) -> np.ndarray:
    """Cov(F(x_i), F(z_j)) = ∂²k/∂x∂zᵀ = -2 phi' I/sigma² - 4 phi'' delta deltaᵀ/sigma⁴, (n, d, m, d)."""
    delta, S = _differences(X, Z, sigma)
    d = delta.shape[-1]
    isotropic = np.einsum("ij,ab->iajb", -2 * kernel.dphi(S) / sigma**2, np.eye(d))
    along = np.einsum("ij,ija,ijb->iajb", -4 * kernel.d2phi(S) / sigma**4, delta, delta)
    return isotropic + along


def energy_force_matrix(
    X: Any, Z: Any, *, kernel: Any = "gaussian", sigma: Any, energy: bool = True, force: bool = True
) -> np.ndarray:
    """The whole K: rows the energies then the forces at X (n, d), columns those at Z (m, d).

    `energy` and `force` say which the columns hold; the rows always hold both: (n + n d, m + m d) in full.
    Raises ValueError for a kernel that is not smooth enough for forces (Laplacian, Matérn-1/2).
    """
    kernel, X, Z, sigma = _prepare(X, Z, kernel, sigma)
    n, d = X.shape
    columns = []
    if energy:
        FE = block_energy_force(Z, X, kernel=kernel, sigma=sigma)  # Cov(E(z), F(x)), (m, n, d)
        EE = block_energy_energy(X, Z, kernel=kernel, sigma=sigma)
        columns.append(np.vstack([EE, FE.reshape(len(Z), n * d).T]))
    if force:
        EF = block_energy_force(X, Z, kernel=kernel, sigma=sigma).reshape(n, -1)
        FF = block_force_force(X, Z, kernel=kernel, sigma=sigma).reshape(n * d, -1)
        columns.append(np.vstack([EF, FF]))
    if not columns:
        raise ValueError("energy_force_matrix needs energy=True, force=True or both; got neither.")
    return np.hstack(columns)


def fit_energy_forces(
    X: Any,
    *,
    energy: Any = None,
    force: Any = None,
    kernel: Any = "gaussian",
    sigma: Any,
    lam_energy: Any = 1e-8,
    lam_force: Any = 1e-8,
) -> EnergyForces:
    """Fit energies (n,), forces (n, d) = -∇E, or both, at X (n, d).

    From forces alone the energy is known up to a constant: its zero is then the prior's, beta = 0.
    Raises ValueError without observations, for shapes that do not fit, NaN, lam < 0, a singular system, or a
    kernel that is not smooth enough.
    """
    kernel, X, _, sigma = _prepare(X, X, kernel, sigma)
    n, d = X.shape
    if energy is None and force is None:
        raise ValueError("fit_energy_forces needs energy (n,), force (n, d) or both; got neither.")
    E = np.zeros(0) if energy is None else targets(energy, n, "energy", one=True)
    F = np.zeros((0, d)) if force is None else points(force, "force", d=d)
    if force is not None and len(F) != n:
        raise ValueError(f"force must be ({n}, {d}), a vector for every point; got {F.shape}.")
    K = energy_force_matrix(X, X, kernel=kernel, sigma=sigma, energy=len(E) > 0, force=len(F) > 0)
    C = np.ascontiguousarray(K[0 if len(E) else n : None if len(F) else n])
    noise = [ridge(lam_energy, "lam_energy")] * len(E) + [ridge(lam_force, "lam_force")] * F.size
    C[np.diag_indices_from(C)] += noise
    P = np.repeat([[1.0], [0.0]], [len(E), F.size], axis=0)[:, : int(len(E) > 0)]
    alpha, beta = coefficients(factorise(C, P), np.concatenate([E, F.ravel()]))
    return EnergyForces(alpha[: len(E)], alpha[len(E) :].reshape(-1, d), float(beta.sum()), X, kernel, sigma)


def predict_energy_forces(model: EnergyForces, X: Any) -> tuple[np.ndarray, np.ndarray]:
    """The energy (m,) and the force (m, d), minus the energy's gradient, at X (m, d)."""
    X = points(X, "X", d=model.X.shape[1])
    K = energy_force_matrix(
        X,
        model.X,
        kernel=model.kernel,
        sigma=model.sigma,
        energy=len(model.alpha_energy) > 0,
        force=len(model.alpha_force) > 0,
    )
    both = K @ np.concatenate([model.alpha_energy, model.alpha_force.ravel()])
    return both[: len(X)] + model.beta, both[len(X) :].reshape(X.shape)


def _differences(X: Any, Z: Any, sigma: Any) -> tuple[np.ndarray, np.ndarray]:
    """delta (n, m, d) = x_i - z_j, and s (n, m) from it: no cancellation where points nearly meet."""
    delta = np.asarray(X)[:, None, :] - np.asarray(Z)[None, :, :]
    return delta, (delta**2).sum(-1) / sigma**2


def _prepare(X: Any, Z: Any, kernel: Any, sigma: Any) -> tuple[Kernel, np.ndarray, np.ndarray, np.ndarray]:
    kernel, X = named_kernel(kernel, KERNELS), points(X, "X")
    if kernel.smooth < 1:
        raise ValueError(
            f"the {kernel.name} kernel has a corner where points meet: its functions have no forces. Take "
            f"{', '.join(k.name for k in KERNELS.values() if k.smooth)}."
        )
    sigma = widths(sigma, X.shape[1])
    if sigma.ndim:
        raise ValueError(f"forces need one width for all coordinates, got {sigma.shape}.")
    return kernel, X, points(Z, "Z", d=X.shape[1]), sigma
