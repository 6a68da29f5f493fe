"""Attributions: their laws, closed forms as oracles, and models that make each of them fail or own up."""

from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import sensitivity as se
from mcbook.calculus import check_grad

W = np.array([2.0, -1.5, 1.0, 0.7, -0.5])


def answer(x):
    """tanh(w · x_2..6) + 0.3 x_0 x_1: integrated gradients from 0 are known in closed form."""
    return jnp.tanh(x[2:7] @ W) + 0.3 * x[0] * x[1]


def exact(X):
    z = X[:, 2:7] @ W
    both = 0.15 * X[:, 0] * X[:, 1]
    return np.column_stack([both, both, W * X[:, 2:7] * (np.tanh(z) / z)[:, None]])


def network(rng, activation="tanh"):
    params = se.init_network(rng, {"PS": 12, "MSA": 3}, hidden=(8, 4))
    params = params._replace(b1=rng.normal(size=8), b2=rng.normal(size=4))
    letters = np.eye(4)[rng.integers(0, 4, (5, 3))]
    return se.as_model(params, activation=activation), {"PS": letters, "MSA": rng.normal(size=(5, 3))}


def flat(A):
    return np.concatenate([np.reshape(a, (len(a), -1)) for a in A.values()], axis=1)


# Gradients and norms


def test_gradients_are_those_of_differences_in_every_block(rng):
    f, X = network(rng)
    G = se.gradients(f, X)
    assert {name: g.shape for name, g in G.items()} == {name: x.shape for name, x in X.items()}

    def of_letters(s):
        return float(f({"PS": jnp.asarray(s), "MSA": jnp.asarray(X["MSA"][0])}))

    check_grad(of_letters, G["PS"][0], X["PS"][0], rng=rng)
    with pytest.raises(AssertionError, match="gradient is wrong"):
        check_grad(of_letters, se.project_simplex(G["PS"][0]), X["PS"][0], rng=rng)


def test_gradient_times_input_is_exact_for_linear_models_only(rng):
    X, b = rng.normal(size=(4, 7)), rng.normal(size=7)
    linear = se.gradient_times_input(lambda x: x[2:7] @ W, X, baseline=b)
    np.testing.assert_allclose(linear.sum(axis=1), (X - b)[:, 2:7] @ W, atol=1e-13)
    bent = se.gradient_times_input(answer, X, baseline=b)
    gain = np.array([float(answer(x) - answer(b)) for x in jnp.asarray(X)])
    assert np.abs(bent.sum(axis=1) - gain).max() > 0.05


def test_the_simplex_projection_is_what_mutations_see(rng):
    f, X = network(rng)
    G = se.gradients(f, X)["PS"]
    P = se.project_simplex(G)
    np.testing.assert_allclose(P.sum(axis=2), 0, atol=1e-14)
    np.testing.assert_allclose(se.project_simplex(P), P, atol=1e-14)
    np.testing.assert_allclose(se.forecast(G, X["PS"]), se.forecast(P, X["PS"]), atol=1e-14)


def test_norms_are_free_of_units_and_of_width(rng):
    f, X = network(rng)
    sigma = {"MSA": X["MSA"].std(axis=0)}
    G = se.gradients(f, X)
    norms = se.block_norms(G, scales=sigma, simplex=("PS",))
    np.testing.assert_allclose(norms["PS"], np.sqrt((se.project_simplex(G["PS"]) ** 2).mean(axis=(1, 2))))
    milli = se.gradients(lambda x: f({"PS": x["PS"], "MSA": x["MSA"] / 1000}), {**X, "MSA": 1000 * X["MSA"]})
    other = se.block_norms(milli, scales={"MSA": 1000 * sigma["MSA"]}, simplex=("PS",))
    for name in X:
        np.testing.assert_allclose(other[name], norms[name], rtol=1e-12)
    np.testing.assert_allclose(se.block_norms(milli)["MSA"], se.block_norms(G)["MSA"] / 1000, rtol=1e-12)
    twice = se.block_norms({"MSA": np.repeat(G["MSA"], 2, axis=1)})["MSA"]
    np.testing.assert_allclose(twice, se.block_norms(G)["MSA"], rtol=1e-13)
    np.testing.assert_allclose(
        se.block_norms(G, per_width=False)["MSA"], np.linalg.norm(G["MSA"], axis=1), rtol=1e-13
    )


def test_splitting_and_joining_undo_each_other(rng):
    parts = {"odd": range(1, 7, 2), "even": slice(0, 7, 2)}
    X = rng.normal(size=(4, 7))
    blocks = se.split(X, parts)
    np.testing.assert_array_equal(blocks["even"], X[:, ::2])
    index = {"odd": range(1, 7, 2), "even": range(0, 7, 2)}
    f = se.on_blocks(answer, index)
    np.testing.assert_allclose(
        flat(se.gradients(f, blocks)), flat(se.split(se.gradients(answer, X), parts)), atol=1e-15
    )


def test_smoothgrad_is_the_gradient_of_the_blurred_model():
    """For cos(k·x) a Gaussian blur multiplies by exp(-σ²k²/2), and so the gradient."""
    k, sigma = np.array([1.0, -2.0]), 0.4
    X = np.array([[0.3, 0.7], [1.0, -0.2]])
    G = se.smoothgrad(lambda x: jnp.cos(x @ k), X, sigma=sigma, key=jax.random.key(0), draws=40_000)
    expected = -np.sin(X @ k)[:, None] * k * np.exp(-(sigma**2) * (k @ k) / 2)
    np.testing.assert_allclose(G, expected, atol=4 * np.linalg.norm(k) / np.sqrt(40_000))
    assert np.abs(G - se.gradients(lambda x: jnp.cos(x @ k), X)).max() > 0.1
    still = se.smoothgrad(lambda x: jnp.cos(x @ k), X, sigma=0.0, key=jax.random.key(0), draws=2)
    np.testing.assert_allclose(still, se.gradients(lambda x: jnp.cos(x @ k), X), atol=1e-15)


# Integrated gradients


def test_the_closed_form_is_met_to_rounding(rng):
    X = rng.normal(size=(64, 7))
    found = se.integrated_gradients(answer, X, 0.0)
    assert np.abs(found.attributions - exact(X)).max() < 1e-13
    assert np.abs(found.residual).max() < 1e-13
    assert found.converged.all()
    assert not found.kinks.any()
    assert (found.error <= 1e-12 * np.maximum(1, np.abs(exact(X)).max())).all()


def test_the_error_falls_geometrically_and_the_estimate_covers_it(rng):
    X = rng.normal(size=(64, 7))
    truth, errors = exact(X), []
    for m in (2, 4, 8, 16):
        found = se.integrated_gradients(answer, X, 0.0, nodes=m, tol=1e9)  # one doubling, then content
        gap = np.abs(found.attributions - truth).max(axis=1)
        assert (found.error >= 0.999 * gap - 1e-15).all()
        assert (found.evaluations == 3 * m).all()
        errors.append(gap.max())
    assert errors[1] < 0.3 * errors[0]
    assert errors[2] < 0.05 * errors[1]
    assert errors[3] < 0.003 * errors[2]


@pytest.mark.parametrize("activation", ["tanh", "softplus", "relu"])
def test_completeness_holds_for_networks_smooth_or_kinked(activation, rng):
    f, X = network(rng, activation)
    b = {"PS": np.full((3, 4), 0.25), "MSA": np.zeros(3)}
    found = se.integrated_gradients(f, X, b)
    gain = np.array([float(f(jax.tree.map(lambda x, i=i: jnp.asarray(x[i]), X))) for i in range(5)]) - float(
        f(jax.tree.map(jnp.asarray, b))
    )
    np.testing.assert_allclose(flat(found.attributions).sum(axis=1), gain, atol=1e-13)
    assert found.converged.all()
    assert found.kinks.any() == (activation == "relu")


def crossings(X, baseline, params):
    """Where hidden units of a one-layer relu model change sign on the way, from the formula."""
    W1, b1 = params
    start, end = W1 @ baseline + b1, X @ W1.T + b1
    t = start / (start - end)
    return (t > 0) & (t < 1), t


def test_every_kink_is_found_and_the_integral_is_the_sum_of_straight_pieces(rng):
    W1, b1, v = rng.normal(size=(9, 4)), rng.normal(size=9), rng.normal(size=9)
    X, b = rng.normal(size=(12, 4)), rng.normal(size=4)
    found = se.integrated_gradients(lambda x: jax.nn.relu(W1 @ x + b1) @ v, X, b)
    inside, t = crossings(X, b, (W1, b1))
    np.testing.assert_array_equal(found.kinks, inside.sum(axis=1))
    open_share = np.where(inside, np.where(X @ W1.T + b1 > 0, 1 - t, t), (X @ W1.T + b1 > 0) * 1.0)
    truth = (X - b) * ((open_share * v) @ W1)
    assert np.abs(found.attributions - truth).max() < 1e-13
    assert found.converged.all()


def test_a_curved_kink_is_cut_where_it_is(rng):
    def f(x):
        return jnp.maximum(jnp.exp(x[0]), 1.5 + 0 * x[1]) + jnp.abs(jnp.sin(3 * x[1]) - 0.4)

    found = se.integrated_gradients(f, np.array([[1.0, 0.9]]), 0.0)
    first = np.e - 1.5
    second = float(abs(np.sin(2.7) - 0.4) - 0.4)
    np.testing.assert_allclose(found.attributions, [[first, second]], atol=1e-12)
    assert found.kinks[0] == 2
    assert found.converged[0]


def test_what_cannot_be_integrated_is_not_said_to_be(rng):
    X = rng.normal(size=(3, 2)) + 3
    step = se.integrated_gradients(lambda x: jnp.floor(x[0]) + x[1], X, 0.0)
    assert not step.converged.any()
    assert (np.abs(step.residual) > 1).all()
    cheap = se.integrated_gradients(lambda x: jnp.abs(x - 1.3).sum(), X, 0.0, most=10)
    assert not cheap.converged.all()
    assert (np.abs(cheap.residual) <= 2 * 2 * cheap.error + 1e-15).all()
    sharp = se.integrated_gradients(lambda x: jnp.tanh(300 * (x[0] - 1)), X, 0.0)
    assert sharp.converged.all()
    assert not sharp.kinks.any(), "steep, but smooth"


def test_a_short_rule_across_a_kink_is_caught(rng):
    """What is planted here is the wrong method: 16 nodes across a jump; its completeness gap shows."""
    f, X = network(rng, "relu")
    found = se.integrated_gradients(f, X, 0.0, tol=1e9)
    assert np.abs(found.residual).max() > 1e-5
    better = se.integrated_gradients(f, X, 0.0)
    assert np.abs(better.residual).max() < 1e-13


def test_baselines_one_many_or_one_each(rng):
    X, B = rng.normal(size=(5, 7)), rng.normal(size=(3, 7))
    each = [se.integrated_gradients(answer, X, b).attributions for b in B]
    np.testing.assert_allclose(
        se.expected_gradients(answer, X, B).attributions, np.mean(each, axis=0), atol=1e-14
    )
    own = se.integrated_gradients(answer, X, np.repeat(B[:1], 5, axis=0)).attributions
    np.testing.assert_allclose(own, each[0], atol=1e-15)
    number = se.integrated_gradients(answer, X, 0.5).attributions
    np.testing.assert_allclose(number, se.integrated_gradients(answer, X, np.full(7, 0.5)).attributions)
    still = se.integrated_gradients(answer, X, X)
    assert not still.attributions.any()
    assert still.converged.all()


def test_expected_gradients_of_a_quadratic_and_what_one_baseline_would_miss(rng):
    """½ xᵀA x has the gradient A(x + b)/2 on average along the way from b: a closed form.

    Planted: the baselines' mean in their place. It misses how they spread, and the sum with it.
    """
    X, B, A = rng.normal(size=(5, 7)), rng.normal(size=(3, 7)), rng.normal(size=(7, 7))
    A = A + A.T

    def quadratic(x):
        return x @ A @ x / 2

    truth = np.mean([(X - b) * ((X + b) @ A) / 2 for b in B], axis=0)
    found = se.expected_gradients(quadratic, X, B)
    np.testing.assert_allclose(found.attributions, truth, atol=1e-13)
    gain = np.einsum("ni,ij,nj->n", X, A, X) / 2 - np.einsum("mi,ij,mj->m", B, A, B).mean() / 2
    np.testing.assert_allclose(found.attributions.sum(axis=1), gain, atol=1e-12)
    assert found.converged.all()
    one = se.integrated_gradients(quadratic, X, B.mean(axis=0)).attributions
    assert np.abs(one - truth).max() > 0.01
    assert np.abs(one.sum(axis=1) - gain).max() > 0.01


def test_expected_gradients_cut_every_path_at_its_kinks(rng):
    f, X = network(rng, "relu")
    B = {name: block[:3] for name, block in network(rng, "relu")[1].items()}
    found = se.expected_gradients(f, X, B)
    gain = np.array(jax.vmap(f)(X)) - np.mean(jax.vmap(f)(B))
    np.testing.assert_allclose(flat(found.attributions).sum(axis=1), gain, atol=1e-12)
    assert found.kinks.sum() > 0
    blunt = se.expected_gradients(f, X, B, tol=1e9)
    assert np.abs(flat(blunt.attributions).sum(axis=1) - gain).max() > 1e-6


# Shapley values


def by_orders(f, x, b, k):
    """The definition: the mean over all orders of what a player adds when it arrives."""
    phi = np.zeros(k)
    orders = list(permutations(range(k)))
    for order in orders:
        z, before = b.copy(), float(f(jnp.asarray(b)))
        for i in order:
            z[i] = x[i]
            after = float(f(jnp.asarray(z)))
            phi[i] += (after - before) / len(orders)
            before = after
    return phi


def test_shapley_is_the_mean_over_all_orders(rng):
    def f(x):
        return jnp.where(x[0] > x[1], 1.0, 0.0) * x[2] + x[3] ** 2 * x[1]

    X, B = rng.normal(size=(2, 4)), rng.normal(size=(2, 4))
    found = se.shapley(f, X, B, players="features")
    for x, phi in zip(X, found.values, strict=True):
        np.testing.assert_allclose(phi, np.mean([by_orders(f, x, b, 4) for b in B], axis=0), atol=1e-13)


def test_efficiency_symmetry_dummy_and_linearity(rng):
    X, B = rng.normal(size=(4, 6)), rng.normal(size=(3, 6))
    X[:, 1], B[:, 1] = X[:, 0], B[:, 0]

    def f(x):
        return jnp.sin(x[0] * x[1]) + x[0] + x[1] + jnp.exp(x[2] * x[3]) * x[0] * x[1]  # x_4, x_5 idle

    found = se.shapley(f, X, B, players="features")
    assert np.abs(found.residual).max() < 1e-13
    np.testing.assert_allclose(found.values[:, 0], found.values[:, 1], atol=1e-13)
    np.testing.assert_allclose(found.values[:, 4:], 0, atol=1e-14)
    assert np.abs(found.values[:, 0] - found.values[:, 2]).max() > 1e-2
    g = se.shapley(answer_six, X, B, players="features").values
    both = se.shapley(lambda x: 2 * f(x) - 3 * answer_six(x), X, B, players="features").values
    np.testing.assert_allclose(both, 2 * found.values - 3 * g, atol=1e-12)


def answer_six(x):
    return jnp.tanh(x @ np.arange(6)) * x[5]


def test_weights_sum_to_one_on_each_side():
    for k in (1, 2, 5, 12):
        weights, member = se.shapley_weights(k), se.coalitions(k)
        np.testing.assert_allclose((weights * member.T).sum(axis=1), 1, atol=1e-14)
        np.testing.assert_allclose((weights * ~member.T).sum(axis=1), -1, atol=1e-14)


def test_blocks_and_labels_are_players(rng):
    f, X = network(rng)
    B = {"PS": X["PS"][:2], "MSA": X["MSA"][:2]}
    blocks = se.shapley(f, X, B)
    assert blocks.players == ("PS", "MSA")
    labels = {"PS": np.zeros((3, 4), int), "MSA": np.ones(3, int)}
    np.testing.assert_allclose(se.shapley(f, X, B, players=labels).values, blocks.values, atol=1e-14)
    sites = {"PS": np.repeat(np.arange(3), 4).reshape(3, 4), "MSA": np.array([3, 3, 3])}
    finer = se.shapley(f, X, B, players=sites)
    np.testing.assert_allclose(finer.values.sum(axis=1), blocks.values.sum(axis=1), atol=1e-13)
    additive = se.shapley(lambda x: jnp.sin(x["PS"]).sum() + x["MSA"].prod(), X, B)
    part = np.sin(X["PS"]).sum(axis=(1, 2))
    np.testing.assert_allclose(additive.values[:, 0], part - part[:2].mean(), atol=1e-13)


# Mutants and interactions


def test_mutagenesis_visits_every_mutant_and_the_gradient_forecasts_it(rng):
    f, X = network(rng)
    E = se.mutagenesis(f, X, block="PS")
    assert E.shape == (5, 3, 4)
    assert not E[X["PS"] == 1].any()
    changed = X["PS"][1].copy()
    changed[2] = np.eye(4)[(X["PS"][1, 2].argmax() + 1) % 4]
    here = [float(f({"PS": jnp.asarray(s), "MSA": jnp.asarray(X["MSA"][1])})) for s in (changed, X["PS"][1])]
    assert E[1, 2, changed[2].argmax()] == pytest.approx(here[0] - here[1], abs=1e-14)
    theta = rng.normal(size=(3, 4))
    linear = se.mutagenesis(lambda s: (theta * s).sum(), X["PS"])
    np.testing.assert_allclose(linear, se.forecast(np.broadcast_to(theta, (5, 3, 4)), X["PS"]), atol=1e-14)
    assert np.abs(E - se.forecast(se.gradients(f, X)["PS"], X["PS"])).max() > 1e-3, "curvature"


def test_interaction_norms_tell_a_sum_from_a_product(rng):
    X = {"a": rng.normal(size=(4, 2)), "b": rng.normal(size=(4, 3))}
    apart = se.interaction_norms(lambda x: jnp.sin(x["a"]).sum() + jnp.prod(x["b"]), X)
    np.testing.assert_allclose(apart[:, 0, 1], 0, atol=1e-14)
    product = se.interaction_norms(lambda x: x["a"].sum() * x["b"].sum(), X, scales={"a": 3.0})
    np.testing.assert_allclose(product[:, 0, 1], 3.0, atol=1e-13)
    np.testing.assert_array_equal(product, product.swapaxes(1, 2))
    np.testing.assert_allclose(product[:, 0, 0], 0, atol=1e-14)


# Refusals


def two(x):
    return x[:2]


CASES = [
    (lambda X, D: se.gradients(two, X), r"returns shape \(2,\)"),
    (lambda X, D: se.gradients(lambda x: x[:1], X), r"lambda x: f\(x\)\[0\]"),
    (lambda X, D: se.gradients(lambda x: (x[0], x[1]), X), "returns tuple"),
    (lambda X, D: se.gradients(3.0, X), "must be a function"),
    (lambda X, D: se.gradients(answer, X.astype(int)), "floating-point"),
    (lambda X, D: se.gradients(answer, X * [1, 1, 1, np.nan, 1, 1, 1]), r"NaN .* index \(0, 3\)"),
    (lambda X, D: se.gradients(answer, np.float64(1.0)), r"x\[None\]"),
    (lambda X, D: se.gradients(answer, {"a": X, "b": X[:2]}), "one row per sample"),
    (lambda X, D: se.gradients(answer, {}), "named blocks"),
    (lambda X, D: se.integrated_gradients(answer, X, np.zeros(6)), "baseline must be a number, one sample"),
    (lambda X, D: se.integrated_gradients(answer, X, {"a": X}), "baseline must have the blocks of X"),
    (lambda X, D: se.integrated_gradients(answer, X, np.zeros(7, int)), "floating-point"),
    (lambda X, D: se.integrated_gradients(answer, X, np.nan), "NaN"),
    (lambda X, D: se.integrated_gradients(answer, X, 0.0, nodes=1), "nodes ≥ 2"),
    (lambda X, D: se.expected_gradients(answer, X, np.zeros(7)), r"b\[None\]"),
    (lambda X, D: se.shapley(answer, X, np.zeros((2, 6)), players="features"), "baselines must be a set"),
    (lambda X, D: se.shapley(jnp.sum, np.ones((2, 13)), np.zeros((1, 13)), players="features"), "at most 12"),
    (lambda X, D: se.shapley(answer, X, X), 'players must be "blocks"'),
    (lambda X, D: se.shapley(answer, X, X, players=np.zeros(6, int)), "one sample's shape"),
    (lambda X, D: se.shapley(answer, X, X, players=np.array([0, 0, 0, 2, 2, 2, 2])), "each used"),
    (lambda X, D: se.mutagenesis(lambda s: s.sum(), D + 0.1), "one-hot: position 0 of sequence 0"),
    (lambda X, D: se.mutagenesis(lambda s: s.sum(), 2 * D), "must be one-hot"),
    (lambda X, D: se.mutagenesis(answer, X), r"must be \(n, L, A\)"),
    (lambda X, D: se.mutagenesis(lambda x: x["s"].sum(), {"s": D}, block="t"), "no block 't'"),
    (lambda X, D: se.forecast(X, D), "shape of X"),
    (lambda X, D: se.split(X, {"a": range(5), "b": range(4, 7)}), r"in several: \[4\]"),
    (lambda X, D: se.split(X, {"a": range(5)}), r"in none: \[5, 6\]"),
    (lambda X, D: se.split(X, {"a": range(5), "b": [7]}), r"features 0\.\.6"),
    (lambda X, D: se.on_blocks(answer, {"a": slice(0, 7)}), "how long a slice is"),
    (lambda X, D: se.block_norms(X), "split"),
    (lambda X, D: se.block_norms({"a": X}, simplex=("b",)), "no block 'b'"),
    (lambda X, D: se.block_norms({"a": X}, scales={"a": np.ones(6)}), r"scales\['a'\]"),
    (lambda X, D: se.smoothgrad(answer, X, sigma=-1.0, key=jax.random.key(0)), "sigma ≥ 0"),
    (lambda X, D: se.mixed_block(answer, X, "a", "b"), "give it as a dict"),
]


@pytest.mark.parametrize(("call", "said"), CASES)
def test_bad_input_is_named_with_its_remedy(call, said, rng):
    with pytest.raises(ValueError, match=said):
        call(rng.normal(size=(3, 7)), np.eye(4)[rng.integers(0, 4, (2, 5))])


def test_single_precision_owns_up():
    with jax.enable_x64(False):
        found = se.integrated_gradients(answer, np.full((2, 7), 0.7, np.float32), 0.0)
    assert not found.converged.all()
    assert np.abs(found.residual).max() < 1e-5
