"""What a gradient costs, and whether a tape of 150 lines can teach a network to read.

    python -m benchmarks.chain_rule [--only cost|digits] [--repeats 9]

cost     value and gradient beside the value, as the weights of a two-layer network grow to a million: ratios
         of seconds, for the tape and for JAX, and what one difference for every weight would take
digits   scikit-learn's digits: a network trained with the tape's gradients, scikit-learn's perceptron of the
         same shape and rule, and logistic regression; each with the best of four settings on
         validation data, five splits
"""

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from benchmarks.common import interleave, machine, record, versions
from mcbook import chain_rule as cr
from mcbook.chain_rule import tape

PACKAGES = ("numpy", "jax", "scikit-learn")
STEP_SIZES, STRENGTHS = (0.25, 0.5, 1.0, 2.0), (0.1, 1.0, 10.0, 100.0)  # to choose from, equally many
STEPS, HIDDEN = 400, 32


def sized(weights: int, n: int, seed: int) -> tuple[cr.Weights, np.ndarray, np.ndarray]:
    """A network of about that many weights, d = h and ten outputs, with n rows to read."""
    h = round((-10 + np.sqrt(100 + 4 * weights)) / 2)
    rng = np.random.default_rng(seed)
    return cr.initial(h, h, 10, rng), rng.normal(size=(n, h)), cr.one_hot(rng.integers(10, size=n), 10)


def ratios(weights: int, n: int, repeats: int) -> dict[str, Any]:
    """Value and gradient over the value, each side against its own: ratios of the least seconds of each."""
    found, X, Y = sized(weights, n, 0)

    def f(on: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        return cr.loss(W1, b1, W2, b2, X, Y, on=on)

    value = jax.jit(partial(f, jnp))
    grad = jax.jit(jax.value_and_grad(partial(f, jnp), argnums=(0, 1, 2, 3)))
    on_jax = tuple(map(jnp.asarray, found))
    sides: dict[str, tuple[Callable[[], Any], int]] = {
        "value, NumPy": (lambda: f(np, *found), repeats),
        "gradient, tape": (lambda: tape.value_and_grad(partial(f, tape), *found), repeats),
        "value, JAX": (lambda: jax.block_until_ready(value(*on_jax)), repeats),
        "gradient, JAX": (lambda: jax.block_until_ready(grad(*on_jax)), repeats),
    }
    for run, _ in sides.values():
        run()  # compile, and touch the memory
    seconds, last = interleave(sides)
    least = {name: spent["least"] for name, spent in seconds.items()}
    ours, theirs = last["gradient, tape"][1], last["gradient, JAX"][1]
    size = float(np.sqrt(sum(np.sum(np.square(t)) for t in theirs)))
    count = sum(w.size for w in found)
    h, d = found.W1.shape
    counted = cr.network_multiplications(n, d, h, 10)
    return {
        "weights": count,
        "rows": n,
        "tape over value": least["gradient, tape"] / least["value, NumPy"],
        "JAX over value": least["gradient, JAX"] / least["value, JAX"],
        "multiplications over value": counted[1] / counted[0],
        "tape over JAX": least["gradient, tape"] / least["gradient, JAX"],
        "off JAX": max(float(np.linalg.norm(o - t)) for o, t in zip(ours, theirs, strict=True)) / size,
        "hours of one difference each": (count + 1) * least["value, NumPy"] / 3600,
        "seconds": seconds,
    }


def cost(repeats: int) -> dict[str, Any]:
    return {"runs": [ratios(weights, 256, repeats) for weights in (1000, 10_000, 100_000, 1_000_000)]}


def digits(repeats: int) -> dict[str, Any]:
    """Shares of unseen digits that are read right; the settings chosen on validation; `repeats` splits."""
    X, y = load_digits(return_X_y=True)
    rows = []
    for seed in range(repeats):
        order = np.random.default_rng(seed).permutation(len(X))
        parts = [(X[part] / 16, y[part]) for part in np.split(order, [1000, 1400])]
        rows.append({name: chosen(side, parts, seed) for name, side in SIDES.items()})
    return {
        "rows": rows,
        "difference": differences(rows),
        "steps": STEPS,
        "hidden": HIDDEN,
        "step sizes": STEP_SIZES,
    }


def chosen(side: Callable[..., Any], parts: list[Any], seed: int) -> dict[str, float]:
    """The setting that reads the validation rows best, and how it reads the test rows."""
    (X, y), (X_v, y_v), (X_t, y_t) = parts
    tried = [
        (float(np.mean((read := side(X, y, k, seed))(X_v) == y_v)), k, read) for k in range(len(STEP_SIZES))
    ]
    best = max(tried, key=lambda row: row[0])
    return {"setting": best[1], "test": float(np.mean(best[2](X_t) == y_t))}


def by_tape(X: Any, y: Any, k: int, seed: int) -> Any:
    found = cr.fit(X, y, h=HIDDEN, eta=STEP_SIZES[k], steps=STEPS, rng=np.random.default_rng(seed))
    return partial(cr.read, found.weights)


def by_sklearn(X: Any, y: Any, k: int, seed: int) -> Any:
    """All rows in one batch, no momentum, no penalty: the same rule, from its own beginning."""
    model = MLPClassifier(
        (HIDDEN,),
        activation="tanh",
        solver="sgd",
        batch_size=len(X),
        learning_rate_init=STEP_SIZES[k],
        momentum=0.0,
        alpha=0.0,
        max_iter=STEPS,
        tol=0.0,
        n_iter_no_change=STEPS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y).predict


def by_logistic(X: Any, y: Any, k: int, seed: int) -> Any:
    return LogisticRegression(C=STRENGTHS[k], max_iter=2000).fit(X, y).predict


SIDES = {"tape": by_tape, "MLPClassifier": by_sklearn, "logistic regression": by_logistic}


def differences(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean and standard error of each side, and of ours minus theirs, over the splits."""
    found = {}
    for name in SIDES:
        theirs = np.array([row[name]["test"] for row in rows])
        gap = np.array([row["tape"]["test"] for row in rows]) - theirs
        root = np.sqrt(len(rows))
        found[name] = {
            "mean": float(theirs.mean()),
            "standard error": float(theirs.std(ddof=1) / root),
            "tape minus it": float(gap.mean()),
            "its standard error": float(gap.std(ddof=1) / root),
        }
    return found


SECTIONS = {"cost": (cost, 9), "digits": (digits, 5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=sorted(SECTIONS))
    parser.add_argument("--repeats", type=int, default=0)
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    for name, (section, repeats) in SECTIONS.items():
        if arguments.only in (None, name):
            found = section(arguments.repeats or repeats)
            found |= {"machine": machine(), "versions": versions(*PACKAGES)}
            record("chain_rule", name, found)


if __name__ == "__main__":
    main()
