"""A gradient-domain model: one potential learnt from forces, with the molecule's symmetries built in.

Problem    min over E of Σ_i ‖F_i + ∇E(X_i)‖²/lam + ‖E‖²_H: forces seen, energies and forces wanted
Model      E(X) = Σ_j Σ_g k(x, g x_j) u(x, g x_j)·(g b_j) + E_0,  b_j = J̃_j α_j, by the representer theorem
Gradient   ∂E/∂x = Σ k [(u·b) u + v ∘ b];  F = -∇E = -Jᵀ ∂E/∂x: conservative, without net force or torque
Solver     (K + lam I) α = Qᵀ F: Cholesky in place in 3a - 6 directions for each frame.  That is exact: the
           other six are in the null space of K, and what they receive in the full system, (I - QQᵀ)F/lam,
           moves no prediction (J(I - QQᵀ) = 0) but, as huge numbers that cancel, costs digits
           E_0 = mean(E_i - predicted)
References chmiela2017, chmiela2018
Symbols    X (n, a, 3) Å, F (n, a, 3) per Å in the energies' unit, α (n, q), b (n, p), the rest as in `blocks`
"""

import os
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import lapack

from mcbook._cholesky import cholesky_in_place
from mcbook._pairs import pair_index, pair_permutations, pair_powers, vjp_pair_powers
from mcbook.symmetry import _frames
from mcbook.symmetry._group import check_kernel, checked
from mcbook.symmetry.blocks import Internal, force_matrix, internal, slopes
from mcbook.symmetry.evidence import Learnt, learn_kernel
from mcbook.symmetry.potential import EnergiesForces, Potential
from mcbook.symmetry.product import ProductKernel, factors

LEARN = (50, 100)  # widths and weights are learnt on a quarter of the frames, within these
LAM = 1e-6  # Å⁻²: there to make the matrix regular, not to describe an error


class GradientDomain(NamedTuple):
    """A fit: all that `predict_gradient_domain` needs, and what the fit has to say about the energies."""

    numbers: Int[np.ndarray, " a"]
    permutations: Int[np.ndarray, "g a"]
    kernel: ProductKernel
    lam: float
    x: Float[np.ndarray, "m p"]  # the frames' distances under every permutation, m = n g
    b: Float[np.ndarray, "m p"]  # their J̃ α likewise
    shift: float  # E_0; 0 where no energies were given
    reach: Float[np.ndarray, "2 p"]  # the least and the greatest of each distance in training
    energy_slope: float  # of the given energies on the predicted ones: 1; nan where none were given


def fit_gradient_domain(
    X: Any,
    F: Any,
    numbers: Any,
    *,
    energy: Any = None,
    permutations: Any = None,
    kernel: ProductKernel | None = None,
    lam: float = LAM,
    learn_frames: int | None = None,
    threads: int | None = None,
) -> GradientDomain:
    """Learn a molecule's energy surface from forces F (n, a, 3) at X (n, a, 3) Å.

    Parameters
    ----------
    energy : (n,) energies; they fix E_0 and are compared with the forces (unit, sign).
    permutations : (g, a) a group that the energy respects; None: `molecular_permutations`.
    kernel : None: that of greatest evidence on `learn_frames` of the frames, evenly spaced.
    lam : the variance of the forces' error over the kernel's, Å⁻².
    threads : for the blocks; None: one for each core. (Cholesky has the BLAS library's.)

    Raises
    ------
    ValueError : wrong shapes, no frames, NaN, coincident atoms, lengths not in Å, forces that do not sum to
    zero, energies that contradict the forces, permutations that mix elements or are no group, lam ≤ 0 or too
    small for the matrix.

    Memory: (n (3a - 6))² numbers.  Source: Chmiela et al. 2017 and 2018 (doi:10.1126/sciadv.1603015,
    doi:10.1038/s41467-018-06169-2), with the kernel of `product`.
    """
    X, F, E, numbers, group = checked(X, F, numbers, energy, permutations)
    threads = threads or os.cpu_count() or 1
    pair_perms = pair_permutations(group)
    kernel = kernel or learn_on_some(X, F, pair_perms, lam, learn_frames, threads).kernel
    check_kernel(kernel, pair_perms, lam)
    data = internal(X)
    alpha = solve_forces(data, F, pair_perms, kernel, lam, threads=threads)
    return assemble(X, numbers, group, kernel, lam, data, alpha, E)


def learn_on_some(X, F, pair_perms, lam: float, frames: int | None, threads: int) -> Learnt:
    """The kernel of greatest evidence on some of the frames, evenly spaced."""
    count = min(len(X), frames or int(np.clip(len(X) // 4, *LEARN)))
    some = np.linspace(0, len(X) - 1, count).astype(int)
    return learn_kernel(X[some], F[some], pair_perms, lam=lam, threads=threads)


def solve_forces(
    data: Internal, F: Any, pair_perms: Any, kernel: ProductKernel, lam: float, *, threads: int = 1
) -> Float[np.ndarray, "n q"]:
    """α of (K + lam I) α = QᵀF by Cholesky, in the place of the matrix.  Raises ValueError if singular."""
    n, _, q = data.J.shape
    y = np.einsum("ndq,nd->nq", data.Q, np.reshape(F, (n, -1)))
    C = force_matrix(data, pair_perms, kernel, threads=threads).reshape(n * q, n * q)
    C[np.diag_indices_from(C)] += lam
    L, info = cholesky_in_place(C)
    if info:
        raise ValueError(
            f"K + lam I is singular to working precision (row {info - 1} of frame {(info - 1) // q}): raise "
            f"lam, now {lam:.1e}, or drop frames that repeat others."
        )
    # LAPACK reads by columns: the lower triangle of L is the upper one of L.T, and nothing is copied
    return lapack.dpotrs(L.T, y.ravel(), lower=0)[0].reshape(n, q)


def assemble(X, numbers, group, kernel, lam, data: Internal, alpha, E) -> GradientDomain:
    """The fit from its coefficients: b = J̃ α, both under every permutation, and the energies' zero.

    Raises ValueError where the given energies contradict the forces.
    """
    pair_perms = pair_permutations(group)
    b = np.einsum("npq,nq->np", data.J, alpha)
    x, b = (v[:, pair_perms].reshape(-1, v.shape[1]) for v in (data.x, b))
    reach = np.array([x.min(axis=0), x.max(axis=0)])
    model = GradientDomain(numbers, group, kernel, float(lam), x, b, 0.0, reach, np.nan)
    if E is None:
        return model
    found = predict_gradient_domain(model, X).energy_kcal
    slope = _slope(found, E)
    return model._replace(shift=float((E - found).mean()), energy_slope=slope)


def _slope(found: np.ndarray, E: np.ndarray) -> float:
    """Of E on the energies that the forces imply.  Raises ValueError where it cannot be rounding."""
    a, b = found - found.mean(), E - E.mean()
    slope = float(a @ b / max(a @ a, 1e-300))
    agree = float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-300))
    if abs(agree) > 0.9 and not 0.5 < slope < 2:
        guess = "the forces have the wrong sign: F = -∇E" if slope < 0 else "their units differ"
        raise ValueError(
            f"energies and forces contradict each other: the given energies change by {slope:.3g} where the "
            f"forces imply 1; perhaps {guess} (1 eV = 23.06 kcal/mol, 1 Hartree = 627.5, 1 Å = 1.8897 bohr)."
        )
    return slope


def predict_gradient_domain(model: GradientDomain, X: Any, numbers: Any = None) -> EnergiesForces:
    """Energies (n,) and forces (n, a, 3) at X (n, a, 3) or (a, 3) Å, in the units of the training forces.

    Raises ValueError for what `fit_gradient_domain` refuses, for other atoms or another order (seen from
    `numbers`, or from bonds that no training frame comes near).
    """
    X = _frames.frames(X)
    same_shape(model, X)
    if numbers is not None:
        _frames.same_molecule(numbers, model.numbers)
    x = pair_powers(X, power=-1)
    known(model, x)
    energy, slope = slopes(x, model.x, model.b, model.kernel)
    return EnergiesForces(energy + model.shift, -vjp_pair_powers(X, slope, power=-1))


def same_shape(model: GradientDomain, X: np.ndarray) -> None:
    """Raises ValueError for another number of atoms."""
    if X.shape[1] != len(model.numbers):
        raise ValueError(f"the model was trained on {len(model.numbers)} atoms, got {X.shape[1]}.")


def known(model: GradientDomain, x: np.ndarray) -> None:
    """Raises ValueError where a distance is half as long again as any in training, or as much shorter."""
    low, high = model.reach
    strange = (x > 1.5 * high) | (x < low / 1.5)
    if strange.any():
        frame, p = np.argwhere(strange)[0]
        i, j = (int(index[p]) for index in pair_index(len(model.numbers)))
        raise ValueError(
            f"atoms {i} and {j} of frame {frame} are {x[frame, p]:.2f} Å apart, in training {low[p]:.2f} to "
            f"{high[p]:.2f}: another order of the atoms, another molecule, or a broken one?"
        )


def as_potential(model: GradientDomain) -> Potential:
    """The same model for JAX: dynamics, an ASE calculator, or automatic derivatives.

    Raises ValueError where JAX computes in single precision: large terms cancel in these sums.
    """
    params = tuple(jnp.asarray(v) for v in (model.x, model.b, *model.kernel, model.shift))
    if params[0].dtype != np.float64:
        raise ValueError(
            "the kernel's sums cancel, and single precision would leave few digits of a force; switch JAX to "
            'double: jax.config.update("jax_enable_x64", True).'
        )
    return Potential(traceable, params, model.numbers)


def traceable(params: Any, X: Any) -> tuple[Any, Any]:
    """E and F at one geometry X (a, 3), for `Potential`: the sums of `predict_gradient_domain` in JAX."""
    x_train, b, ell, weight, shift = params
    i, j = pair_index(X.shape[0])
    apart = X[i] - X[j]
    x = jnp.sqrt((apart**2).sum(-1))
    k, u, v = factors(x[None], x_train, ProductKernel(ell[None], weight[None]), xp=jnp)
    w = k * (u * b).sum(-1)
    pull = ((w @ u + k @ (v * b)) / x)[:, None] * apart
    return w.sum() + shift, jnp.zeros_like(X).at[i].add(-pull).at[j].add(pull)
