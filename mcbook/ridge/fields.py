"""A field through data: the spring's energy as a penalty, and why it needs the mass matrix.

Objective  J(w) = ½ Σ (u(x_i) - y_i)² + ½ lam wᵀ(K + kappa R)w,   u(x_i) = (N w)_i,   R = M, or I
Gradient   dJ = ⟨Nᵀ(N w - y) + lam (K + kappa R)w, dw⟩
Solver     one sparse factorisation per lam
Mesh       with R = M the penalty is lam ∫(|∇u|² + kappa u²) on every mesh; with R = I it is
           lam ∫|∇u|² + lam kappa Σ u_i², about kappa/h^d in kappa's place: a finer mesh, another question
Kernel     the minimiser is f = Σ alpha_i k(·, x_i) with (G + lam I)alpha = y, k the Green's function and
           G_ij = k(x_i, x_j): kernel ridge regression, on the mesh G = N A⁻¹Nᵀ
Spline     kappa = 0: ½ lam ∫u'², the linear smoothing spline
References wahba1990, kimeldorf1970
Symbols    N (m, n) interpolation at the points, y (m,), w (n,), lam > 0
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from mcbook.ridge._checks import not_negative, positive, reals
from mcbook.ridge.assembly import mass, stiffness
from mcbook.ridge.green import springs_at_ends
from mcbook.ridge.mesh import Mesh, interpolation
from mcbook.ridge.multigrid import direct

Array = Any
PENALTIES = ("mass", "identity")


class FieldFit(NamedTuple):
    """The field's nodal values w (n,), its values at the data (m,), and its effective degrees of freedom."""

    w: np.ndarray
    fitted: np.ndarray
    dof: float


class FieldPath(NamedTuple):
    """Fits along lams (L,): W (L, n), fitted (L, m), dof (L,)."""

    lams: np.ndarray
    W: np.ndarray
    fitted: np.ndarray
    dof: np.ndarray


def field_loss(w: Float[Array, " n"], N: Any, y: Float[Array, " m"], R: Any, lam: Any) -> Float[Array, ""]:
    """½‖N w - y‖² + ½ lam wᵀR w, R (n, n) the penalty's matrix."""
    r = N @ w - y
    return (r @ r + lam * (w @ (R @ w))) / 2


def grad_field_loss_w(
    w: Float[Array, " n"], N: Any, y: Float[Array, " m"], R: Any, lam: Any
) -> Float[Array, " n"]:
    """Nᵀ(N w - y) + lam R w, for a symmetric R."""
    return N.T @ (N @ w - y) + lam * (R @ w)


def penalty_matrix(mesh: Mesh, *, kappa: Any, penalty: str = "mass", line: bool = False) -> sp.csr_array:
    """K + kappa M, or K + kappa I for penalty "identity" (what it should not be), with kappa ≥ 0.

    `line` adds the springs at the ends of an interval that make it a piece of the whole line.
    Raises ValueError for an unknown penalty.
    """
    kappa = not_negative(kappa, "kappa")
    if penalty not in PENALTIES:
        raise ValueError(f"penalty must be one of {PENALTIES}, got {penalty!r}.")
    R = mass(mesh) if penalty == "mass" else sp.eye_array(len(mesh.nodes), format="csr")
    A = stiffness(mesh) + kappa * R
    return (A + springs_at_ends(mesh, kappa) if line else A).tocsr()


def fit_field(
    mesh: Mesh, X: Any, y: Any, *, lam: Any, kappa: Any, penalty: str = "mass", line: bool = False
) -> FieldFit:
    """The field of least J for values y (m,) at points X (m, d) of the mesh, or (m,) on an interval.

    lam > 0; the other settings as in `penalty_matrix`.  Raises ValueError for bad shapes, NaN, points off
    the mesh, lam ≤ 0, or a penalty that leaves the field undetermined.
    """
    path = field_path(mesh, X, y, lams=[lam], kappa=kappa, penalty=penalty, line=line)
    return FieldFit(path.W[0], path.fitted[0], float(path.dof[0]))


def field_path(
    mesh: Mesh, X: Any, y: Any, *, lams: Any, kappa: Any, penalty: str = "mass", line: bool = False
) -> FieldPath:
    """`fit_field` for every lam of lams (L,)."""
    N = interpolation(mesh, X)
    m, lams = N.shape[0], reals(lams, "lams")
    y = reals(y, "y", shape=(m,))
    if lams.ndim != 1 or not len(lams):
        raise ValueError(f"lams must be (L,), L ≥ 1; got shape {lams.shape}.")
    positive(lams.min(), "lam", "without the penalty the field between the data is free")
    R = penalty_matrix(mesh, kappa=kappa, penalty=penalty, line=line)
    NT, NTN = N.T.tocsr(), (N.T @ N).tocsr()
    sides = np.column_stack([NT @ y, NT.toarray()])
    W, dof = [], []
    for lam in lams:
        found = direct(NTN + lam * R)(sides)
        W.append(found[:, 0])
        dof.append(float(np.trace(N @ found[:, 1:])))  # tr N(NᵀN + lam R)⁻¹Nᵀ
    return FieldPath(lams, np.stack(W), np.stack([N @ w for w in W]), np.array(dof))
