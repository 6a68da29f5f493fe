r"""Reads the LaTeX that the engine prints, and evaluates it: a formula that is printed wrong is found wrong.

Written against the printed notation, not against the engine: it knows matrices as NumPy arrays (vectors as
columns, numbers as 1 × 1), juxtaposition as a product, \circ as the entrywise one, and X^{\mathsf{T}}.
"""

import re

import numpy as np

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+\.?\d*|[A-Za-z]|[-+^_{}()|/,=:\[\]]|\s+")
IGNORED = {r"\,", r"\ ", r"\left", r"\right", r"\textstyle", r"\displaystyle", r"\;", r"\bigl", r"\bigr"}
GREEK = {
    **{rf"\{g}": g for g in ("alpha", "beta", "gamma", "delta", "eta", "theta", "kappa", "mu", "nu", "xi")},
    **{rf"\{g}": g for g in ("pi", "rho", "sigma", "tau", "psi", "omega", "Sigma", "Theta")},
    **{r"\varepsilon": "eps", r"\lambda": "lam", r"\Lambda": "Lam", r"\varphi": "phi"},
}
FUNCTIONS = {
    **{
        r"\exp": np.exp,
        r"\log": np.log,
        r"\sin": np.sin,
        r"\cos": np.cos,
        r"\tanh": np.tanh,
        r"\cosh": np.cosh,
    },
    **{"logistic": lambda z: 1 / (1 + np.exp(-z)), "softplus": lambda z: np.log1p(np.exp(z))},
    **{"relu": lambda z: z * (z > 0), "abs": np.abs, "step": lambda z: (z > 0) * 1.0, "sign": np.sign},
    **{"sum": lambda A: np.array([[A.sum()]]), "tr": lambda A: np.array([[np.trace(A)]])},
    **{"sym": lambda A: (A + A.T) / 2, "skew": lambda A: (A - A.T) / 2, "lower": np.tril, "upper": np.triu},
    **{"diag": lambda A: np.diag(A[:, 0]) if A.shape[1] == 1 else np.diag(A)[:, None]},
    "vec": lambda A: A.T.reshape(-1, 1),
}


def _softmax(Z):
    axis = 0 if Z.shape[1] == 1 else 1
    P = np.exp(Z)
    return P / P.sum(axis=axis, keepdims=True)


def _logsumexp(Z):
    axis = 0 if Z.shape[1] == 1 else 1
    return np.log(np.exp(Z).sum(axis=axis, keepdims=True))


def _sqdist(X, Z=None):
    Z = X if Z is None else Z
    return np.array([[((x - z) ** 2).sum() for z in Z] for x in X])


def _blocks(C, B):
    (m, n), (p, q) = C.shape, B.shape
    return np.array([[(C[i : i + p, j : j + q] * B).sum() for j in range(0, n, q)] for i in range(0, m, p)])


def _weighted(C, A):
    p, q = C.shape[0] // A.shape[0], C.shape[1] // A.shape[1]
    parts = [
        A[i, j] * C[i * p : (i + 1) * p, j * q : (j + 1) * q]
        for i in range(A.shape[0])
        for j in range(A.shape[1])
    ]
    return sum(parts)


FUNCTIONS |= {"softmax": _softmax, "logsumexp": _logsumexp, "sqdist": _sqdist}
FUNCTIONS |= {"blocks": _blocks, "weighted": _weighted}


ENDS = {"", "+", "-", ")", "]", "}", "|", ",", "=", r"\rVert", r"\rangle", r"\circ", r"\oslash", r"\otimes"}
ENDS |= {r"\cdot"}


def read(latex, values):
    """The value of a formula, as a matrix, for given values of its symbols (arrays of any rank)."""
    known = {
        k.replace("_", ""): np.reshape(v, (*np.shape(v), 1, 1)[:2]).astype(float) for k, v in values.items()
    }
    reader = Reader(latex, known)
    value = reader.sum()
    assert reader.k == len(reader.tokens), f"left over: {reader.tokens[reader.k :]} of {latex}"
    return value


def picked(A, places):
    """Rows and columns by their numbers from 1, as they stand below a bracket: 2,3 or 2,: or 2:4."""
    for axis, place in enumerate(places.split(",")):
        first, _, last = place.partition(":")
        if place != ":":
            A = np.take(A, range(int(first) - 1, int(last or first)), axis=axis)
    return A


def multiply(A, B):
    return A * B if A.shape == (1, 1) or B.shape == (1, 1) else A @ B


class Reader:
    def __init__(self, latex, values):
        found = TOKEN.findall(latex)
        assert "".join(found) == latex, latex
        self.tokens = [t for t in found if not t.isspace() and t not in IGNORED]
        self.values, self.k = values, 0

    @property
    def token(self):
        return self.tokens[self.k] if self.k < len(self.tokens) else ""

    def take(self, expected=None):
        token = self.token
        assert expected in (None, token), f"expected {expected}, found {token!r} in {self.tokens}"
        self.k += 1
        return token

    def sum(self):
        sign = -1.0 if self.token == "-" and self.take() else 1.0
        total = sign * self.term()
        while self.token in ("+", "-"):
            sign = 1.0 if self.take() == "+" else -1.0
            right = self.term()
            assert total.shape == right.shape, (total.shape, right.shape)
            total = total + sign * right
        return total

    def term(self):
        """Products; a scalar in front of an entrywise product multiplies all of it."""
        value = self.product()
        while self.token in (r"\circ", r"\oslash", r"\otimes"):
            sign = self.take()
            right = self.product()
            if sign == r"\otimes":
                value = np.kron(value, right)
            else:
                assert value.shape == right.shape, (value.shape, right.shape)
                value = value * right if sign == r"\circ" else value / right
        return value

    def starts_factor(self):
        return self.token not in ENDS

    def product(self):
        value = self.factor()
        while self.starts_factor():
            value = multiply(value, self.factor())
        return value

    def factor(self):
        value = self.atom()
        while self.token == "^":
            self.take()
            value = self.raised(value, self.exponent())
        return value

    def exponent(self):
        self.take("{")
        pieces = []
        while self.token != "}":
            pieces.append(self.take())
            if pieces[-1] == r"\mathsf":
                pieces += [self.take("{"), self.take("T"), self.take("}")]
        self.take("}")
        return "".join(pieces)

    @staticmethod
    def raised(value, exponent):
        if exponent == r"\mathsf{T}":
            return value.T
        if exponent == r"-\mathsf{T}":
            return np.linalg.inv(value).T
        if exponent.startswith(r"\circ"):
            return value ** fraction(exponent.removeprefix(r"\circ"))
        if exponent == "-1":
            return np.linalg.inv(value)
        assert value.shape == (1, 1), f"a power {exponent} of a matrix {value.shape}"
        return value ** fraction(exponent)

    def group(self, left="(", right=")"):
        self.take(left)
        value = self.sum()
        self.take(right)
        return value

    def atom(self):
        token = self.take()
        if token[0].isdigit():
            if token == "0" and self.token == "_":
                m, n = self.subscript().split(r"\times")
                return np.zeros((int(m), int(n)))
            number = float(token)
            if self.token == r"\cdot":
                self.take(), self.take()
                number *= 10.0 ** float(self.script())
            return np.array([[number]])
        if token == "(":
            self.k -= 1
            return self.group()
        if token == r"\frac":
            above = self.group("{", "}")
            return above / self.group("{", "}")
        if token == r"\lVert":
            value = self.sum()
            self.take(r"\rVert")
            return np.array([[np.linalg.norm(value)]])
        if token == r"\langle":
            left = self.sum()
            self.take(",")
            right = self.sum()
            self.take(r"\rangle")
            return np.array([[(left * right).sum()]])
        if token == r"\mathbf":
            letter, index = self.script_after("{"), self.subscript()
            return np.ones((int(index), 1)) if letter == "1" else self.values[f"unit {index}"]
        if token == "[":
            value = self.sum()
            self.take("]")
            return picked(value, self.subscript())
        if token == r"\log" and self.token == "|":
            return np.array([[np.linalg.slogdet(self.determinant())[1]]])
        if token == r"\log" and self.token == r"\cosh":
            self.take()
            return np.log(np.cosh(self.group()))
        if token == r"\det":
            return np.array([[np.linalg.det(self.group())]])
        if token == r"\operatorname":
            return self.call(self.script_after("{"))
        if token in FUNCTIONS:
            return FUNCTIONS[token](self.group())
        return self.symbol(token)

    def determinant(self):
        self.take("|")
        self.take(r"\det")
        value = self.sum()
        self.take("|")
        return value

    def call(self, word):
        if word == "unvec":
            m, n = (int(k) for k in self.subscript().split(r"\times"))
            return self.group().reshape(n, m).T
        self.take("(")
        args = [self.sum()]
        while self.token == ",":
            self.take()
            args.append(self.sum())
        self.take(")")
        return FUNCTIONS[word](*args)

    def script_after(self, bracket):
        if bracket:
            self.take(bracket)
        pieces = []
        while self.token != "}":
            pieces.append(self.take())
        self.take("}")
        return "".join(pieces)

    def script(self):
        self.take("^")
        return self.script_after("{")

    def subscript(self):
        """What stands below a symbol, as text; subscripts may nest."""
        if self.token != "_":
            return ""
        self.take("_")
        self.take("{")
        name = ""
        while self.token != "}":
            token = self.take()
            if token == "_":
                self.k -= 1
                name += "_" + self.subscript()
            elif token == "{":  # a colon in a group of its own
                name += self.script_after("")
            else:
                name += GREEK.get(token, token)
        self.take("}")
        return name

    def named(self, token):
        """A symbol without what stands below it; a bar is part of the name."""
        if token == r"\bar":
            return self.script_after("{") + "bar"
        return self.script_after("{") if token == r"\mathrm" else GREEK.get(token, token)

    def symbol(self, token):
        name = self.named(token)
        index = self.subscript()
        if name == "I":
            return np.eye(int(index))
        if name == "K" and "," in index:
            m, n = map(int, index.split(","))
            return np.vstack([np.eye(m * n)[j * m + i] for i in range(m) for j in range(n)])
        spelled = (name + index).replace("_", "")
        assert spelled in self.values, f"{spelled} has no value"
        return self.values[spelled]


def fraction(text):
    above, _, below = text.partition("/")
    return float(above) / float(below) if below else float(above)


def read_entries(latex, values, shape):
    """The matrix whose entry (i, j) the formula gives in index form; a column has i alone, a number none."""
    known = {
        k.replace("_", ""): np.reshape(v, (*np.shape(v), 1, 1)[:2]).astype(float) for k, v in values.items()
    }
    letters = [n for n in shape if n > 1]
    out = np.zeros(shape)
    for index in np.ndindex(shape):
        steps = dict(zip("ij", [k for k, n in zip(index, shape, strict=True) if n > 1], strict=False))
        assert len(steps) == len(letters)
        reader = Entries(latex, known)
        out[index] = reader.sum()(steps)
        assert reader.k == len(reader.tokens), f"left over: {reader.tokens[reader.k :]} of {latex}"
    return out


class Entries(Reader):
    r"""Index form: everything is a number; a letter below a symbol picks an entry; \sum runs over a letter.

    What is read is a function of the letters' values, so that a sum can run over what stands behind it.
    """

    def sum(self):
        sign = -1.0 if self.token == "-" and self.take() else 1.0
        first = self.term()
        terms = [lambda s, t=first, c=sign: c * t(s)]
        while self.token in ("+", "-"):
            sign = 1.0 if self.take() == "+" else -1.0
            t = self.term()
            terms.append(lambda s, t=t, c=sign: c * t(s))
        return lambda s: sum(t(s) for t in terms)

    def term(self):
        factors = [self.factor()]
        while self.starts_factor():
            factors.append(self.factor())
        return lambda s: np.prod([f(s) for f in factors])

    def factor(self):
        value = self.atom()
        while self.token == "^":
            self.take()
            p = fraction(self.exponent())
            value = lambda s, v=value, p=p: v(s) ** p  # noqa: E731
        return value

    def atom(self):
        token = self.take()
        if token[0].isdigit():
            return lambda s, c=float(token): c
        if token == "(":
            self.k -= 1
            return self.group()
        if token == r"\frac":
            above, below = self.group("{", "}"), self.group("{", "}")
            return lambda s: above(s) / below(s)
        if token == r"\sum":
            self.take("_"), self.take("{")
            letter = self.take()
            self.take("="), self.take("1"), self.take("}"), self.take("^")
            n, inside = int(self.script_after("{")), self.term()
            return lambda s: sum(inside({**s, letter: k}) for k in range(n))
        if token == r"\delta" and self.ahead_is_letters():
            a, b = split_places(self.subscript())
            return lambda s: float(place(a, s) == place(b, s))
        if token == "[":
            return self.bracket()
        if token == r"\log" and self.token == r"\cosh":
            self.take()
            inside = self.group()
            return lambda s: np.log(np.cosh(inside(s)))
        if (token == r"\operatorname" and self.peek_word() in SCALAR_WORDS) or (
            token in FUNCTIONS and self.token == "("
        ):
            word = self.script_after("{") if token == r"\operatorname" else token
            inside = self.group()
            return lambda s: float(FUNCTIONS[word](np.float64(inside(s))))
        self.k -= 1
        return self.entry()

    def ahead_is_letters(self):
        inside = self.tokens[self.k + 2 : self.tokens.index("}", self.k)] if self.token == "_" else [""]
        return len(inside) >= 2 and all(t in [*LETTERS, ",", "+"] or t.isdigit() for t in inside)

    def peek_word(self):
        end = self.tokens.index("}", self.k)
        return "".join(self.tokens[self.k + 1 : end])

    def bracket(self):
        """[matrix]_ij: what stands inside is read as a matrix."""
        depth, end = 1, self.k
        while depth:
            depth += (self.tokens[end] == "[") - (self.tokens[end] == "]")
            end += 1
        inner = Reader("", self.values)
        inner.tokens = self.tokens[self.k : end - 1]
        matrix = inner.sum()
        assert inner.k == len(inner.tokens)
        self.k = end
        return self.picked(matrix, self.subscript())

    def picked(self, matrix, below):
        places = split_places(below)
        wanted = [k > 1 for k in matrix.shape]
        assert len(places) == sum(wanted), (matrix.shape, below)
        named = iter(places)
        i, j = (next(named) if w else None for w in wanted)
        return lambda s: matrix[place(i, s) if i else 0, place(j, s) if j else 0]

    def entry(self):
        """A symbol with letters below it, or a scalar formula of matrices, such as a determinant."""
        start = self.k
        token = self.take()
        if token.isalpha() or token in GREEK or token in (r"\mathrm", r"\bar"):
            name = self.named(token)
            below = self.subscript()
            if name in self.values and set(below) <= set(LETTERS + ",+0123456789"):
                return self.picked(self.values[name], below)
        self.k = start
        matrix = Reader.factor(as_reader(self))
        assert matrix.shape == (1, 1)
        return lambda s: matrix[0, 0]


LETTERS = "ijklmpqrst"


def split_places(below):
    """The places that stand below a symbol: ij, or i,3 or i+1,j."""
    return below.split(",") if "," in below or "+" in below or below.isdigit() else list(below)


def place(written, steps):
    """Where a letter stands, a number from 1, or a letter and a number on."""
    letter, _, on = written.partition("+")
    return (steps[letter] if letter.isalpha() else int(letter) - 1) + int(on or 0)


SCALAR_WORDS = {"logistic", "softplus", "relu", "abs", "step", "sign"}


def as_reader(entries):
    """A plain reader that shares the tokens and the place of an index reader."""
    reader = Shared.__new__(Shared)
    reader.owner = entries
    return reader


class Shared(Reader):
    @property
    def k(self):
        return self.owner.k

    @k.setter
    def k(self, value):
        self.owner.k = value

    @property
    def tokens(self):
        return self.owner.tokens

    @property
    def values(self):
        return self.owner.values
