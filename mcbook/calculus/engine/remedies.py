"""What a learner may have meant: the remedy that goes with each thing that cannot be read."""

import inspect
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

from mcbook.calculus.engine.algebra import transpose
from mcbook.calculus.engine.code import expression_code
from mcbook.calculus.engine.nodes import Expr

CHARACTERS = {
    **{"^": "a power is written **, a transpose .T, a product of matrices @", "!": "there is no factorial"},
    **dict.fromkeys("'\"ʹ′", "text in quotes is not read, and a transpose is written X.T"),
    **dict.fromkeys("−–—", "the minus sign is the keyboard's -"),
    **dict.fromkeys("·×⋅∘⊙•", "a product is written @ between matrices, * entry by entry"),
    **dict.fromkeys("|‖", "a norm is written norm(x), a determinant det(A), a size without sign abs(x)"),
    **dict.fromkeys("{}", "brackets are ( and )"),
    **dict.fromkeys("<>=", "comparisons have no derivative; relu(x), abs(x), step(x) and sign(x) are known"),
    **{"√": "a root is written sqrt(x)", "∑": "a sum is written sum(x)", "÷": "a fraction is written a / b"},
    **{"%": "there is no remainder", "&": "there is no logic", "\\": "this is NumPy's notation, not LaTeX"},
}
RAISED = {"ᵀ": ".T", "ᵗ": ".T", "⁻¹": "**-1, of a matrix inv(…)", "²": "**2", "³": "**3"}
GREEK = {
    **{"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "eps", "η": "eta", "θ": "theta"},
    **{"κ": "kappa", "λ": "lam", "μ": "mu", "ν": "nu", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi"},
    **{"ψ": "psi", "ω": "omega", "lambda": "lam", "lamda": "lam", "epsilon": "eps"},
}
ELSEWHERE = {  # words of NumPy and SciPy, and how the same is said here
    **{"ln": "log(x)", "arctanh": "log((1 + x) / (1 - x)) / 2", "pow": "x**p", "reciprocal": "1 / x"},
    **{"multiply": "A * B", "add": "A + B", "subtract": "A - B", "divide": "A / B", "negative": "-A"},
    **{"frobenius": "norm(A)", "fro": "norm(A)", "mse": "sqnorm(a - b) / n", "pinv": "solve(A.T @ A, A.T)"},
    **{"T": "A.T", "t": "A.T", "einsum": "products @ and sums", "linspace": "symbols of known shape"},
    "cross_entropy": "sum(logsumexp(Z, axis=1)) - sum(Y * Z)",
}
ORACLES = {
    **{"cholesky": "cholesky", "eigh": "eigh", "eigvalsh": "eigh", "eigvals": "eigh", "eig": "eigh"},
    **{"svd": "svd", "svdvals": "svd", "expm": "expm", "sqrtm": "sqrtm"},
}
PIECEWISE = {"max", "min", "amax", "amin", "minimum", "argmax", "argmin", "where", "clip", "sort", "median"}


def of_character(character: str) -> str:
    """What to write instead of a character that means nothing."""
    remedy = CHARACTERS.get(character)
    return f"{character!r} means nothing here" + (f": {remedy}" if remedy else "")


def of_function(name: str, words: Collection[str], known: Collection[str] = ()) -> str:
    """For a function that the engine does not know: its name there, its oracle, or the nearest words."""
    start = f"the engine does not know {name}"
    if name.lower() in ELSEWHERE or name in ELSEWHERE:
        return f"{start}: write {ELSEWHERE.get(name) or ELSEWHERE[name.lower()]}"
    if name in ORACLES:
        pair = f"jvp_{ORACLES[name]} and vjp_{ORACLES[name]}"
        return f"{start} in formulas; its derivatives are {pair} in mcbook.calculus.oracles"
    if name in PIECEWISE:
        return f"{start}: it has kinks and ties; of such, relu(x) = maximum(x, 0) and abs(x) are known"
    near = nearest(name, words)
    if near:
        return f"{start}; did you mean {near}?"
    if product := _as_product(name, known):
        return f"{start}, and {name} is not declared; for a product write {product} @ (…)"
    return f"{start}; it knows {', '.join(sorted(words))}"


def of_name(name: str, known: Collection[str], words: Collection[str]) -> str:
    """For a name that is not declared: the one that was meant, or how to write what was."""
    start = f"{name} is not declared"
    listing = f"; known symbols: {', '.join(sorted(known)) or 'none'}"
    for mark, written in RAISED.items():
        if name.endswith(mark):
            return f"{start}: write {name.removesuffix(mark)}{written}{listing}"
    if name in words:
        return f"{name} is a function: write {name}(…)"
    if name == "lambda" and "lam" not in known:
        return f"{start}: the text is read, never run; a function is written as an expression{listing}"
    if name in ("pi", "e"):
        return f"{start}: write the number, or declare it as a symbol{listing}"
    if GREEK.get(name) in known:
        return f"{start}: did you mean {GREEK[name]}?"
    if name.endswith("T") and name.removesuffix("T").rstrip("_") in known:
        return f"{start}: a transpose is written {name.removesuffix('T').rstrip('_')}.T{listing}"
    if product := _as_product(name, known):
        return f"{start}: for a product write {product}{listing}"
    near = nearest(name, known)
    return f"{start}: did you mean {near}?{listing}" if near else start + listing


def of_method(name: str, methods: Collection[str], words: Collection[str]) -> str:
    """For something after a dot that is not known."""
    start = f".{name} is not known"
    if name.lower() in ("t", "h", "mt"):
        return f"{start}: a transpose is written .T"
    if name.lower() == "i" or name in words:
        return f"{start}: write {'inv' if name.lower() == 'i' else name}(…)"
    return f"{start}; .T, .shape and {', '.join(methods)} are"


def nearest(name: str, known: Collection[str]) -> str:
    """The nearest of the known names, whatever the case; nothing if none is near."""
    by_case = {k.lower(): k for k in sorted(known, reverse=True)}
    found = get_close_matches(name.lower(), by_case, n=2, cutoff=0.7)
    return " or ".join(by_case[k] for k in found)


def _as_product(name: str, known: Collection[str]) -> str:
    """X @ W for XW, where both are known."""
    for k in range(1, len(name)):
        if name[:k] in known:
            rest = name[k:]
            if rest in known:
                return f"{name[:k]} @ {rest}"
            if further := _as_product(rest, known):
                return f"{name[:k]} @ {further}"
    return ""


def missing_operation(before: str, after: str) -> str:
    """For two things that stand side by side."""
    return f"between {before} and {after} an operation is missing: @ between matrices, * with numbers"


def fitting(A: Expr, B: Expr, sign: str) -> str:
    """What would fit in the place of A and B with this sign between them, as a sentence; or nothing."""
    a, b = _in_brackets(A), _in_brackets(B)
    at, bt = (m.removesuffix(".T") if m.endswith(".T") else f"{m}.T" for m in (a, b))
    ways = [(f"{a} {sign} {bt}", sign, A, transpose(B)), (f"{at} {sign} {b}", sign, transpose(A), B)]
    ways += [(f"{b} {sign} {a}", sign, B, A)] if sign == "@" else []
    ways += [(f"{a} @ {b}", "@", A, B), (f"{a} @ {bt}", "@", A, transpose(B))] if sign == "*" else []
    ways += [(f"{at} {sign} {bt}", sign, transpose(A), transpose(B))]
    found = [text for text, between, P, Q in ways if _fits(between, P, Q)]
    return f" What fits: {' or '.join(found[:2])}." if found else ""


def _fits(sign: str, A: Expr, B: Expr) -> bool:
    """Whether the shapes do, for matrices or vectors; a vector is its own transpose."""
    if (A.shape[0] == 1 < A.shape[1]) or (B.shape[0] == 1 < B.shape[1]):
        return False
    if sign != "@":
        return A.shape == B.shape
    return A.shape[1] == B.shape[0] or (A.is_column and A.shape[0] == B.shape[0])


def _in_brackets(E: Expr) -> str:
    """The expression as code, to stand before a dot."""
    written = expression_code(E)
    return written if written.replace(".T", "").isidentifier() else f"({written})"


def signature(name: str, word: Callable[..., Any], given: int, options: Mapping[str, Any]) -> str:
    """How a word is called, for one that was called otherwise."""
    takes = []
    for p in inspect.signature(word).parameters.values():
        star = "*" if p.kind is p.VAR_POSITIONAL else ""
        takes.append(star + p.name + ("" if p.default is p.empty else f"={p.default}"))
    got = [f"{given} argument{'' if given == 1 else 's'}", *(f"{key}={v}" for key, v in options.items())]
    return f"it is written {name}({', '.join(takes)}), got {' and '.join(got)}"
