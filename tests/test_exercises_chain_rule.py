"""The exercises on the chain rule: their answers are what JAX and plain arithmetic say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import chain_rule as cr
from mcbook import exercises

QUESTIONS, BOXES = exercises.chain_rule.QUESTIONS, exercises.chain_rule.BOXES
TRUTH = {name: question.truth for name, question in QUESTIONS.items()}


def residual(W, x, c, T):
    for _ in range(T):
        x = x + jnp.tanh(W @ x)
    return c @ x


@pytest.mark.parametrize("seed", range(3))
def test_the_answers_are_jax_s(seed):
    rng = np.random.default_rng(seed)
    y_bar = rng.normal(size=6)
    cases = {
        "chain_rule-total": ((y_bar,), jax.vjp(jnp.cumsum, jnp.zeros(6))[1](jnp.asarray(y_bar))[0]),
    }
    Z, P_bar = args = QUESTIONS["chain_rule-softmax"].inputs(rng)
    cases["chain_rule-softmax"] = args, jax.vjp(lambda Z: jax.nn.softmax(Z, axis=1), Z)[1](P_bar)[0]
    args = QUESTIONS["chain_rule-residual"].inputs(rng)
    cases["chain_rule-residual"] = args, jax.grad(residual)(jnp.asarray(args[0]), *args[1:])
    X, w, v = args = QUESTIONS["chain_rule-hvp"].inputs(rng)
    grad = jax.grad(lambda w: jnp.log(jnp.cosh(X @ w)).sum())
    cases["chain_rule-hvp"] = args, jax.jvp(grad, (w,), (v,))[1]
    for name, (args, theirs) in cases.items():
        np.testing.assert_allclose(TRUTH[name](*args), theirs, rtol=1e-11, atol=1e-13, err_msg=name)


def test_the_gradient_at_rest_is_that_of_a_long_iteration(rng):
    W, x, c = QUESTIONS["chain_rule-rest"].inputs(rng)
    b = np.arctanh(x) - W @ x

    def settled(W):
        def step(_, x):
            return jnp.tanh(W @ x + b)

        return c @ jax.lax.fori_loop(0, 100, step, jnp.asarray(x))

    theirs = jax.jacfwd(settled)(jnp.asarray(W))
    np.testing.assert_allclose(TRUTH["chain_rule-rest"](W, x, c), theirs, rtol=1e-9, atol=1e-12)


def test_the_numbers_in_the_boxes():
    n = 99
    box = BOXES["chain_rule-brackets"]
    assert box["answer"] == pytest.approx((n**3 + n**2) / (2 * n**2))
    chain = cr.costs((1, n, n, n))  # v, then B, then A: widths from the right
    assert chain.reverse / chain.forward == pytest.approx(box["answer"])
    assert 1 / box["answer"] == pytest.approx(sorted(box["mistakes"].values())[0], rel=1e-3)
    fork = jax.grad(lambda x: (x * x) ** 2 + 3 * (x * x))
    assert float(fork(2.0)) == BOXES["chain_rule-fork"]["answer"]
