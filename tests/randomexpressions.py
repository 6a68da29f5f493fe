"""A generator of random well-typed expressions: every word of the language, inside its domain.

Shapes are drawn from a few pairwise different sizes, so that a transpose that is forgotten does not fit.
Where a function has a domain (log, inverse, a root), its argument is built so that it lies inside.
"""

import numpy as np

from mcbook.calculus.engine import vocabulary as words
from mcbook.calculus.engine.nodes import symbol

SIZES = (2, 3, 4)
SMOOTH = ("tanh", "logistic", "softplus", "logcosh", "sin", "cos", "exp")


def project(X, A):
    """A as a step, or a gradient, of a symbol of its structure."""
    A = np.asarray(A)
    return {"symmetric": lambda: (A + A.T) / 2, "lower": lambda: np.tril(A)}.get(
        X.data.structure, lambda: A
    )()


class Generator:
    """Random expressions in the symbols that it declares as it goes; `values` hold a value for each."""

    def __init__(self, rng):
        self.rng, self.symbols, self.values = rng, {}, {}

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def less(self, depth):
        """A depth up to the given one."""
        return int(self.rng.integers(depth + 1))

    def leaf(self, shape, structure=""):
        """A symbol of that shape: a known one as often as not."""
        known = [s for s in self.symbols.values() if s.shape == shape and s.data.structure == structure]
        if known and self.rng.random() < 0.6:
            return self.pick(*known)
        array = () if shape == (1, 1) else shape[:1] if shape[1] == 1 else shape
        new = symbol(f"A{len(self.symbols)}", array, structure)
        A = 0.6 * self.rng.standard_normal(array)
        self.symbols[new.name], self.values[new.name] = new, project(new, A)
        return new

    def tame(self, E):
        """E kept between -1 and 1, lest powers of products of exponentials overflow."""
        return words.tanh(E)

    def matrix(self, shape, depth):
        if depth == 0:
            return self.leaf(
                shape, self.pick("", "", "symmetric", "lower") if shape[0] == shape[1] > 1 else ""
            )
        makers = [
            self.sum,
            self.scaled,
            self.chain,
            self.chain,
            self.entrywise,
            self.turned,
            self.mapped,
            self.power,
            self.picked,
            self.logarithm,
        ]
        if shape[0] == shape[1] > 1:
            makers += [self.inverted, self.part, self.diagonal]
        if shape[0] > 1 and shape[1] == 1:
            makers += [self.vector_word, self.solved]
        if shape[0] > 1 and shape[1] > 1:
            makers += [self.softmax, self.solved, self.distances]
        if shape in ((4, 4), (4, 2), (2, 4)):
            makers.append(self.kronecker)
        return self.pick(*makers)(shape, depth - 1)

    def sum(self, shape, depth):
        left, right = self.matrix(shape, depth), self.matrix(shape, self.less(depth))
        return left + right if self.rng.random() < 0.6 else left - right

    def scaled(self, shape, depth):
        factor = self.pick(2, -1, 0.5, -3.0, self.leaf((1, 1)), self.scalar(min(depth, 1)))
        return factor * self.matrix(shape, depth)

    def chain(self, shape, depth):
        inner = self.pick(*SIZES, 1)
        return self.matrix((shape[0], inner), depth) @ self.matrix((inner, shape[1]), self.less(depth))

    def entrywise(self, shape, depth):
        return self.matrix(shape, depth) * self.matrix(shape, self.less(depth))

    def turned(self, shape, depth):
        return self.matrix(shape[::-1], depth).T

    def mapped(self, shape, depth):
        name = self.pick(*SMOOTH, "relu", "abs", "log")
        inside = self.matrix(shape, depth)
        inside = self.positive(inside) if name == "log" else self.tame(inside) if name == "exp" else inside
        return words.function(name)(inside)

    def positive(self, E):
        return self.pick(words.softplus(E) + 0.5, E**2 + 0.5, words.exp(self.tame(E)))

    def power(self, shape, depth):
        E = self.tame(self.matrix(shape, depth))
        return self.pick(E**2, E**3, self.positive(E) ** 0.5, self.positive(E) ** -1, 1 / self.positive(E))

    def well_conditioned(self, n, depth):
        """3I + a tame matrix, or I + BBᵀ."""
        if self.rng.random() < 0.5:
            return 3.0 * words.identity(n) + 0.5 * self.tame(self.matrix((n, n), depth))
        B = self.tame(self.matrix((n, self.pick(*SIZES)), depth))
        return words.identity(n) + B @ B.T

    def inverted(self, shape, depth):
        return words.inverse(self.well_conditioned(shape[0], depth))

    def solved(self, shape, depth):
        return words.solve(self.well_conditioned(shape[0], self.less(depth)), self.matrix(shape, depth))

    def part(self, shape, depth):
        return self.pick(words.sym, words.skew, words.lower, words.upper)(self.matrix(shape, depth))

    def diagonal(self, shape, depth):
        return words.diag(self.matrix((shape[0], 1), depth))

    def vector_word(self, shape, depth):
        n = shape[0]
        if n == 4 and self.rng.random() < 0.4:
            return words.vec(self.matrix((2, 2), depth))
        return self.pick(
            lambda: words.diagonal(self.matrix((n, n), depth)),
            lambda: words.logsumexp(self.matrix((n, self.pick(*SIZES)), depth)),
            lambda: words.softmax(self.matrix((n, 1), depth)),
        )()

    def picked(self, shape, depth):
        """A block of something larger, or a row as a vector."""
        if shape[1] == 1 and shape[0] > 1 and self.rng.random() < 0.5:
            n = self.pick(*SIZES)
            return self.matrix((n, shape[0]), depth)[int(self.rng.integers(n))]
        larger = tuple(k if k == 1 and shape[0] > 1 else k + self.less(2) for k in shape)
        starts = [self.less(n - k) for k, n in zip(shape, larger, strict=True)]
        keys = tuple(slice(start, start + k) for start, k in zip(starts, shape, strict=True))
        A = self.matrix(larger, depth)
        return A if A.is_scalar else A[keys[:1] if A.is_column else keys]

    def softmax(self, shape, depth):
        P = words.softmax(self.matrix(shape, depth))
        return words.log(P) if self.rng.random() < 0.3 else P

    def logarithm(self, shape, depth):
        """Logarithms that undo what they stand before, and what undoes them."""
        Z = self.tame(self.matrix(shape, depth))
        return self.pick(
            lambda: words.log(words.logistic(Z)),
            lambda: words.log(1 - words.logistic(Z)),
            lambda: words.log(1 + words.exp(Z)),
            lambda: words.log((words.exp(Z) + words.exp(-Z)) / 2),
            lambda: words.log(words.exp(Z)) * words.exp(words.log(Z**2 + 1)),
            lambda: 1 / (1 + words.exp(-Z)),
            lambda: words.exp(Z) / (1 + words.exp(Z)),
        )()

    def distances(self, shape, depth):
        d = self.pick(*SIZES)
        if shape[0] == shape[1] and self.rng.random() < 0.5:
            return words.exp(-words.sqdist(self.tame(self.matrix((shape[0], d), depth))))
        X, Z = (self.tame(self.matrix((n, d), self.less(depth))) for n in shape)
        return words.exp(-words.sqdist(X, Z))

    def kronecker(self, shape, depth):
        left = (2, shape[1] // 2) if shape[0] == 4 else (1, 2)
        right = (shape[0] // left[0], shape[1] // left[1])
        return words.kron(self.matrix(left, depth), self.matrix(right, self.less(depth)))

    def scalar(self, depth):
        m, n = (int(k) for k in self.rng.permutation(SIZES)[:2])
        A = self.matrix((m, n), depth)
        S = self.well_conditioned(m, depth)
        z = self.matrix((m, 1), self.less(depth))
        return self.pick(
            lambda: words.total(A),
            lambda: words.trace(self.matrix((m, m), depth)),
            lambda: words.inner(A, self.matrix((m, n), self.less(depth))),
            lambda: words.sqnorm(A),
            lambda: words.norm(A + 0.1 * self.leaf((m, n))),
            lambda: words.logdet(S),
            lambda: words.det(S),
            lambda: words.logsumexp(self.matrix((m, 1), depth)),
            lambda: self.matrix((1, m), depth) @ self.matrix((m, 1), self.less(depth)),
            lambda: A[int(self.rng.integers(m)), int(self.rng.integers(n))],
            lambda: words.logsumexp(z) - z[m - 1],
            lambda: -words.log(words.softmax(z))[0],
            lambda: words.log(words.det(words.identity(m) + A @ A.T)),
        )()

    def expression(self, depth=3):
        """A number-valued expression that depends on at least one symbol."""
        while True:
            f = self.pick(self.scalar, self.scalar, lambda d: self.scalar(d) + self.scalar(d - 1))(depth)
            f = f if self.rng.random() < 0.8 else words.tanh(f)
            if f.free:
                return f
