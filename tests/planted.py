"""Functions, and answers with a planted mistake: what the tests of the diagnosis share."""

import numpy as np

from mcbook.calculus import diagnose
from mcbook.calculus.entries import Entry

PROBLEMS = {
    "least squares": ("sqnorm(A @ x - b) / (2 * n) + lam / 2 * sqnorm(x)", "A:5,3 x:3 b:5 n: lam:", "x"),
    "affine": ("sqnorm(A @ X @ B - C) / 2", "A:5,3 X:3,4 B:4,2 C:5,2", "X"),
    "quadratic": ("x @ A @ x", "A:3,3 x:3", "x"),
    "network": (
        "Z = X @ W + b; H = logistic(Z); R = H @ V - Y; sqnorm(R) / (2 * n)",
        "X:5,3 W:3,4 b:4 V:4,2 Y:5,2 n:",
        "W",
    ),
    "bias": ("H = logistic(X @ W + b); R = H @ V - Y; sqnorm(R)", "X:5,3 W:3,4 b:4 V:4,2 Y:5,2", "b"),
    "inverse": ("a @ inv(X) @ b", "X:3,3:invertible a:3 b:3", "X"),
    "volume": ("trace(A @ X) - logdet(X)", "X:3,3:invertible A:3,3", "X"),
    "softmax": ("c @ softmax(A @ x)", "c:4 A:4,3 x:3", "x"),
    "classes": (
        "(sum(logsumexp(X @ W, axis=1)) - sum(Y * (X @ W))) / n",
        "X:5,3 Y:5,4:onehot W:3,4 n:",
        "W",
    ),
    "steps": (
        "h_1 = tanh(U @ h_0 + x_1); h_2 = tanh(U @ h_1 + x_2); h_3 = tanh(U @ h_2 + x_3); "
        "sqnorm(h_3 - y) / 2",
        "U:3,3 h_0:3 x_1:3 x_2:3 x_3:3 y:3",
        "U",
    ),
    "covariance": ("logdet(S) + x @ solve(S, x)", "S:3,3:spd x:3", "S"),
    "factor": ("sqnorm(L @ L.T - A) / 4", "L:3,3:lower A:3,3:spd", "L"),
    "likelihood": ("-logdet(W) + sum(logcosh(X @ W.T)) / n", "W:3,3:invertible X:5,3 n:", "W"),
    "modulus": ("sqnorm(A @ x) / 2 + sum(abs(x))", "A:5,3 x:3", "x"),
    "stiffness": ("u = solve(K + rho * B, q); q @ u", "K:3,3:spd B:3,3:spd rho: q:3", "rho"),
}
BACK = "d_3 = (h_3 - y) * (1 - h_3**2); d_2 = (U.T @ d_3) * (1 - h_2**2); d_1 = (U.T @ d_2) * (1 - h_1**2); "
U = "u = solve(K + rho * B, q); "
PLANTED = [  # problem, answer, classes, verdict
    ("affine", "B @ (A @ X @ B - C).T @ A", "layout"),
    ("steps", BACK + "(outer(d_3, h_2) + outer(d_2, h_1) + outer(d_1, h_0)).T", "layout"),
    ("affine", "2 * A.T @ (A @ X @ B - C) @ B.T", "factor"),
    ("least squares", "A.T @ (A @ x - b) / n + 2 * lam * x", "factor"),
    ("least squares", "A.T @ (A @ x - b) + lam * x", "mean"),
    ("least squares", "(A.T @ (A @ x - b) + lam * x) / n", "mean"),
    ("quadratic", "A @ x", "one-sided"),
    ("quadratic", "2 * A @ x", "one-sided"),
    ("factor", "tril((L @ L.T - A) @ L) / 2", "one-sided factor"),
    ("least squares", "A.T @ (A @ x - b) / n", "penalty"),
    ("likelihood", "tanh(X @ W.T).T @ X / n", "penalty"),
    ("bias", "2 * (R @ V.T) * H * (1 - H)", "batch"),
    ("bias", "2 * sum((R @ V.T) * H * (1 - H), axis=1)", "batch"),
    ("inverse", "-outer(a, b) * inv(X).T * inv(X).T", "hadamard"),
    ("volume", "A.T - 1 / X", "hadamard"),
    ("affine", "A.T @ (C - A @ X @ B) @ B.T", "sign"),
    ("least squares", "A.T @ (A @ x + b) / n + lam * x", "sign"),
    ("volume", "A.T + inv(X).T", "sign"),
    ("softmax", "p = softmax(A @ x); A.T @ (p * (1 - p) * c)", "softmax"),
    ("softmax", "p = softmax(A @ x); A.T @ (p * c)", "softmax"),
    ("classes", "P = softmax(X @ W, axis=1); -X.T @ (Y * (1 - P)) / n", "softmax"),
    ("classes", "X.T @ (exp(X @ W) - Y) / n", "softmax"),
    ("classes", "X.T @ (softmax(X @ W, axis=0) - Y) / n", "softmax"),
    ("network", "X.T @ ((R @ V.T) * logistic(H) * (1 - logistic(H))) / n", "point"),
    ("network", "X.T @ ((R @ V.T) * Z * (1 - Z)) / n", "point"),
    ("likelihood", "tanh(X).T @ X / n - inv(W).T", "point"),
    ("network", "X.T @ (R @ V.T) / n", "activation"),
    ("network", "X.T @ ((R @ V.T) * (H * (1 - H))**2) / n", "activation"),
    ("likelihood", "(1 - tanh(X @ W.T)**2).T @ X / n - inv(W).T", "activation"),
    ("steps", BACK + "outer(d_3, h_2)", "time"),
    ("steps", BACK + "outer(d_3, h_3) + outer(d_2, h_2) + outer(d_1, h_1)", "time"),
    ("steps", BACK + "outer(d_3, h_2) + outer(d_2, h_1)", "time"),
    ("factor", "(L @ L.T - A) @ L", "symmetric"),
    ("covariance", "2 * inv(S) - 2 * inv(S) @ outer(x, x) @ inv(S)", "symmetric factor"),
    ("inverse", "-inv(X).T @ outer(a, b)", "rule"),
    ("inverse", "-inv(X) @ outer(a, b) @ inv(X)", "rule"),
    ("volume", "A.T - inv(X)", "rule"),
    ("covariance", "inv(S) - inv(S) @ outer(x, x)", "rule"),
    ("stiffness", U + "-u @ B @ q", "rule"),
    ("modulus", "A.T @ A @ x + tanh(20 * x)", "check"),
    ("modulus", "A.T @ A @ x + x / sqrt(x**2 + 0.0001)", "check"),
]
DOUBLES = [
    ("least squares", "2 * A.T @ (A @ x - b) / n", {"factor", "penalty"}),
    ("likelihood", "tanh(X @ W.T).T @ X + inv(W).T", {"mean", "sign"}),
    ("network", "-X.T @ ((R @ V.T) * Z * (1 - Z)) / n", {"point", "sign"}),
    ("steps", "d = (y - h_3) * (1 - h_3**2); outer(d, h_2)", {"time", "sign"}),
    ("bias", "(Y - H @ V) @ V.T * 2 * H * (1 - H)", {"batch", "sign"}),
    ("affine", "2 * B @ (A @ X @ B - C).T @ A", {"layout", "factor"}),
]


def entry(name):
    text, declared, wrt = PROBLEMS[name]
    return Entry(name, "planted", text, declared.replace("n: ", "n::positive ").strip(), wrt)


def diagnosed(name, answer, **options):
    e = entry(name)
    draws = [e.sample(np.random.default_rng(seed)) for seed in range(3)]
    for values in draws:
        values |= {k: np.abs(v) + 0.5 for k, v in values.items() if np.ndim(v) == 0}
    return diagnose(e.f, answer, e.declared[e.wrt], **{"values": draws, **options})
