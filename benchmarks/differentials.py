"""Nine knobs and a first table, beside fumbling and beside SymPy.

    python -m benchmarks.differentials [--only looks|symbolic] [--repeats 5]

looks     the gradient of the desk against one look for every knob: seconds as a ratio, and digits lost
symbolic  the number-valued rows of the first table: the engine and SymPy's matrix derivatives, each judged by
          numbers at three random points
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import sympy as sp

from benchmarks.common import interleave, machine, record, versions
from mcbook.calculus import evaluate
from mcbook.calculus.identities import FIRST, Identity
from mcbook.differentials import grad_loss_W, loss

PACKAGES = ("numpy", "sympy")


def looks(repeats: int) -> dict[str, Any]:
    """d × d knobs, n = 4d colours: d² + 1 looks against one gradient, which costs about two."""
    rows = []
    for d in (3, 10, 30):
        rng = np.random.default_rng(d)
        W, P, Q = rng.normal(size=(d, d)), rng.normal(size=(4 * d, d)), rng.normal(size=(4 * d, d))
        sides: dict[str, tuple[Callable[[], Any], int]] = {
            "one look": (partial(_often, loss, W, P, Q), repeats),
            "gradient": (partial(_often, grad_loss_W, W, P, Q), repeats),
            "fumbling": (partial(_fumble, W, P, Q, 1e-6), repeats),
        }
        seconds, found = interleave(sides)
        G = found["gradient"]
        rows.append(
            {
                "knobs": d * d,
                "gradient over one look": seconds["gradient"]["median"] / seconds["one look"]["median"],
                "fumbling over gradient": 20 * seconds["fumbling"]["median"] / seconds["gradient"]["median"],
                "error of fumbling": float(np.linalg.norm(found["fumbling"] - G) / np.linalg.norm(G)),
                "seconds of 20": seconds,
            }
        )
    return {"runs": rows}


def _often(f: Callable[..., Any], *args: Any) -> Any:
    for _ in range(20):  # one is too short for the clock
        value = f(*args)
    return value


def _fumble(W: np.ndarray, P: np.ndarray, Q: np.ndarray, h: float) -> np.ndarray:
    start, G = loss(W, P, Q), np.zeros_like(W)
    for knob in np.ndindex(W.shape):
        turned = W.copy()
        turned[knob] += h
        G[knob] = (loss(turned, P, Q) - start) / h
    return G


def symbolic(repeats: int) -> dict[str, Any]:
    """right, silently wrong, or not done, for each row that is a number; `repeats` is of no use here."""
    rows = [row for row in FIRST if row.F.is_scalar]
    verdicts = {row.name: {"engine": _engine(row), "SymPy": _sympy(row)} for row in rows}
    count = {
        side: {
            v: sum(found[side] == v for found in verdicts.values()) for v in ("right", "wrong", "not done")
        }
        for side in ("engine", "SymPy")
    }
    return {"rows": verdicts, "count": count, "functions": len(rows)}


def _judge(row: Identity, gradient: Callable[[dict[str, Any]], Any]) -> str:
    """Against the row's own gradient, which the tests hold against JAX."""
    for seed in range(3):
        values = row.entry.sample(np.random.default_rng(seed))
        ours = np.asarray(evaluate(row.G, values), dtype=float)
        theirs = np.asarray(gradient(values), dtype=float)
        if theirs.size != ours.size or not np.allclose(theirs.reshape(ours.shape), ours, rtol=1e-9):
            return "wrong"
    return "right"


def _engine(row: Identity) -> str:
    try:
        derivation = row.derive()
    except ValueError:
        return "not done"
    return _judge(row, lambda values: derivation(values))


def _sympy(row: Identity) -> str:
    """The same function for SymPy, read from the row's text."""
    shapes = {name: E.shape for name, E in row.declared.items()}
    known = {name: sp.MatrixSymbol(name, *shape) for name, shape in shapes.items()}
    f = _written(row.name, known)
    try:
        G = f.diff(known[row.wrt])
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return "not done"
    if G.atoms(sp.Derivative):
        return "not done"

    def at(values: dict[str, Any]) -> Any:
        filled = {known[name]: sp.Matrix(np.reshape(v, shapes[name])) for name, v in values.items()}
        return sp.matrix2numpy(sp.Matrix(G.subs(filled).doit())) if G.is_Matrix else np.asarray(float(G))

    return _judge(row, at)


def _written(name: str, M: dict[str, Any]) -> Any:
    """Each row as its documentation would have it written."""
    match name:
        case "linear form":
            return M["a"].T * M["x"]
        case "quadratic form":
            return M["x"].T * M["A"] * M["x"]
        case "sum of squares":
            r = M["A"] * M["x"] - M["b"]
            return r.T * r
        case "nine knobs":
            R = M["P"] * M["W"].T - M["Q"]
            return sp.Trace(R.T * R) / 2
        case "trace of a sandwich":
            return sp.Trace(M["A"] * M["X"] * M["B"])
        case "squared norm":
            return sp.Trace(M["X"].T * M["X"])
        case "determinant":
            return sp.Determinant(M["X"])
        case "log determinant":
            return sp.log(sp.Determinant(M["X"]))
    raise ValueError(f"no way to write {name!r} for SymPy is known; add one to `_written`.")


SECTIONS = {"looks": looks, "symbolic": symbolic}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=sorted(SECTIONS))
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    for name, section in SECTIONS.items():
        if arguments.only in (None, name):
            found = section(arguments.repeats)
            found |= {"machine": machine(), "versions": versions(*PACKAGES)}
            record("differentials", name, found)


if __name__ == "__main__":
    main()
