"""The derivation engine: how fast it derives, how short its derivations are, and whether it is ever wrong.

python -m benchmarks.calculus                    all of it, into results/calculus.json
python -m benchmarks.calculus --only derive      one of derive, random, sympy

derive   seconds to derive each entry of the catalogue, lines and nodes of what comes out
random   a thousand random well-typed expressions, every gradient against jax.grad (minutes: JAX compiles)
sympy    what SymPy's matrix calculus returns where the engine has an answer
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import machine, record, spread, versions
from mcbook.calculus.catalogue import CATALOGUE
from mcbook.calculus.engine import derive, function_code, hessian


def bench_derive(repeats: int = 7) -> dict[str, Any]:
    """Median over the catalogue of the least time of each derivation, and how long the derivations are."""
    problems = [(row.f, row.declared[row.wrt]) for row in CATALOGUE]
    seconds: list[list[float]] = [[] for _ in problems]
    for _ in range(repeats):
        for times, (f, X) in zip(seconds, problems, strict=True):
            start = time.perf_counter()
            derive(f, X)
            times.append(time.perf_counter() - start)
    derivations = [derive(f, X) for f, X in problems]
    textbook = [d for d, row in zip(derivations, CATALOGUE, strict=True) if row.textbook]
    return {
        "derivations": len(problems),
        "least_seconds": spread([min(times) for times in seconds]),
        "median_seconds": spread([float(np.median(times)) for times in seconds]),
        "textbook": len(textbook),
        "most_lines_textbook": max(len(d.lines) for d in textbook),
        "most_nodes_textbook": max(d.size for d in textbook),
        "most_lines": max(len(d.lines) for d in derivations),
        "hessians": _hessians(),
    }


def _hessians() -> dict[str, int]:
    """Of how many functions of the catalogue the Hessian is stated as a matrix, and why not of the others."""
    found = {"kronecker": 0, "constant_gradient": 0, "refused": 0}
    for row in CATALOGUE:
        X = row.declared[row.wrt]
        if X not in derive(row.f, X).gradient.free:
            found["constant_gradient"] += 1
            continue
        try:
            _ = hessian(row.f, X).matrix
        except ValueError:
            found["refused"] += 1
        else:
            found["kronecker"] += 1
    return found


def bench_random(count: int = 1000) -> dict[str, Any]:
    """Wrong answers and refusals among random expressions, each gradient held against JAX's to 1e-9."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from randomexpressions import Generator, project  # type: ignore[import-not-found]

    wrong = refused = 0
    worst, seconds = 0.0, []
    for seed in range(count):
        generator = Generator(np.random.default_rng(seed))
        f = generator.expression(int(generator.rng.integers(2, 5)))
        arguments = sorted(f.free, key=lambda s: s.name)
        X = arguments[generator.rng.integers(len(arguments))]
        start = time.perf_counter()
        try:
            derivation = derive(f, X)
        except ValueError:
            refused += 1
            continue
        seconds.append(time.perf_counter() - start)
        space: dict[str, Any] = {}
        exec(function_code(f, "f", arguments, target="jax"), space)
        gradient = jax.grad(space["f"], argnums=arguments.index(X))
        J = project(X, gradient(*(jnp.asarray(generator.values[s.name]) for s in arguments)))
        gap = float(np.linalg.norm(derivation(generator.values) - J))
        worst = max(worst, gap / max(float(np.linalg.norm(J)), 1e-6))
        wrong += int(gap > 1e-9 * float(np.linalg.norm(J)) + 1e-14)
        if seed % 50 == 49:
            print(f"{seed + 1} of {count}: {wrong} wrong, {refused} refused", flush=True)
    return {
        "expressions": count,
        "wrong": wrong,
        "refused": refused,
        "worst_relative_gap": worst,
        "derive_seconds": spread(seconds),
    }


def bench_sympy() -> dict[str, Any]:
    """SymPy's `diff` by a MatrixSymbol, as text, on what the engine derives: 0 is the silent wrong answer."""
    import sympy

    n = 3
    X, Y = sympy.MatrixSymbol("X", n, n), sympy.MatrixSymbol("Y", n, n)
    i, j = sympy.symbols("i j", integer=True)
    cases = {
        "log det X": lambda: sympy.log(sympy.Determinant(X)).diff(X),
        "log det X, function": lambda: sympy.log(sympy.det(X)).diff(X),
        "tr X + tr XY": lambda: (sympy.Trace(X) + sympy.Trace(X * Y)).diff(X),
        "log sum exp X": lambda: sympy.log(sympy.Sum(sympy.exp(X[i, j]), (i, 0, n - 1), (j, 0, n - 1))).diff(
            X
        ),
    }
    found = {}
    for name, attempt in cases.items():
        try:
            found[name] = str(attempt())
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"[:120]
    return {"answers": found}


SECTIONS = {"derive": bench_derive, "random": bench_random, "sympy": bench_sympy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=list(SECTIONS))
    only = parser.parse_args().only
    for name in [only] if only else list(SECTIONS):
        result = SECTIONS[name]()
        record(
            "calculus", name, result | {"machine": machine(), "versions": versions("numpy", "jax", "sympy")}
        )


if __name__ == "__main__":
    main()
