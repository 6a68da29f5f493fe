"""Derivations worth having: the classics, and every gradient of the nine applications.

One row a derivation: the function in the engine's notation, the shapes of its symbols, the variable, and
what its symbols must be for it to make sense.  Tests run through all of them, line by line; pages print them.
"""

from collections.abc import Mapping

from mcbook.calculus.boxes import BOXES
from mcbook.calculus.entries import Entry
from mcbook.calculus.picks import PICKS

_NET = "W1:4,3 b1:4 W2:2,4 b2:2 X:5,3 Y:5,2 n::positive"
_NETWORK = "Z = X @ W1.T + b1; H = tanh(Z); R = H @ W2.T + b2 - Y; sqnorm(R) / (2 * n)"
_RNN = "U:4,4 V:4,3 b:4 x_1:3 x_2:3 x_3:3 h_0:4 C:2,4 y:2"
_RNN_STEPS = "".join(f"a_{t} = U @ h_{t - 1} + V @ x_{t} + b; h_{t} = tanh(a_{t}); " for t in (1, 2, 3))
_RNN3 = _RNN_STEPS + "sqnorm(C @ h_3 - y) / 2"
_SGD = "X_1:5,3 y_1:5 X_2:5,3 y_2:5 X_3:5,3 y_3:5 w_0:3 eta_1::positive eta_2::positive"
_UNROLLED = (
    "g_1 = X_1.T @ (X_1 @ w_0 - y_1); w_1 = w_0 - eta_1 * g_1; "
    "g_2 = X_2.T @ (X_2 @ w_1 - y_2); w_2 = w_1 - eta_2 * g_2; sqnorm(X_3 @ w_2 - y_3) / 2"
)
_UNROLLED_LOGISTIC = (
    "g_1 = X_1.T @ (logistic(X_1 @ w_0) - y_1); w_1 = w_0 - eta_1 * g_1; "
    "g_2 = X_2.T @ (logistic(X_2 @ w_1) - y_2); w_2 = w_1 - eta_2 * g_2; "
    "sum(softplus(X_3 @ w_2)) - y_3 @ X_3 @ w_2"
)
_KERNEL = "exp(-sqdist(X) / (2 * sigma**2))"

CATALOGUE: tuple[Entry, ...] = (
    # The classics: linear and quadratic forms
    Entry("linear form", "classics", "a @ x", "a:3 x:3", "x"),
    Entry("bilinear form in a matrix", "classics", "a @ X @ b", "a:3 X:3,4 b:4", "X"),
    Entry("bilinear form in the transpose", "classics", "a @ X.T @ b", "a:4 X:3,4 b:3", "X"),
    Entry("quadratic form", "classics", "x @ A @ x", "A:3,3 x:3", "x"),
    Entry("symmetric quadratic form", "classics", "x @ A @ x / 2 - b @ x", "A:3,3:symmetric x:3 b:3", "x"),
    Entry("quadratic form in the matrix", "classics", "x @ A @ x", "A:3,3 x:3", "A"),
    Entry("quadratic form, symmetric matrix", "classics", "a @ S @ b", "S:3,3:symmetric a:3 b:3", "S"),
    Entry("Gram form", "classics", "b @ X.T @ X @ c", "X:4,3 b:3 c:3", "X"),
    Entry(
        "general quadratic", "classics", "(A @ x + b) @ C @ (D @ x + e)", "A:4,3 b:4 C:4,5 D:5,3 e:5 x:3", "x"
    ),
    Entry("least squares", "classics", "sqnorm(A @ x - b) / 2", "A:5,3 b:5 x:3", "x"),
    Entry(
        "weighted least squares",
        "classics",
        "(A @ x - b) @ W @ (A @ x - b) / 2",
        "A:5,3 b:5 W:5,5:spd x:3",
        "x",
    ),
    Entry("norm of a residual", "classics", "norm(A @ x - b)", "A:5,3 b:5 x:3", "x"),
    # The classics: traces
    Entry("trace of a product", "classics", "trace(A @ X)", "A:4,3 X:3,4", "X"),
    Entry("trace with the transpose", "classics", "trace(A @ X.T)", "A:3,4 X:3,4", "X"),
    Entry("trace of a sandwich", "classics", "trace(A @ X @ B)", "A:5,3 X:3,4 B:4,5", "X"),
    Entry("trace of a quadratic", "classics", "trace(X.T @ B @ X)", "X:3,4 B:3,3", "X"),
    Entry(
        "trace of a quadratic, two factors",
        "classics",
        "trace(A @ X @ B @ X.T @ C)",
        "A:5,3 X:3,4 B:4,4 C:3,5",
        "X",
    ),
    Entry("trace of a square", "classics", "trace(X @ X)", "X:3,3", "X"),
    Entry("trace of a cube", "classics", "trace(X @ X @ X)", "X:3,3", "X"),
    Entry("sum of two traces", "classics", "trace(A @ X) + trace(X @ B)", "A:4,3 X:3,4 B:4,3", "X"),
    Entry("Frobenius norm", "classics", "norm(X)", "X:3,4", "X"),
    Entry("squared Frobenius norm", "classics", "sqnorm(X)", "X:3,4", "X"),
    Entry("matrix factorisation", "classics", "sqnorm(A - U @ V.T) / 2", "A:5,4 U:5,2 V:4,2", "U"),
    Entry(
        "matrix factorisation, other factor", "classics", "sqnorm(A - U @ V.T) / 2", "A:5,4 U:5,2 V:4,2", "V"
    ),
    # The classics: determinants and inverses
    Entry("determinant", "classics", "det(X)", "X:3,3:invertible", "X"),
    Entry(
        "determinant of a sandwich",
        "classics",
        "det(A @ X @ B)",
        "A:3,3:invertible X:3,3:invertible B:3,3:invertible",
        "X",
    ),
    Entry("log determinant", "classics", "logdet(X)", "X:3,3:invertible", "X"),
    Entry("log determinant, symmetric", "classics", "logdet(S)", "S:3,3:spd", "S"),
    Entry("log determinant of a Gram matrix", "classics", "logdet(X.T @ X)", "X:5,3", "X"),
    Entry(
        "log determinant of an update",
        "classics",
        "logdet(A + X @ B @ X.T)",
        "A:4,4:spd X:4,3 B:3,3:spd",
        "X",
    ),
    Entry("log determinant of a triangle", "classics", "logdet(L)", "L:3,3:lower", "L"),
    Entry("trace of the inverse", "classics", "trace(A @ inv(X))", "A:3,3 X:3,3:invertible", "X"),
    Entry("form in the inverse", "classics", "a @ inv(X) @ b", "a:3 X:3,3:invertible b:3", "X"),
    Entry("form in a solve", "classics", "a @ solve(X, b)", "a:3 X:3,3:invertible b:3", "X"),
    Entry(
        "Gaussian log likelihood, covariance", "classics", "logdet(S) + x @ solve(S, x)", "S:3,3:spd x:3", "S"
    ),
    Entry(
        "Gaussian log likelihood, mean",
        "classics",
        "(x - mu) @ solve(S, x - mu) / 2",
        "S:3,3:spd x:3 mu:3",
        "mu",
    ),
    Entry(
        "Gaussian log likelihood, precision",
        "classics",
        "trace(P @ C) - logdet(P)",
        "P:3,3:spd C:3,3:symmetric",
        "P",
    ),
    Entry("Rayleigh quotient", "classics", "x @ A @ x / (x @ x)", "A:3,3:symmetric x:3", "x"),
    # The classics: entry by entry
    Entry("log-sum-exp", "classics", "logsumexp(x)", "x:4", "x"),
    Entry("softmax against weights", "classics", "c @ softmax(x)", "c:4 x:4", "x"),
    Entry("entropy of a softmax", "classics", "p = softmax(x); -p @ log(p)", "x:4", "x"),
    Entry("Hadamard form", "classics", "sum((A * X) @ B)", "A:3,4 X:3,4 B:4,2", "X"),
    Entry("diagonal scaling", "classics", "sqnorm(A @ diag(x) @ B - C) / 2", "A:5,3 x:3 B:3,4 C:5,4", "x"),
    Entry("diagonal of a product", "classics", "c @ diag(X @ A)", "c:3 X:3,4 A:4,3", "X"),
    Entry("Kronecker factor", "classics", "sum(C * kron(X, B))", "C:6,12 X:2,3 B:3,4", "X"),
    Entry("stacked form", "classics", "c @ vec(A @ X @ B)", "c:8 A:2,3 X:3,5 B:5,4", "X"),
    Entry("symmetric part", "classics", "sqnorm(sym(X)) / 2", "X:3,3", "X"),
    Entry("antisymmetric part", "classics", "sqnorm(skew(X) - A) / 2", "X:3,3 A:3,3", "X"),
    # Unmixing
    Entry(
        "ICA likelihood",
        "unmixing",
        "-logdet(W) + sum(logcosh(X @ W.T)) / n",
        "W:3,3:invertible X:5,3 n::positive",
        "W",
    ),
    Entry(
        "ICA with a learned scale",
        "unmixing",
        "-logdet(W) + sum(logcosh(X @ W.T / s)) / n + k * log(s)",
        "W:3,3:invertible X:5,3 n::positive s::positive k::positive",
        "s",
    ),
    # Kernels and ridge
    Entry(
        "ridge regression",
        "ridge",
        "sqnorm(X @ w - y) / (2 * n) + lam / 2 * sqnorm(w)",
        "X:5,3 y:5 w:3 n::positive lam::positive",
        "w",
    ),
    Entry(
        "ridge regression, several outputs",
        "ridge",
        "sqnorm(X @ W - Y) / 2 + lam / 2 * sqnorm(W)",
        "X:5,3 Y:5,2 W:3,2 lam::positive",
        "W",
    ),
    Entry(
        "kernel ridge dual",
        "kernels",
        "alpha @ (K + lam * I(4)) @ alpha / 2 - alpha @ y",
        "K:4,4:symmetric lam::positive alpha:4 y:4",
        "alpha",
    ),
    Entry(
        "kernel ridge, width of the kernel",
        "kernels",
        f"K = {_KERNEL}; y @ solve(K + lam * I(4), y)",
        "X:4,3 y:4 lam::positive sigma::positive",
        "sigma",
        False,
    ),
    Entry(
        "kernel ridge, penalty",
        "kernels",
        "y @ solve(K + lam * I(4), y)",
        "K:4,4:spd lam::positive y:4",
        "lam",
    ),
    # Splice: networks and recurrences
    Entry(
        "logistic regression",
        "splice",
        "(sum(softplus(X @ w)) - y @ X @ w) / n",
        "X:5,3 y:5 w:3 n::positive",
        "w",
    ),
    Entry(
        "softmax cross-entropy",
        "splice",
        "(sum(logsumexp(X @ W, axis=1)) - sum(Y * (X @ W))) / n",
        "X:5,3 Y:5,4:onehot W:3,4 n::positive",
        "W",
    ),
    Entry(
        "softmax cross-entropy, the long way",
        "splice",
        "-sum(Y * log(softmax(X @ W + b, axis=1))) / n",
        "X:5,3 Y:5,4:onehot W:3,4 b:4 n::positive",
        "b",
    ),
    Entry("two-layer network, first weights", "splice", _NETWORK, _NET, "W1"),
    Entry("two-layer network, first biases", "splice", _NETWORK, _NET, "b1"),
    Entry("two-layer network, second weights", "splice", _NETWORK, _NET, "W2"),
    Entry("two-layer network, second biases", "splice", _NETWORK, _NET, "b2"),
    Entry(
        "two-layer relu network",
        "splice",
        "sqnorm(relu(X @ W1.T) @ W2.T - Y) / 2",
        "W1:4,3 W2:2,4 X:5,3 Y:5,2",
        "W1",
    ),
    Entry(
        "RNN step",
        "splice",
        "h_1 = tanh(U @ h_0 + V @ x + b); sqnorm(h_1 - y) / 2",
        "U:4,4 h_0:4 V:4,3 x:3 b:4 y:4",
        "U",
    ),
    Entry("RNN, T = 3, recurrent weights", "splice", _RNN3, _RNN, "U", False),
    Entry("RNN, T = 3, input weights", "splice", _RNN3, _RNN, "V", False),
    Entry("RNN, T = 3, biases", "splice", _RNN3, _RNN, "b", False),
    Entry("RNN, T = 3, initial state", "splice", _RNN3, _RNN, "h_0", False),
    # Understanding: sensitivities, elasticity, molecules
    Entry("sensitivity of a class score", "sensitivity", "c @ tanh(W @ x + b)", "c:4 W:4,3 x:3 b:4", "x"),
    Entry(
        "FEM energy with a reaction term",
        "ridge",
        "u @ K @ u / 2 + kappa / 2 * u @ M @ u - f @ u",
        "K:4,4:symmetric M:4,4:symmetric kappa::positive u:4 f:4",
        "u",
    ),
    Entry("compliance", "ridge", "f @ solve(B.T @ diag(rho**3) @ B, f)", "B:5,3 rho:5:positive f:3", "rho"),
    Entry("compliance, stiffness", "ridge", "f @ solve(K, f)", "K:3,3:spd f:3", "K"),
    Entry("pair-distance energy", "symmetry", "sum(exp(-sqdist(R)))/ 2", "R:4,3", "R"),
    Entry(
        "pair distances to neighbours",
        "symmetry",
        "sum(A * sqrt(sqdist(R) + eps))/ 2",
        "A:4,4:symmetric R:4,3 eps::positive",
        "R",
    ),
    Entry(
        "harmonic bonds",
        "symmetry",
        "sum(A * (sqdist(R) - L)**2) / 4",
        "A:4,4:symmetric R:4,3 L:4,4:symmetric",
        "R",
    ),
    Entry(
        "correction to an energy",
        "correction",
        "k = exp(-sqdist(Z, x.T) / (2 * sigma**2)); E + alpha @ k",
        "x:3 Z:5,3 alpha:5 sigma::positive E:",
        "x",
    ),
    Entry(
        "composite energy",
        "correction",
        "k = exp(-sqdist(Z, q.T) / (2 * sigma**2)); q @ H @ q / 2 + a @ k",
        "q:3 H:3,3:symmetric Z:5,3 a:5 sigma::positive",
        "q",
        letter="E",
    ),
    # Creation: scores and schedules
    Entry(
        "Gaussian score",
        "diffusion",
        "-(x - mu) @ solve(S, x - mu) / 2 - logdet(S) / 2",
        "x:3 mu:3 S:3,3:spd",
        "x",
    ),
    Entry(
        "mixture score",
        "diffusion",
        "logsumexp(c - sqdist(M, x.T) / (2 * sigma**2))",
        "x:3 c:4 M:4,3 sigma::positive",
        "x",
    ),
    Entry(
        "denoising score matching",
        "diffusion",
        "sqnorm((X + sigma * E) @ W.T + E / sigma) / (2 * n)",
        "X:5,3 E:5,3 W:3,3 sigma::positive n::positive",
        "W",
    ),
    Entry(
        "denoising score matching, network",
        "diffusion",
        "H = tanh((X + sigma * E) @ W1.T); sqnorm(H @ W2.T + E / sigma) / (2 * n)",
        "X:5,3 E:5,3 W1:4,3 W2:3,4 sigma::positive n::positive",
        "W1",
    ),
    Entry("unrolled SGD, initial weights", "schedules", _UNROLLED, _SGD, "w_0", False),
    Entry("unrolled SGD, first learning rate", "schedules", _UNROLLED, _SGD, "eta_1", False),
    Entry("unrolled SGD, last learning rate", "schedules", _UNROLLED, _SGD, "eta_2", False),
    Entry("unrolled SGD, logistic loss", "schedules", _UNROLLED_LOGISTIC, _SGD, "w_0", False),
    Entry(
        "unrolled SGD, logistic loss, first learning rate",
        "schedules",
        _UNROLLED_LOGISTIC,
        _SGD,
        "eta_1",
        False,
    ),
    *PICKS,
    *BOXES,
)


def entry(name: str) -> Entry:
    """The derivation of that name. Raises ValueError if there is none."""
    for row in CATALOGUE:
        if row.name == name:
            return row
    raise ValueError(f"the catalogue has no {name!r}; it has {', '.join(row.name for row in CATALOGUE)}.")


def areas() -> Mapping[str, list[Entry]]:
    """The catalogue by area, in the order of the book."""
    found: dict[str, list[Entry]] = {}
    for row in CATALOGUE:
        found.setdefault(row.area, []).append(row)
    return found
