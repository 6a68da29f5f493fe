"""Backpropagation through time by hand: automatic derivatives, differences, laws, planted mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from mcbook import splice
from mcbook.calculus import check_grad, check_vjp
from mcbook.splice import cells

NETWORKS = {
    "tanh": splice.init_rnn,
    "gated": splice.init_gru,
    "two-way tanh": lambda rng, **sizes: splice.init_two_way(rng, gated=False, **sizes),
    "two-way gated": splice.init_two_way,
}
networks = pytest.mark.parametrize("kind", NETWORKS)
CELLS = {"tanh": splice.init_rnn_cell, "gated": splice.init_gru_cell}
both_cells = pytest.mark.parametrize("kind", CELLS)
WEIGHTS = np.array([1.0, 2.0, 0.5])


def problem(rng, kind="tanh", T=7, n=5, hidden=4):
    """Parameters with every entry at work, letters as probability rows, labels."""
    params = NETWORKS[kind](rng, hidden=hidden, classes=3)
    params = jax.tree.map(lambda a: a + 0.1 * rng.normal(size=a.shape), params)
    return params, rng.dirichlet(np.ones(4), size=(n, T)), rng.integers(0, 3, n)


def cell_problem(rng, kind="tanh", T=7, n=5, hidden=4):
    cell = jax.tree.map(lambda a: a + 0.1 * rng.normal(size=a.shape), CELLS[kind](rng, hidden=hidden))
    return cell, rng.dirichlet(np.ones(4), size=(n, T))


def on_jax(tree):
    return jax.tree.map(jnp.asarray, tree)


def plain_loss(params, X, y, class_weight, reach=0):
    """The loss once more, without anything of the package's: lax.scan and log_softmax."""

    def read(cell, X):
        def step(h, x):
            a, s = x @ cell.W_x.T + cell.b[None], h @ cell.W_h.T
            if isinstance(cell, splice.RNNCell):
                return jnp.tanh(a + s), None
            (a_r, a_z, a_m), (s_r, s_z, s_m) = jnp.split(a, 3, 1), jnp.split(s, 3, 1)
            r, z = 1 / (1 + jnp.exp(-a_r - s_r)), 1 / (1 + jnp.exp(-a_z - s_z))
            return (1 - z) * jnp.tanh(a_m + r * s_m) + z * h, None

        return jax.lax.scan(step, jnp.zeros((len(X), cell.W_h.shape[1])), X.swapaxes(0, 1))[0]

    j, T = X.shape[1] // 2, X.shape[1]
    last = (
        [read(params.cell, X)]
        if isinstance(params, splice.OneWay)
        else [
            read(params.forward, X[:, : min(j + reach, T)]),
            read(params.backward, X[:, max(j - reach, 0) :][:, ::-1]),
        ]
    )
    log_p = jax.nn.log_softmax(jnp.concatenate(last, 1) @ params.V.T + params.c[None])
    w = jnp.asarray(class_weight)[y]
    return -(w * log_p[jnp.arange(len(y)), y]).sum() / w.sum()


def close(G, R, rel=1e-12):
    for part, reference in zip(jax.tree.leaves(G), jax.tree.leaves(R), strict=True):
        assert part.shape == reference.shape
        assert np.linalg.norm(part - reference) <= rel * np.linalg.norm(reference)


@networks
@pytest.mark.parametrize("T", [1, 2, 60])
def test_every_weight_has_the_automatic_gradient(kind, T, rng):
    params, X, y = problem(rng, kind, T)
    R = jax.grad(plain_loss)(on_jax(params), jnp.asarray(X), y, WEIGHTS)
    loss, G = splice.loss_and_grad(params, X, y, class_weight=WEIGHTS)
    close(G, R)
    close(loss, plain_loss(on_jax(params), jnp.asarray(X), y, WEIGHTS), rel=1e-13)
    close(splice.loss(params, X, y, class_weight=WEIGHTS), loss, rel=1e-14)


@pytest.mark.parametrize(("T", "reach"), [(7, 2), (7, 50), (1, 1)])
def test_reading_beyond_the_junction_has_the_automatic_gradient(T, reach, rng):
    params, X, y = problem(rng, "two-way gated", T)
    R = jax.grad(plain_loss)(on_jax(params), jnp.asarray(X), y, WEIGHTS, reach)
    close(splice.grad_loss(params, X, y, class_weight=WEIGHTS, reach=reach), R)


@networks
def test_the_gradient_agrees_with_differences(kind, rng):
    params, X, y = problem(rng, kind, T=9)
    flat, back = ravel_pytree(params)

    def loss(v):
        return float(splice.loss(back(jnp.asarray(v)), X, y))

    G = ravel_pytree(splice.grad_loss(params, X, y))[0]
    check_grad(loss, np.asarray(G), np.asarray(flat), rng=rng)
    with pytest.raises(AssertionError, match="gradient is wrong"):
        check_grad(loss, 1.001 * np.asarray(G), np.asarray(flat), rng=rng)


@networks
@pytest.mark.parametrize("reach", [0, 3])
def test_the_letters_gradient_is_the_automatic_one(kind, reach, rng):
    params, X, _ = problem(rng, kind, T=8)
    if kind in ("tanh", "gated"):
        reach = 0
    logits_bar = rng.normal(size=(5, 3))
    back = splice.vjp_logits(params, X, logits_bar, reach=reach)

    def inner(params, X):
        return (splice.logits(params, X, reach=reach) * logits_bar).sum()

    R_params, R_X = jax.grad(inner, argnums=(0, 1))(on_jax(params), jnp.asarray(X))
    close(back.params, R_params)
    close(back.X, R_X)


@both_cells
def test_states_pull_back_to_cell_letters_and_first_state(kind, rng):
    cell, X = cell_problem(rng, kind)
    h_0, H_bar = 0.3 * rng.normal(size=(5, 4)), rng.normal(size=(5, 7, 4))

    def inner(cell, X, h_0):
        return (splice.states(cell, X, h_0) * H_bar).sum()

    out = splice.vjp_states(cell, X, H_bar, h_0)
    close(out, splice.CellVJP(*jax.grad(inner, argnums=(0, 1, 2))(on_jax(cell), jnp.asarray(X), h_0)))
    check_vjp(
        lambda X: np.asarray(splice.states(cell, X, h_0)),
        lambda X, H_bar: np.asarray(splice.vjp_states(cell, X, H_bar, h_0).X),
        X,
        rng=rng,
    )


@both_cells
def test_states_are_those_of_a_loop_over_letters(kind, rng):
    cell, X = cell_problem(rng, kind)
    H, h = splice.states(cell, X), np.zeros((5, 4))
    for t in range(7):
        a, s = X[:, t] @ cell.W_x.T + cell.b, h @ cell.W_h.T
        if kind == "tanh":
            h = np.tanh(a + s)
        else:
            r, z = (1 / (1 + np.exp(-(a + s)[:, k * 4 : k * 4 + 4])) for k in (0, 1))
            h = (1 - z) * np.tanh(a[:, 8:] + r * s[:, 8:]) + z * h
        close(H[:, t], h, rel=1e-14)


# Mistakes in the recursion, each in the place where people make it


def wrong_gradient(mistake, cell, X, h_bar):
    """`cells.vjp_rnn` in NumPy, with one mistake (or none); X (T, n, d), h_bar (n, h)."""
    H = np.asarray(cells.run(cell, X, jnp.zeros_like(h_bar)))
    H_before = np.concatenate([np.zeros_like(H[:1]), H[:-1]])
    A = X @ cell.W_x.T + cell.b + H_before @ cell.W_h.T
    slope = {"pre-activation": 1 - A**2, "no slope": np.ones_like(H)}.get(mistake, 1 - H**2)
    A_bar = np.zeros_like(H)
    for t in range(len(X) - 1, -1, -1):
        A_bar[t] = slope[t] * h_bar
        h_bar = A_bar[t] @ (cell.W_h.T if mistake == "transpose" else cell.W_h)
        if mistake == "truncated" and t == 4:
            h_bar = 0 * h_bar
    met = H if mistake == "wrong time" else H_before
    batch = (lambda S: S[:, :1]) if mistake == "no batch" else (lambda S: S)
    W_x, W_h = (np.einsum("tnh,tnd->hd", batch(A_bar), batch(B)) for B in (X, met))
    b = A_bar[-1].sum(0) if mistake == "no sum in b" else batch(A_bar).sum((0, 1))
    return splice.RNNCell(W_x, W_h.T if mistake == "W_h transposed" else W_h, b)


MISTAKES = ["wrong time", "transpose", "W_h transposed", "pre-activation", "no slope", "truncated"]
MISTAKES += ["no batch", "no sum in b"]


@pytest.mark.parametrize("mistake", [None, *MISTAKES])
def test_planted_mistakes_fail_both_checks(mistake, rng):
    cell, X = cell_problem(rng)
    h_bar = rng.normal(size=(5, 4))
    G = wrong_gradient(mistake, cell, X.swapaxes(0, 1), h_bar)
    H_bar = np.zeros((5, 7, 4))
    H_bar[:, -1] = h_bar
    flat, back = ravel_pytree(on_jax(cell))
    g, ours = (
        np.asarray(ravel_pytree(on_jax(tree))[0]) for tree in (G, splice.vjp_states(cell, X, H_bar).cell)
    )

    def inner(v):
        return float((splice.states(back(jnp.asarray(v)), X)[:, -1] * h_bar).sum())

    if mistake is None:
        close(g, ours)
        check_grad(inner, g, np.asarray(flat), rng=rng)
        return
    assert np.linalg.norm(g - ours) > 1e-3 * np.linalg.norm(ours)
    with pytest.raises(AssertionError, match="gradient is wrong"):
        check_grad(inner, g, np.asarray(flat), rng=rng)


# Laws


@networks
def test_copies_of_the_batch_change_nothing(kind, rng):
    """The loss is a mean: a batch twice over has the same loss and gradient."""
    params, X, y = problem(rng, kind)
    twice = np.concatenate([X, X]), np.concatenate([y, y])
    close(splice.grad_loss(params, *twice), splice.grad_loss(params, X, y), rel=1e-13)


def test_class_weights_are_repetitions(rng):
    """Weight 2 for a class is that class's sequences twice."""
    params, X, y = problem(rng, n=6)
    twice = np.concatenate([np.arange(6), np.flatnonzero(y == 1)])
    weighted = splice.grad_loss(params, X, y, class_weight=np.array([1.0, 2.0, 1.0]))
    close(weighted, splice.grad_loss(params, X[twice], y[twice]), rel=1e-13)


def test_two_ways_mirror_each_other(rng):
    """Reading backwards what is turned round, with the cells exchanged, gives the same logits."""
    params, X, _ = problem(rng, "two-way gated", T=8)
    V = np.concatenate([params.V[:, 4:], params.V[:, :4]], axis=1)
    turned = splice.TwoWay(params.backward, params.forward, V, params.c)
    for reach in (0, 2):
        close(splice.logits(turned, X[:, ::-1], reach=reach), splice.logits(params, X, reach=reach), 1e-14)


def test_every_junction_is_the_middle_of_its_own_window(rng):
    params, X, _ = problem(rng, "two-way gated", T=9)
    every = splice.junction_logits(params, X, reach=1)
    assert every.shape == (5, 10, 3)
    H_f = splice.states(params.forward, X)
    H_b = splice.states(params.backward, X[:, ::-1])[:, ::-1]
    by_hand = np.concatenate([H_f[:, 4], H_b[:, 3]], axis=1) @ params.V.T + params.c  # j = 4: f_5, g_3
    close(every[:, 4], by_hand, rel=1e-13)
    close(every[:, 4], splice.logits(params, X, reach=1), rel=1e-13)


def test_float32_stays_float32(rng):
    params, X, y = problem(rng, "two-way gated")
    single = jax.tree.map(lambda a: np.asarray(a, np.float32), params)
    G = splice.grad_loss(single, X, y)
    assert {leaf.dtype for leaf in jax.tree.leaves(G)} == {np.dtype("float32")}
    close(G, splice.grad_loss(params, X, y), rel=1e-5)


# Segments, checkpoints, truncation


@networks
@pytest.mark.parametrize("segment", [None, 1, 5, 100])
def test_checkpoints_change_no_gradient(kind, segment, rng):
    params, X, y = problem(rng, kind, T=13)
    G = splice.checkpointed_grad_loss(params, X, y, segment=segment)
    close(G, splice.grad_loss(params, X, y), rel=1e-13)


@both_cells
@pytest.mark.parametrize("T", [49, 50, 51, 125])
def test_segments_join_without_a_seam(kind, T, rng):
    """Kept segments (50 steps) against one pass over all steps, letters included; T around their edges."""
    params, X, _ = problem(rng, kind, T=T, n=2)
    logits_bar = rng.normal(size=(2, 3))
    H_bar = np.zeros((2, T, 4))
    H_bar[:, -1] = logits_bar @ params.V
    whole = splice.vjp_states(params.cell, X, H_bar)
    back = splice.vjp_logits(params, X, logits_bar)
    close(back.params.cell, whole.cell)
    close(back.X, whole.X)


def compiled_bytes(T, plan):
    """Temporary memory of the compiled gradient, n = 8, h = 32, float32."""
    from mcbook.splice.networks import _loss_and_grad

    params = jax.tree.map(
        lambda a: jnp.asarray(a, jnp.float32), splice.init_rnn(np.random.default_rng(0), hidden=32)
    )
    shapes = jax.ShapeDtypeStruct((8, T, 4), jnp.float32), jax.ShapeDtypeStruct((8,), jnp.int32)
    lowered = _loss_and_grad.lower(params, *shapes, None, 0, plan)
    return lowered.compile().memory_analysis().temp_size_in_bytes


def test_memory_of_checkpoints_grows_with_the_square_root():
    from mcbook.splice.through_time import Plan

    root = [compiled_bytes(T, Plan(int(T**0.5), keep=False)) for T in (2500, 40_000)]
    kept = [compiled_bytes(T, Plan()) for T in (2500, 40_000)]
    assert root[1] < 5 * root[0]  # 16 times the steps, 4 times the memory
    assert kept[1] > 12 * kept[0]
    assert root[1] < kept[1] / 40


@both_cells
def test_truncation_lacks_what_the_earlier_steps_add(kind, rng):
    """The full gradient is the truncated one and that of the earlier steps, h̄ handed on at the cut."""
    params, X, y = problem(rng, kind, T=12)
    full, cut = splice.grad_loss(params, X, y), splice.truncated_grad_loss(params, X, y, window=4)
    logits_bar = splice.grad_cross_entropy_logits(splice.logits(params, X), y)
    H_bar = np.zeros((5, 4, 4))
    H_bar[:, -1] = logits_bar @ params.V
    h_8 = splice.states(params.cell, X[:, :8])[:, -1]
    late = splice.vjp_states(params.cell, X[:, 8:], H_bar, h_8)
    earlier_bar = np.zeros((5, 8, 4))
    earlier_bar[:, -1] = late.h_0
    early = splice.vjp_states(params.cell, X[:, :8], earlier_bar).cell
    close(cut.cell, late.cell)
    close(full.cell, jax.tree.map(jnp.add, late.cell, early))
    close((cut.V, cut.c), (full.V, full.c))
    assert np.linalg.norm(cut.cell.W_h - full.cell.W_h) > 1e-4 * np.linalg.norm(full.cell.W_h)
    close(splice.truncated_grad_loss(params, X, y, window=50), full, rel=1e-13)


def test_truncation_bias_on_a_linear_recurrence(rng):
    """Tiny states make tanh the identity.  One unit that reads the same letter: all is a geometric sum.

    h_t = w h_{t-1} + v = v (1 - w^t)/(1 - w),  dh_T/dw = Σ_{t=1}^T w^{T-t} h_{t-1}; truncated: the last
    τ terms of it, so the bias is what the first T - τ add up to.
    """
    w, v, T, tau = 0.8, 1e-7, 40, 10
    cell = splice.RNNCell(v * np.eye(1, 4), np.array([[w]]), np.zeros(1))
    params = splice.OneWay(cell, np.array([[1.0], [-1.0]]), np.zeros(2))
    X, y = np.tile(np.eye(4)[0], (1, T, 1)), np.array([0])
    h = v * (1 - w ** np.arange(T)) / (1 - w)  # h_0 .. h_{T-1}
    terms = w ** np.arange(T - 1, -1, -1) * h
    h_bar = -1.0  # (p - e_y) V = (½ - 1) 1 + ½ (-1), up to 1e-7
    full = float(splice.grad_loss(params, X, y).cell.W_h[0, 0])
    cut = float(splice.truncated_grad_loss(params, X, y, window=tau).cell.W_h[0, 0])
    assert full == pytest.approx(h_bar * terms.sum(), rel=1e-6)
    assert cut == pytest.approx(h_bar * terms[-tau:].sum(), rel=1e-6)
    bias = v * ((w**tau - w**T) / (1 - w) - (T - tau) * w ** (T - 1)) / (1 - w)
    assert full - cut == pytest.approx(h_bar * bias, rel=1e-5)
    assert abs(full - cut) > 1e-2 * abs(full)


# Bad input


def gated_cell():
    return splice.init_gru_cell(np.random.default_rng(0))


def broken(field, value):
    return lambda p: p._replace(cell=p.cell._replace(**{field: value}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (broken("W_h", np.ones((4, 3))), "W_h must have shape"),
        (broken("W_x", np.ones((3, 4))), "W_x must have shape"),
        (broken("b", np.ones(5)), "b must have shape"),
        (broken("b", np.full(4, np.nan)), "NaN or infinite"),
        (broken("W_h", np.ones(4)), "must be matrices"),
        (lambda p: p._replace(V=np.ones((3, 5))), "V must have shape"),
        (lambda p: p._replace(c=np.ones(2)), "c must have shape"),
        (lambda p: p._replace(V=np.full((3, 4), np.inf)), "NaN or infinite"),
        (lambda p: p._replace(cell=None), "RNNCell or a GRUCell"),
        (lambda p: (1, 2), "OneWay or a TwoWay"),
        (lambda p: splice.TwoWay(p.cell, gated_cell(), p.V, p.c), "one kind"),
    ],
)
def test_parameters_that_do_not_fit_are_named(change, message, rng):
    params, X, y = problem(rng)
    with pytest.raises(ValueError, match=message):
        splice.grad_loss(change(params), X, y)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((5, 7)), r"X\[None\]"),
        (np.ones((0, 7, 4)), "empty"),
        (np.ones((5, 0, 4)), "empty"),
        (np.ones((5, 4, 7)), "axes in this order"),
        (np.full((5, 7, 4), np.nan), "NaN or infinite"),
    ],
)
def test_letters_that_cannot_be_read_are_named(X, message, rng):
    params, _, y = problem(rng)
    for call in (splice.loss, splice.grad_loss, splice.loss_and_grad, splice.checkpointed_grad_loss):
        with pytest.raises(ValueError, match=message):
            call(params, X, y)
    with pytest.raises(ValueError, match=message):
        splice.states(params.cell, X)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([0, 1, 2, 3, 0]), r"0\.\.2"),
        (np.array([0, 1, -1, 1, 0]), r"0\.\.2"),
        (np.array([0, 1]), "5 integer labels"),
        (np.array([0.0, 1, 1, 1, 0]), "integer labels"),
        (np.eye(5, 3, dtype=int), "argmax"),
    ],
)
def test_labels_that_are_none_are_named(y, message, rng):
    params, X, _ = problem(rng)
    with pytest.raises(ValueError, match=message):
        splice.grad_loss(params, X, y)


def test_settings_out_of_range_are_named(rng):
    params, X, y = problem(rng)
    two_way, *_ = problem(rng, "two-way tanh")
    for message, call in (
        ("class_weight must have shape", lambda: splice.loss(params, X, y, class_weight=np.ones(2))),
        ("must be positive", lambda: splice.loss(params, X, y, class_weight=np.array([1.0, 0, 1]))),
        ("TwoWay only", lambda: splice.loss(params, X, y, reach=1)),
        ("reach must be", lambda: splice.logits(two_way, X, reach=-1)),
        ("segment must be", lambda: splice.checkpointed_grad_loss(params, X, y, segment=0)),
        ("window must be", lambda: splice.truncated_grad_loss(params, X, y, window=0)),
        ("needs a OneWay", lambda: splice.truncated_grad_loss(two_way, X, y, window=2)),
        ("needs a TwoWay", lambda: splice.junction_logits(params, X)),
        ("logits_bar must have shape", lambda: splice.vjp_logits(params, X, np.ones((5, 2)))),
        ("H_bar must have shape", lambda: splice.vjp_states(params.cell, X, np.ones((5, 4)))),
        ("h_0 must have shape", lambda: splice.states(params.cell, X, np.ones(4))),
        ("hidden must be", lambda: splice.init_rnn(rng, hidden=0)),
        ("classes must be", lambda: splice.init_gru(rng, classes=0)),
    ):
        with pytest.raises(ValueError, match=message):
            call()
