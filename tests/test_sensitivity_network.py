"""The network on blocks: forward against plain JAX, every derivative by hand against the automatic one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from mcbook import sensitivity as se
from mcbook.calculus import check_grad, check_vjp

smooth = pytest.mark.parametrize("activation", ["tanh", "softplus"])
every = pytest.mark.parametrize("activation", ["tanh", "softplus", "relu"])
PLAIN = {"tanh": jnp.tanh, "softplus": jax.nn.softplus, "relu": jax.nn.relu}


def problem(rng, n=6):
    params = se.init_network(rng, {"PS": 12, "MSA": 5}, hidden=(7, 4))
    params = params._replace(b1=rng.normal(size=7), b2=rng.normal(size=4), c=np.array(0.3))
    return params, {"PS": rng.normal(size=(n, 3, 4)), "MSA": rng.normal(size=(n, 5))}


def plain(params, X, activation):
    """The network as one writes it down: blocks side by side, one first matrix."""
    phi = PLAIN[activation]
    x = jnp.concatenate([jnp.reshape(X[name], (len(X[name]), -1)) for name in params.first], axis=1)
    W = jnp.concatenate(list(params.first.values()), axis=1)
    h = phi(x @ W.T + params.b1[None])
    return phi(h @ params.W2.T + params.b2[None]) @ params.v + params.c


def close(a, b, rel=1e-11):
    a, b = (np.asarray(ravel_pytree(jax.tree.map(jnp.asarray, v))[0]) for v in (a, b))
    assert a.shape == b.shape
    assert np.linalg.norm(a - b) <= rel * np.linalg.norm(b)


@every
def test_the_answer_is_the_plain_networks(activation, rng):
    params, X = problem(rng)
    close(se.predict(params, X, activation=activation), plain(params, X, activation), 1e-14)
    f = se.as_model(params, activation=activation)
    close(f(jax.tree.map(lambda x: jnp.asarray(x[2]), X)), plain(params, X, activation)[2], 1e-14)


@every
def test_the_pullback_is_the_automatic_one(activation, rng):
    params, X = problem(rng)
    y_bar = rng.normal(size=6)
    back = se.vjp_predict(params, X, y_bar, activation=activation)

    def inner(params, X):
        return plain(params, X, activation) @ y_bar

    R_params, R_X = jax.grad(inner, argnums=(0, 1))(*jax.tree.map(jnp.asarray, (params, X)))
    close(back.params, R_params)
    close(back.X, R_X)
    assert back.X["PS"].shape == X["PS"].shape


@smooth
def test_the_pullback_to_a_block_agrees_with_differences(activation, rng):
    params, X = problem(rng)
    m = X["MSA"]

    def f(s):
        return np.asarray(se.predict(params, {"PS": s, "MSA": m}, activation=activation))

    def vjp(s, y_bar):
        return np.asarray(se.vjp_predict(params, {"PS": s, "MSA": m}, y_bar, activation=activation).X["PS"])

    check_vjp(f, vjp, X["PS"], rng=rng)
    with pytest.raises(AssertionError):
        check_vjp(f, lambda s, y_bar: 1.001 * vjp(s, y_bar), X["PS"], rng=rng)


@smooth
def test_the_loss_gradient_agrees_with_differences(activation, rng):
    params, X = problem(rng)
    y = rng.normal(size=6)
    flat, back = ravel_pytree(jax.tree.map(jnp.asarray, params))

    def loss(p):
        return float(se.loss_and_grad(back(jnp.asarray(p)), X, y, activation=activation)[0])

    G = np.asarray(ravel_pytree(se.loss_and_grad(params, X, y, activation=activation)[1])[0])
    check_grad(loss, G, np.asarray(flat), rng=rng)
    with pytest.raises(AssertionError, match="gradient is wrong"):
        check_grad(loss, 1.001 * G, np.asarray(flat), rng=rng)
    close(G, jax.grad(lambda p: ((plain(back(p), X, activation) - y) ** 2).mean() / 2)(flat))


@smooth
@pytest.mark.parametrize(("a", "b"), [("PS", "MSA"), ("MSA", "PS"), ("PS", "PS")])
def test_mixed_hessian_blocks_are_the_automatic_ones(activation, a, b, rng):
    params, X = problem(rng, n=3)
    H = se.mixed_hessian(params, X, a, b, activation=activation)

    def one(x):
        return plain(params, {name: v[None] for name, v in x.items()}, activation)[0]

    R = jax.vmap(jax.hessian(one))(jax.tree.map(jnp.asarray, X))[a][b]
    close(H, R.reshape(H.shape))
    close(se.mixed_block(se.as_model(params, activation=activation), X, a, b), H)
    assert not np.allclose(H, 0, atol=1e-3)


def test_a_kinked_network_hides_its_interactions(rng):
    params, X = problem(rng)
    assert not np.any(se.mixed_hessian(params, X, "PS", "MSA", activation="relu"))


# Mistakes in the way back, each where people make it


def wrong_input_gradient(mistake, params, X):
    """∂ŷ/∂m of each sample by hand, tanh, with one mistake (or none)."""
    x = np.concatenate([np.reshape(X[name], (len(X[name]), -1)) for name in params.first], axis=1)
    h1 = np.tanh(x @ np.concatenate(list(params.first.values()), axis=1).T + params.b1)
    h2 = np.tanh(h1 @ params.W2.T + params.b2)
    slopes = {"no slope": (1 - h1**2, 1.0), "slope of h": (1 - h1, 1 - h2)}
    D1, D2 = slopes.get(mistake, (1 - h1**2, 1 - h2**2))
    a2_bar = params.v * D2
    a1_bar = (a2_bar @ params.W2) * (D2[:, :1] if mistake == "other layer's slope" else D1)
    W = params.first["PS"][:, :5] if mistake == "other block" else params.first["MSA"]
    return {"sign": -1, "0.1 %": 1.001}.get(mistake, 1) * a1_bar @ W


MISTAKES = ["no slope", "slope of h", "other layer's slope", "other block", "sign", "0.1 %"]


@pytest.mark.parametrize("mistake", [None, *MISTAKES])
def test_planted_mistakes_fail(mistake, rng):
    params, X = problem(rng)
    ours = se.vjp_predict(params, X, np.ones(6)).X["MSA"]
    wrong = wrong_input_gradient(mistake, params, X)
    if mistake is None:
        close(wrong, ours)
        return
    with pytest.raises(AssertionError):
        close(wrong, ours)


# Training


def test_training_learns_stops_early_and_repeats_itself():
    rng = np.random.default_rng(3)
    X = {"a": rng.normal(size=(240, 3)), "b": rng.normal(size=(240, 2))}
    y = np.tanh(X["a"][:, 0]) + X["b"][:, 1] * X["a"][:, 1]
    params = se.init_network(rng, {"a": 3, "b": 2}, hidden=(16, 8))
    early, late = ({name: x[at] for name, x in X.items()} for at in (slice(0, 160), slice(160, 240)))

    def run():
        return se.train(
            params, early, y[:160], rng=np.random.default_rng(1), validation=(late, y[160:]),
            epochs=60, batch=32, rate=1e-2,
        )  # fmt: skip

    first, again = run(), run()
    assert not first.diverged
    assert first.val_losses[first.best_epoch] == first.val_losses.min()
    assert first.val_losses.min() < 0.15 * y[160:].var() / 2
    close(first.params, again.params, 1e-15)
    judged = ((np.asarray(se.predict(first.params, late)) - y[160:]) ** 2).mean() / 2
    assert judged == pytest.approx(first.val_losses.min(), rel=1e-12)


def test_a_training_that_blows_up_says_so():
    rng = np.random.default_rng(0)
    params = se.init_network(rng, {"a": 2}, hidden=(4, 4))
    out = se.train(params, {"a": rng.normal(size=(32, 2))}, 1e200 * np.ones(32), rng=rng, batch=16, epochs=5)
    assert out.diverged
    assert len(out.losses) < 5


def grouped(rng, groups=24, each=5):
    """Samples of a group share a level that only memory can know, and a slope that anybody can learn."""
    g = np.repeat(np.arange(groups), each)
    x, level = rng.normal(size=(len(g), 1)), rng.normal(size=groups)
    marks = np.repeat(rng.normal(size=(groups, 6)), each, axis=0)
    return {"a": x, "b": marks}, x[:, 0] + 2 * level[g], x[:, 0], g


def test_cross_validation_keeps_groups_whole_and_peeks_at_nothing():
    rng = np.random.default_rng(4)
    X, y, learnable, groups = grouped(rng)
    folds = se.group_folds(groups, 4, rng=rng)
    assert all(len(set(folds[groups == g].tolist())) == 1 for g in range(24))
    assert np.bincount(folds).tolist() == [30] * 4
    one = ({"hidden": (8, 4), "rate": 1e-2, "decay": 0.1},)

    def run(X, y, groups=groups):
        return se.cross_validate(
            X, y, groups, rng=np.random.default_rng(0), folds=4, epochs=20, batch=16, settings=one
        )

    found = run(X, y)
    at = found.folds == 1
    scaled = se.scaled({name: block[at] for name, block in X.items()}, found.scalings[1])
    mean, sd = found.centres[1]
    np.testing.assert_allclose(
        found.predictions[at], mean + sd * np.asarray(se.predict(found.networks[1], scaled)), atol=1e-12
    )
    other = y.copy()
    other[at] += 100.0  # the judged answers must not matter to their own predictions
    np.testing.assert_array_equal(run(X, other).predictions[at], found.predictions[at])
    assert np.corrcoef(found.predictions, learnable)[0, 1] > 0.4
    leaked = run(X, y, np.arange(len(y))).predictions
    assert np.corrcoef(leaked, y)[0, 1] > np.corrcoef(found.predictions, y)[0, 1] + 0.1, "it looked them up"


def test_folds_are_refused_that_cannot_be(rng):
    with pytest.raises(ValueError, match="2 folds"):
        se.group_folds(np.arange(9), 2, rng=rng)
    with pytest.raises(ValueError, match="4 groups"):
        se.group_folds(np.repeat(np.arange(4), 3), 5, rng=rng)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda p, X: se.predict(X, X), "Network"),
        (lambda p, X: se.predict(p, X["PS"]), "dict of the network's blocks"),
        (lambda p, X: se.predict(p, {"PS": X["PS"], "MSA": X["MSA"][:, :4]}), "5 numbers per sample"),
        (lambda p, X: se.predict(p, {"PS": X["PS"], "MSA": X["MSA"][:4]}), "one row per sample"),
        (lambda p, X: se.predict(p, {**X, "MSA": X["MSA"].astype(int)}), "astype"),
        (lambda p, X: se.predict(p, {**X, "MSA": X["MSA"] * np.nan}), "NaN"),
        (lambda p, X: se.predict(p._replace(v=p.v * np.inf), X), "params holds"),
        (lambda p, X: se.predict(p, X, activation="gelu"), "one of tanh, softplus, relu"),
        (lambda p, X: se.vjp_predict(p, X, np.ones((6, 1))), r"y_bar must be \(6,\)"),
        (lambda p, X: se.mixed_hessian(p, X, "PS", "msa"), "no block 'msa'"),
        (lambda p, X: se.loss_and_grad(p, X, np.ones(5)), r"y must be \(6,\)"),
        (lambda p, X: se.train(p, X, np.ones(6), rng=np.random.default_rng(0)), "batch"),
        (lambda p, X: se.init_network(np.random.default_rng(0), {}), "positive widths"),
    ],
)
def test_bad_input_is_named_with_its_remedy(call, said, rng):
    with pytest.raises(ValueError, match=said):
        call(*problem(rng))
