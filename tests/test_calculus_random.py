"""A thousand random expressions: no silent wrong gradient, hardly a refusal.

All are held against central differences, which know nothing of the rules; a sample is held against JAX
here, and all of them by `python -m benchmarks.calculus --only random` (compiling a thousand different
gradients takes JAX minutes).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from randomexpressions import Generator, project

from mcbook.calculus.engine.code import function_code
from mcbook.calculus.engine.derive import derive
from mcbook.calculus.engine.nodes import walk

COUNT, BATCHES, SAMPLE = 1000, 10, 40


def case(seed):
    """A random number-valued expression, one of its symbols, and values for all of them."""
    generator = Generator(np.random.default_rng(seed))
    f = generator.expression(int(generator.rng.integers(2, 5)))
    names = sorted(f.free, key=lambda s: s.name)
    return f, names[generator.rng.integers(len(names))], generator.values, generator.rng


def derived(f, X):
    try:
        return derive(f, X)
    except ValueError:
        return None


def compiled(f, target):
    """f as a plain function of its symbols' values, in the order of their names."""
    space = {}
    arguments = sorted(f.free, key=lambda s: s.name)
    exec(function_code(f, "f", arguments, target=target), space)
    return space["f"], arguments


def slope(f, X, values, V):
    """df along V by differences of fourth order with two step sizes, and how well they agree."""
    function, arguments = compiled(f, "numpy")

    def central(h):
        moved = [values | {X.name: values[X.name] + k * h * V} for k in (-2, -1, 1, 2)]
        return np.dot([1, -8, 8, -1], [function(*(m[s.name] for s in arguments)) for m in moved]) / (12 * h)

    fine, coarse = central(2e-4), central(4e-4)
    return fine, abs(fine - coarse)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_silent_wrong_answer(batch):
    refused = judged = 0
    for seed in range(batch, COUNT, BATCHES):
        f, X, values, rng = case(seed)
        derivation = derived(f, X)
        if derivation is None:
            refused += 1
            continue
        G = derivation(values)
        V = project(X, rng.standard_normal(np.shape(values[X.name])))
        truth, error = slope(f, X, values, V)
        size = np.linalg.norm(G) * np.linalg.norm(V)
        if error > 1e-6 * max(size, abs(truth)) + 1e-9:
            continue  # a kink within the step, or too curved to tell
        judged += 1
        assert abs(np.vdot(G, V) - truth) <= 1e-6 * max(size, abs(truth)) + 1e-8, (seed, str(f))
    assert refused <= 0.05 * COUNT / BATCHES
    assert judged >= 0.95 * COUNT / BATCHES


@pytest.mark.parametrize("batch", range(4))
def test_a_sample_against_jax(batch):
    for seed in range(batch, SAMPLE, 4):
        f, X, values, _ = case(seed)
        function, arguments = compiled(f, "jax")
        gradient = jax.grad(function, argnums=arguments.index(X))
        J = project(X, np.asarray(gradient(*(jnp.asarray(values[s.name]) for s in arguments))))
        G = derive(f, X)(values)
        assert np.linalg.norm(G - J) <= 1e-10 * np.linalg.norm(J) + 1e-14, (seed, str(f))


def test_the_check_sees_a_planted_error():
    """The same comparison, of gradients that are 0.1 % off, fails for all that are not tiny."""
    seen = tried = 0
    for seed in range(50):
        f, X, values, rng = case(seed)
        G = 1.001 * derive(f, X)(values)
        V = project(X, rng.standard_normal(np.shape(values[X.name])))
        truth, _ = slope(f, X, values, V)
        if abs(truth) > 1e-3:
            tried += 1
            seen += abs(np.vdot(G, V) - truth) > 1e-6 * np.linalg.norm(G) * np.linalg.norm(V)
    assert seen == tried >= 30


def test_the_generator_uses_every_word():
    used = {node.op for seed in range(500) for node in walk(case(seed)[0])}
    expected = {
        "add",
        "times",
        "matmul",
        "hadamard",
        "transpose",
        "power",
        "apply",
        "inverse",
        "solve",
        "det",
    }
    expected |= {
        "logdet",
        "trace",
        "sum",
        "inner",
        "norm",
        "sqnorm",
        "softmax",
        "logsumexp",
        "sqdist",
        "kron",
    }
    assert used >= expected | {"vec", "diag", "diagonal", "sym", "skew", "lower", "upper", "pick"}
