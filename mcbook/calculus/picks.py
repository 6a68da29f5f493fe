"""Derivations about single entries, rows and neighbours, and about the probability of one class."""

from mcbook.calculus.entries import Entry

PICKS: tuple[Entry, ...] = (
    Entry("one entry", "classics", "X[1, 2]", "X:3,4", "X"),
    Entry("one entry of a product", "classics", "(A @ X @ B)[0, 1]", "A:2,3 X:3,4 B:4,5", "X"),
    Entry("one entry of an inverse", "classics", "inv(X)[0, 2]", "X:3,3:invertible", "X"),
    Entry("one row against a vector", "classics", "X[1] @ w", "X:5,3 w:3", "X"),
    Entry("one row, squared", "classics", "r = X[1] - w; sqnorm(r) / 2", "X:5,3 w:3", "X"),
    Entry("one column", "classics", "sum(exp(X[:, 2]))", "X:3,4", "X"),
    Entry("differences of neighbours", "classics", "r = x[1:] - x[:-1]; sqnorm(r) / 2", "x:5", "x"),
    Entry("probability of one class", "classics", "softmax(z)[2]", "z:4", "z"),
    Entry("cross-entropy of one class", "classics", "logsumexp(z) - z[2]", "z:4", "z"),
    Entry("logarithm of one probability", "classics", "-log(softmax(z))[2]", "z:4", "z"),
    Entry("one label of a linear classifier", "splice", "-log(softmax(W @ x + b))[2]", "W:4,3 x:3 b:4", "W"),
    Entry(
        "logarithm of one probability in a row",
        "splice",
        "-log(softmax(X @ W, axis=1))[1, 2]",
        "X:5,3 W:3,4",
        "W",
    ),
    Entry(
        "binary cross-entropy, the long way",
        "splice",
        "p = logistic(X @ w); -y @ log(p) - (1 - y) @ log(1 - p)",
        "X:5,3 y:5:small w:3",
        "w",
    ),
)
