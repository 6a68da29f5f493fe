"""The exercises on sensitivity: their answers are what JAX, quadrature and all orders say."""

from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import exercises

TRUTH = {name: question.truth for name, question in exercises.sensitivity.QUESTIONS.items()}
BOXES = exercises.sensitivity.BOXES


def network(rng, d=3, k=2, h=4):
    net = exercises.sensitivity.TwoBlocks(
        rng.normal(size=(h, d)), rng.normal(size=(h, k)), rng.normal(size=h), rng.normal(size=h)
    )
    return rng.normal(size=d), rng.normal(size=k), net


def output(s, m, net):
    return net.v @ jnp.tanh(net.W_s @ s + net.W_m @ m + net.b)


def along(f, x, nodes=60):
    """Integrated gradients from 0 by brute force: JAX's gradient at Gauss-Legendre nodes."""
    t, weights = np.polynomial.legendre.leggauss(nodes)
    return x * sum(w / 2 * np.asarray(jax.grad(f)((1 + s) / 2 * x)) for s, w in zip(t, weights, strict=True))


def over_all_orders(f, x):
    """Shapley values by their definition: every input's gain, averaged over all orders of entering."""
    gains, orders = np.zeros(len(x)), list(permutations(range(len(x))))
    for order in orders:
        z = np.zeros(len(x))
        for i in order:
            before = f(z)
            z[i] = x[i]
            gains[i] += f(z) - before
    return gains / len(orders)


def test_the_chain_is_jax_s(rng):
    s, m, net = network(rng)
    theirs = jax.grad(output)(s, m, net)
    np.testing.assert_allclose(TRUTH["sensitivity-chain"](s, m, net), theirs, rtol=1e-12)


def test_the_mixed_hessian_is_jax_s(rng):
    s, m, net = network(rng)
    theirs = jax.jacobian(jax.grad(output, 0), 1)(s, m, net)
    np.testing.assert_allclose(TRUTH["sensitivity-mixed"](s, m, net), theirs, rtol=1e-11, atol=1e-13)


def test_the_saturated_unit_is_the_integral_and_complete(rng):
    x, w = 0.5 + rng.random(4), 0.4 + rng.random(4)
    ours = TRUTH["sensitivity-saturated"](x, w)
    np.testing.assert_allclose(ours, along(lambda x: jnp.tanh(w @ x), x), rtol=1e-12)
    assert ours.sum() == pytest.approx(np.tanh(w @ x), rel=1e-13)


def test_the_quadratic_s_values_are_those_of_all_orders_and_of_the_diagonal(rng):
    A = rng.normal(size=(4, 4))
    x, g, H = rng.normal(size=4), rng.normal(size=4), A + A.T

    def f(x):
        return g @ x + x @ H @ x / 2

    ours = TRUTH["sensitivity-quadratic"](x, g, H)
    np.testing.assert_allclose(ours, over_all_orders(f, x), rtol=1e-10)
    np.testing.assert_allclose(ours, along(f, x, nodes=2), rtol=1e-10)


def test_the_kinked_unit_is_complete_and_its_slopes_agree_in_proportion(rng):
    x, w, c = 0.5 + rng.random(4), 0.4 + rng.random(4), 0.8
    ours = TRUTH["sensitivity-kink"](x, w, c)
    assert ours.sum() == pytest.approx(w @ x - c, rel=1e-13)
    np.testing.assert_allclose(ours / (w * x), np.full(4, 1 - c / (w @ x)), rtol=1e-13)
    assert not TRUTH["sensitivity-kink"](-x, w, c).any()


def test_the_product_box_holds_the_integral():
    x = np.array([3.0, 5.0])
    box = BOXES["sensitivity-product"]
    assert box["answer"] == pytest.approx(along(lambda x: x[0] * x[1], x, nodes=2)[0])
    assert sorted(box["mistakes"].values()) == pytest.approx([0, 5 / 2, 5, 15])


def test_the_simplex_box_holds_the_projected_norm():
    g = np.array([3.0, 1.0, 1.0, -1.0])
    box, mean = BOXES["sensitivity-simplex"], np.full(4, g.mean())
    assert box["answer"] == pytest.approx(np.linalg.norm(g - mean))
    of = [np.linalg.norm(mean), np.linalg.norm(g), (g - mean) @ (g - mean), np.linalg.norm(g - g[0])]
    assert sorted(box["mistakes"].values()) == pytest.approx(sorted(of))


def test_gradient_times_input_is_complete_without_biases(rng):
    """Euler's theorem, of the last exercise: a ReLU network without biases is homogeneous of degree one."""
    W, V, v = rng.normal(size=(6, 4)), rng.normal(size=(5, 6)), rng.normal(size=5)
    x, bias = rng.normal(size=4), rng.normal(size=6)

    def f(x, b):
        return v @ jnp.maximum(V @ jnp.maximum(W @ x + b, 0), 0)

    assert x @ jax.grad(f)(x, 0 * bias) == pytest.approx(float(f(x, 0 * bias)), rel=1e-12)
    assert abs(x @ jax.grad(f)(x, bias) - f(x, bias)) > 1e-3
