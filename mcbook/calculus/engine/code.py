"""Expressions and gradients as NumPy or JAX code, the way one would write them by hand.

Inside, everything is a matrix; in code, vectors are 1-D and numbers 0-D: transposes of vectors go, abᵀ is
`np.outer(a, b)`, A1 is `A.sum(axis=1)`, and a vector added to every row is `b[None, :]`.
"""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from keyword import iskeyword

from mcbook.calculus.engine.algebra import matmul, split, times
from mcbook.calculus.engine.nodes import Expr, definitions
from mcbook.calculus.engine.picking import is_unit

ADD, MUL, NEG, POW, ATOM = range(1, 6)
HELPERS = {
    "logistic": "def logistic(z):\n    return np.exp(-np.logaddexp(0.0, -z))\n",
    "softplus": "def softplus(z):\n    return np.logaddexp(0.0, z)\n",
    "logcosh": "def logcosh(z):\n    return np.logaddexp(z, -z) - np.log(2.0)\n",
    "relu": "def relu(z):\n    return np.maximum(z, 0.0)\n",
    "step": "def step(z):\n    return np.where(z > 0, 1.0, 0.0)\n",
    "sym": "def sym(A):\n    return (A + A.T) / 2\n",
    "skew": "def skew(A):\n    return (A - A.T) / 2\n",
    "logsumexp": (
        "def logsumexp(Z):\n    top = Z.max(axis=-1, keepdims=True)\n"
        "    return np.log(np.exp(Z - top).sum(axis=-1)) + top[..., 0]\n"
    ),
    "softmax": (
        "def softmax(Z):\n    P = np.exp(Z - Z.max(axis=-1, keepdims=True))\n"
        "    return P / P.sum(axis=-1, keepdims=True)\n"
    ),
    "sqdist": "def sqdist(X, Z):\n    return ((X[:, None, :] - Z[None, :, :]) ** 2).sum(axis=-1)\n",
    "commutation": (
        "def commutation(m, n):\n    return np.eye(m * n)[np.arange(m * n).reshape(n, m).T.ravel()]\n"
    ),
    "kron_left": (
        "def kron_left(C, B):\n    m, n = C.shape[0] // B.shape[0], C.shape[1] // B.shape[1]\n"
        '    return np.einsum("iajb,ab->ij", C.reshape(m, B.shape[0], n, B.shape[1]), B)\n'
    ),
    "kron_right": (
        "def kron_right(C, A):\n    m, n = C.shape[0] // A.shape[0], C.shape[1] // A.shape[1]\n"
        '    return np.einsum("iajb,ij->ab", C.reshape(A.shape[0], m, A.shape[1], n), A)\n'
    ),
}
RESERVED = {"np", "jnp", *HELPERS}
PLAIN = {  # operations that are one call on arrays of their natural rank
    **{"trace": "np.trace", "det": "np.linalg.det", "inverse": "np.linalg.inv", "solve": "np.linalg.solve"},
    **{"norm": "np.linalg.norm", "diag": "np.diag", "diagonal": "np.diag", "lower": "np.tril"},
    **{"upper": "np.triu", "softmax": "softmax", "logsumexp": "logsumexp", "sym": "sym", "skew": "skew"},
}
FLAT = ("sqdist", "kron", "kron_left", "kron_right")  # calls that want matrices whatever the shapes
NUMPY_FUNCTIONS = ("exp", "log", "tanh", "sin", "cos", "abs", "sign")


class _Writer:
    """Writes expressions as code, and remembers which helpers that code calls."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    def at(self, E: Expr, level: int) -> str:
        written, tightness = self.write(E)
        return written if tightness >= level else f"({written})"

    def __call__(self, E: Expr) -> str:
        return self.write(E)[0]

    def write(self, E: Expr) -> tuple[str, int]:
        special: Callable[[Expr], tuple[str, int]] | None = getattr(self, f"write_{E.op}", None)
        if special is not None:
            return special(E)
        if E.op in FLAT:
            return self.flat_call(E), ATOM
        return self.call(PLAIN[E.op], ", ".join(map(self, E.args))), ATOM

    def call(self, name: str, inside: str) -> str:
        if name in HELPERS:
            self.used.add(name)
        return f"{name}({inside})"

    def flat_call(self, E: Expr) -> str:
        """A call on matrices, its result brought back to the natural rank."""
        called = self.call("np.kron" if E.op == "kron" else E.op, ", ".join(map(self.matrix, E.args)))
        return called + {(True, True): "[0, 0]", (True, False): "[0]", (False, True): "[:, 0]"}.get(
            (E.shape[0] == 1, E.shape[1] == 1), ""
        )

    def matrix(self, E: Expr) -> str:
        """E as a two-dimensional array."""
        written = self.at(E, ATOM)
        if E.is_scalar:
            return f"np.reshape({written}, (1, 1))"
        return written + ("[:, None]" if E.is_column else "[None, :]" if E.shape[0] == 1 else "")

    # Leaves

    def write_symbol(self, E: Expr) -> tuple[str, int]:
        shape = E.data.shape
        cut = {(1, 1): "[0, 0]"}.get(shape, "[:, 0]" if E.is_column else "[0]" if E.shape[0] == 1 else "")
        return E.name + (cut if len(shape) == 2 else "[0]" if shape == (1,) else ""), ATOM

    def write_let(self, E: Expr) -> tuple[str, int]:
        return E.name, ATOM

    def write_number(self, E: Expr) -> tuple[str, int]:
        c = E.data
        if isinstance(c, float) or c.denominator == 1:
            return (repr(c) if isinstance(c, float) else str(c)), ATOM if c >= 0 else NEG
        return f"{c.numerator} / {c.denominator}", MUL if c > 0 else NEG - 2

    def write_identity(self, E: Expr) -> tuple[str, int]:
        return f"np.eye({E.shape[0]})", ATOM

    def _filled(self, word: str, E: Expr) -> tuple[str, int]:
        m, n = E.shape
        return f"np.{word}({m * n if 1 in E.shape else (m, n)})", ATOM

    def write_ones(self, E: Expr) -> tuple[str, int]:
        return self._filled("ones", E)

    def write_zeros(self, E: Expr) -> tuple[str, int]:
        return self._filled("zeros", E)

    def write_commutation(self, E: Expr) -> tuple[str, int]:
        return self.call("commutation", "{}, {}".format(*E.data)), ATOM

    def write_selection(self, E: Expr) -> tuple[str, int]:
        n = E.shape[1]
        return f"np.eye({n * n})[:, :: {n + 1}]", ATOM

    # Sums and products

    def write_add(self, E: Expr) -> tuple[str, int]:
        terms = sorted(E.args, key=lambda t: split(t)[0] < 0)
        full = [t for t in terms if not _is_constant(t) and not _is_row(t) and not _is_spread(t)]
        written = ""
        for t in terms:
            minus = split(t)[0] < 0
            level = MUL if written or minus else ADD
            piece = self.summand(-t if minus else t, bool(full), level)
            written += f" {'-' if minus else '+'} {piece}" if written else f"-{piece}" if minus else piece
        return written, ADD

    def summand(self, t: Expr, stretches: bool, level: int) -> str:
        """A term; 1, s and 1bᵀ are left to stretch where another term has the full shape."""
        if stretches and _is_constant(t):
            return "1"
        if stretches and _is_spread(t):
            return self.at(times(*t.args[:-1]), level)
        if stretches and _is_row(t):
            row = self.at(matmul(*t.args[1:]), ATOM)
            return f"{row}[None, :]"
        return self.at(t, level)

    def write_times(self, E: Expr) -> tuple[str, int]:
        c, rest = split(E)
        if c < 0:
            return "-" + self.at(-E, MUL), NEG - 2
        parts = rest.args if rest.op == "times" else (rest,)
        below = [s for s in parts if s.is_scalar and s.op == "power" and s.data < 0]
        above = [s for s in parts if s not in below]
        written = [self.at(s, MUL) for s in above]
        written = [f"({w})" if " / " in w and k else w for k, w in enumerate(written)]
        under = [self.at(1 / s, NEG + 1) for s in below]
        if isinstance(c, float):
            written.insert(0, repr(c))
        else:
            written = ([str(c.numerator)] if c.numerator != 1 else []) + written
            under = ([str(c.denominator)] if c.denominator != 1 else []) + under
        over = " * ".join(written) or "1"
        return over + "".join(f" / {u}" for u in under), MUL

    def write_hadamard(self, E: Expr) -> tuple[str, int]:
        below = [a for a in E.args if a.op == "power" and a.data == -1]
        above = [a for a in E.args if a not in below]
        over = " * ".join(self.at(a, NEG) for a in above) or "1"
        return over + "".join(f" / {self.at(a.args[0], NEG)}" for a in below), MUL

    def write_power(self, E: Expr) -> tuple[str, int]:
        base, p = E.args[0], E.data
        if p == -1:
            return f"1 / {self.at(base, NEG)}", MUL
        if p == Fraction(1, 2):
            return f"np.sqrt({self(base)})", ATOM
        exponent = self.write_number(Expr("number", (), (1, 1), p))[0]
        return (
            f"{self.at(base, ATOM)}**{exponent if p >= 0 and ' ' not in exponent else f'({exponent})'}",
            POW,
        )

    def write_matmul(self, E: Expr) -> tuple[str, int]:
        args = E.args
        for k in range(1, len(args)):
            if args[k].shape[0] == 1 and not E.is_scalar:  # a column meets a row
                left, right = matmul(*args[:k]), matmul(*args[k:])
                return f"np.outer({self(left)}, {self(right)})", ATOM
        if args[-1].op == "ones" and args[-1].is_column:
            M = matmul(*args[:-1])
            if M.op == "transpose" and 1 not in M.shape:
                return f"{self.at(M.args[0], ATOM)}.sum(axis=0)", ATOM
            inner = self.at(M, ATOM)
            return f"{inner}.sum({'axis=1' if E.shape[0] > 1 else ''})", ATOM
        if args[0].op == "ones" and args[0].shape[0] == 1:
            inner = self.at(matmul(*args[1:]), ATOM)
            return f"{inner}.sum({'axis=0' if E.shape[1] > 1 else ''})", ATOM
        return " @ ".join(self.at(a, NEG) for a in args), MUL

    def write_transpose(self, E: Expr) -> tuple[str, int]:
        A = E.args[0]
        return self.write(A) if 1 in A.shape else (f"{self.at(A, ATOM)}.T", ATOM)

    # Calls that are not one word

    def write_pick(self, E: Expr) -> tuple[str, int]:
        if is_unit(E):
            return f"np.eye({E.shape[0]})[{E.data[1][0]}]", ATOM
        runs = list(zip(E.data, E.args[0].shape, strict=True))
        keys = [_key(run, n) for run, n in runs if n > 1]
        return f"{self.at(E.args[0], ATOM)}[{', '.join(keys).removesuffix(', :')}]", ATOM

    def write_sum(self, E: Expr) -> tuple[str, int]:
        return f"np.sum({self(E.args[0])})", ATOM

    def write_inner(self, E: Expr) -> tuple[str, int]:
        A, B = E.args
        return f"np.sum({self.at(A, NEG)} * {self.at(B, NEG)})", ATOM

    def write_sqnorm(self, E: Expr) -> tuple[str, int]:
        return f"np.sum({self.at(E.args[0], ATOM)}**2)", ATOM

    def write_logdet(self, E: Expr) -> tuple[str, int]:
        return f"np.linalg.slogdet({self(E.args[0])})[1]", ATOM

    def write_vec(self, E: Expr) -> tuple[str, int]:
        return f"{self.at(E.args[0], ATOM)}{'' if 1 in E.args[0].shape else '.T'}.ravel()", ATOM

    def write_unvec(self, E: Expr) -> tuple[str, int]:
        m, n = E.shape
        return f"{self.at(E.args[0], ATOM)}" + ("" if 1 in E.shape else f".reshape({n}, {m}).T"), ATOM

    def write_apply(self, E: Expr) -> tuple[str, int]:
        name = f"np.{E.data}" if E.data in NUMPY_FUNCTIONS else E.data
        return self.call(name, self(E.args[0])), ATOM


def _key(run: tuple[int, int], n: int) -> str:
    """An index or a slice, as it is written."""
    start, stop = run
    return str(start) if stop - start == 1 else f"{start or ''}:{stop if stop < n else ''}"


def _is_constant(t: Expr) -> bool:
    """The ones of 1 - H²."""
    return t.op == "ones" or (
        t.op == "times" and t.args[-1].op == "ones" and t.args[0].data == -1 and len(t.args) == 2
    )


def _is_spread(t: Expr) -> bool:
    """A scalar in every entry."""
    return t.op == "times" and t.args[-1].op == "ones"


def _is_row(t: Expr) -> bool:
    """1bᵀ: a vector in every row."""
    return t.op == "matmul" and t.args[0].op == "ones" and t.args[0].is_column and t.shape[1] > 1


def function_code(
    E: Expr,
    name: str,
    arguments: Sequence[Expr],
    *,
    shape: tuple[int, ...] | None = None,
    target: str = "numpy",
) -> str:
    """A function that computes E: its named intermediates line by line, the helpers it calls before it."""
    if target not in ("numpy", "jax"):
        raise ValueError(f"code is written for 'numpy' or 'jax', got {target!r}.")
    for name_used in [name, *(s.name for s in (*arguments, *E.free, *definitions(E)))]:
        if name_used in RESERVED:
            raise ValueError(f"{name_used} has a meaning in the code that is written; give it another name.")
    asked = [s.name for s in arguments]
    if not name.isidentifier() or iskeyword(name):
        raise ValueError(f"{name!r} is no name for a function.")
    if missing := sorted(s.name for s in E.free - {*arguments}):
        raise ValueError(f"{name} needs {', '.join(missing)} too, among its arguments {asked}.")
    write = _Writer()
    body = [f"    {d.name} = {write(d.args[0])}" for d in definitions(E)]
    value = write(E)
    if shape is not None and 1 in shape:
        value = f"np.reshape({value}, {shape})"
    body.append(f"    return {value}")
    head = f"def {name}({', '.join(s.name for s in arguments)}):"
    helpers = [HELPERS[k] for k in HELPERS if k in write.used]
    text = "\n\n".join([*helpers, "\n".join([head, *body]) + "\n"])
    if target == "jax":
        return "import jax.numpy as jnp\n\n\n" + re.sub(r"\bnp\.", "jnp.", text)
    return "import numpy as np\n\n\n" + text


def expression_code(E: Expr) -> str:
    """The expression alone, in NumPy's notation, its named intermediates by their names."""
    return _Writer()(E)
