"""Questions of the chapter on symmetry, with the mistakes that they know by name."""

from typing import Any

import numpy as np

from mcbook.exercises.choices import Choice
from mcbook.questions import Loss, Question


def turning_gradient(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """The skew G with d ½‖X Rᵀ - Y‖² = ⟨G, A⟩ for R = I + A, A skew.  X, Y (a, 3) -> (3, 3)."""
    M = (X - Y).T @ X
    return (M - M.T) / 2


def vjp_gated(V: np.ndarray, y_bar: np.ndarray) -> np.ndarray:
    """From y_bar to V_bar for y = v / (1 + ‖v‖²), row by row.  V, y_bar (n, 3) -> (n, 3)."""
    g = 1 / (1 + (V**2).sum(axis=1, keepdims=True))
    return g * y_bar - 2 * g**2 * (V * y_bar).sum(axis=1, keepdims=True) * V


def verlet_matrix(h: float, omega: float) -> np.ndarray:
    """One step of velocity Verlet for ẍ = -omega² x, as (x, v) ↦ M (x, v)."""
    half = h**2 * omega**2 / 2
    return np.array([[1 - half, h], [-h * omega**2 * (1 - half / 2), 1 - half]])


def turned_hessian(H: np.ndarray, R: np.ndarray) -> np.ndarray:
    """The Hessian at X Rᵀ from that at X: atoms and directions twice, (a, 3, a, 3)."""
    return np.einsum("xp,ipjq,yq->ixjy", R, H, R)


def _rotation(rng: np.random.Generator) -> np.ndarray:
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return Q * np.linalg.det(Q)


def _second_derivatives(rng: np.random.Generator) -> np.ndarray:
    M = rng.normal(size=(9, 9))
    return (M + M.T).reshape(3, 3, 3, 3)


def _at_rest(X: np.ndarray, Y: np.ndarray) -> dict[str, Any]:
    return {"X": X, "Y": Y, "A": np.zeros((3, 3))}


QUESTIONS: dict[str, Question] = {
    "symmetry-turning": Question(
        "the skew gradient of the misfit, as a function of X and Y",
        turning_gradient,
        mistakes={
            "the sign is lost": lambda X, Y: -turning_gradient(X, Y),
            "it is not projected onto the skew matrices": lambda X, Y: (X - Y).T @ X,
            "the ½ of the skew part is missing": lambda X, Y: 2 * turning_gradient(X, Y),
            "it is the symmetric part, which no rotation feels": lambda X, Y: (
                ((X - Y).T @ X + X.T @ (X - Y)) / 2
            ),
            "the ½ of the misfit was counted twice": lambda X, Y: turning_gradient(X, Y) / 2,
        },
        inputs=lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(5, 3))),
        loss=Loss("sqnorm(X @ (eye(3) + skew(A)).T - Y) / 2", "A", _at_rest),
        hints=(
            "At R = I the step dR is A, a skew matrix, and the answer G has its shape: (3, 3), whatever "
            "the number of atoms.",
            "df = ⟨X − Y, X Aᵀ⟩. Bring A to stand alone: ⟨B, X Aᵀ⟩ = ⟨BᵀX, A⟩.",
            "A skew A does not see the symmetric part of M = (X − Y)ᵀX: what is left is (M − Mᵀ)/2.",
        ),
    ),
    "symmetry-gated": Question(
        "what flows back to V, as a function of V and y_bar",
        vjp_gated,
        mistakes={
            "the gate was held constant: its own dependence on v is missing": lambda V, y_bar: (
                y_bar / (1 + (V**2).sum(axis=1, keepdims=True))
            ),
            "the second term has the wrong sign": lambda V, y_bar: (
                2 * y_bar / (1 + (V**2).sum(axis=1, keepdims=True)) - vjp_gated(V, y_bar)
            ),
            "the 2 of the square is missing": lambda V, y_bar: (
                (vjp_gated(V, y_bar) + y_bar / (1 + (V**2).sum(axis=1, keepdims=True))) / 2
            ),
            "V and y_bar were multiplied component by component; it is the inner product of the rows": (
                lambda V, y_bar: (
                    y_bar / (1 + (V**2).sum(axis=1, keepdims=True))
                    - 2 * V * y_bar * V / (1 + (V**2).sum(axis=1, keepdims=True)) ** 2
                )
            ),
        },
        inputs=lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=(4, 3))),
        loss=Loss("sum(y_bar * V / (1 + V ** 2 @ ones(3, 3)))", "V", "V y_bar"),
        hints=(
            "A row of y depends on its own row v alone, but on all three components of it, through the "
            "gate: one number for each row.",
            "With the gate g = 1/(1 + ‖v‖²), dy = g dv + v dg: two terms, of which the first gives g ȳ.",
            "dg = −2g² ⟨v, dv⟩: in ⟨ȳ, v dg⟩ the inner product ⟨ȳ, v⟩ of the two rows is a number in "
            "front of v.",
        ),
    ),
    "symmetry-verlet": Question(
        "the matrix of one step, as a function of h and omega",
        verlet_matrix,
        mistakes={
            "this is Euler's step: the force is taken once, and the place drifts with the old velocity": (
                lambda h, omega: np.array([[1, h], [-h * omega**2, 1]])
            ),
            "the second half of the kick uses the old place": lambda h, omega: np.array(
                [[1 - h**2 * omega**2 / 2, h], [-h * omega**2, 1]]
            ),
            "the kicks are whole ones": lambda h, omega: np.array(
                [[1 - h**2 * omega**2, h], [-h * omega**2 * (2 - h**2 * omega**2), 1 - h**2 * omega**2]]
            ),
            "the first half of the kick is missing": lambda h, omega: np.array(
                [[1, h], [-h * omega**2 / 2, 1 - h**2 * omega**2 / 2]]
            ),
        },
        inputs=lambda rng: (rng.uniform(0.2, 1), rng.uniform(0.5, 1.5)),
        hints=(
            "One step is three linear maps, half a kick, a drift, half a kick: its matrix is their "
            "product, the first one on the right.",
            "Half a kick takes v to v − ½hω²x; the drift takes x to x + hv. Each looks at the newest x "
            "and v.",
            "With K = [[1, 0], [−½hω², 1]] and D = [[1, h], [0, 1]] it is K D K; its determinant must be 1.",
        ),
    ),
    "symmetry-hessian": Question(
        "the Hessian (a, 3, a, 3) at X Rᵀ, as a function of H and R",
        turned_hessian,
        mistakes={
            "R stands where its transpose belongs: this is the Hessian at X R": lambda H, R: turned_hessian(
                H, R.T
            ),
            "only one of the two directions was turned": lambda H, R: np.einsum("xp,ipjy->ixjy", R, H),
            "the second direction was turned the other way": lambda H, R: np.einsum(
                "xp,ipjq,qy->ixjy", R, H, R
            ),
            "the Hessian was not turned: it is not invariant, its eigenvalues are": lambda H, R: H,
        },
        inputs=lambda rng: (_second_derivatives(rng), _rotation(rng)),
        hints=(
            "The Hessian has two indices for atoms, which stay, and two for directions, which both turn.",
            "E(XRᵀ) = E(X) for every X. Differentiated once: the gradient at XRᵀ is the one at X, each "
            "row g turned to gRᵀ.",
            "Differentiated twice: for each pair of atoms the block H_ij becomes R H_ij Rᵀ.",
        ),
    ),
}

BOXES: dict[str, dict[str, Any]] = {
    "symmetry-quarter": {
        "prompt": "The x-component of the force on the turned molecule:",
        "answer": -2.0,
        "mistakes": {
            "that is F R: the molecule turned one way, the forces the other": 2.0,
            "the force was not turned": 1.0,
            "that is the z-component, along the axis: it stays": 3.0,
        },
        "hint": "A row f becomes f Rᵀ, and R sends the x-axis to the y-axis. Where does R send the y-axis?",
    },
    "symmetry-free": {
        "prompt": "Numbers that are free:",
        "answer": 21.0,
        "mistakes": {
            "nothing was used: that is all of them": 27.0,
            "the forces sum to zero; there are three more conditions": 24.0,
            "a molecule of 9 atoms has 9 × 3 components": 3.0,
            "for all atoms on a line it would be so; ethanol is bent": 22.0,
        },
        "hint": "Three conditions for the translations, three for the rotations.",
    },
}

CHOICES: dict[str, Choice] = {
    "symmetry-choice": Choice(
        "sum(exp(-sqdist(X) / 2))",
        "X:4,3",
        "X",
        note="An energy of pairs: the squared distances of the rows of X, through a Gaussian.",
    ),
}
