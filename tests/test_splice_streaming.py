"""Streaming against the whole sequence at once; Jacobians through time against oracles."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import splice
from mcbook.splice import streaming
from mcbook.splice.sequences import encode

CELLS = {"tanh": splice.init_rnn_cell, "gated": splice.init_gru_cell}
both_cells = pytest.mark.parametrize("kind", CELLS)
ROUNDING = 2e-4  # of logits: float32, and gates that are off by up to 7e-6 each, added up over the steps
SETTINGS = {"block": 32, "batch": 8, "overlap": 24}


def network(rng, *, gated=True, hidden=6):
    params = splice.init_two_way(rng, hidden=hidden, classes=3, gated=gated)
    if not gated:  # states that forget
        params = params._replace(
            forward=params.forward._replace(W_h=0.5 * params.forward.W_h),
            backward=params.backward._replace(W_h=0.5 * params.backward.W_h),
        )
    return jax.tree.map(lambda a: np.asarray(a + 0.1 * rng.normal(size=a.shape), np.float32), params)


def letters(rng, T):
    return "".join(rng.choice(list("ACGTacgtRYN"), T))


def whole(params, sequence, reach=0):
    return np.asarray(splice.junction_logits(params, encode(sequence)[None], reach=reach))[0]


def gap(a, b):
    assert a.shape == b.shape
    return np.abs(a - b).max()


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("reach", [0, 5])
def test_one_block_is_the_whole_run(gated, reach, rng):
    """No overlap is used: what is left is float32 and Lambert's tanh."""
    params, sequence = network(rng, gated=gated), letters(rng, 31)
    got = splice.scan(params, sequence, reach=reach, **SETTINGS)
    assert got.dtype == np.float32
    assert gap(got, whole(params, sequence, reach)) < ROUNDING


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("reach", [0, 5])
def test_blocks_forget_what_lies_before_their_overlap(gated, reach, rng):
    params, sequence = network(rng, gated=gated), letters(rng, 1000)
    exact = whole(params, sequence, reach)
    settings = SETTINGS | {"reach": reach}
    gaps = [gap(splice.scan(params, sequence, **settings | {"overlap": w}), exact) for w in (1, 8, 64)]
    assert gaps[0] > 1e-3  # too short an overlap shows
    assert gaps[1] < gaps[0] / 2
    assert gaps[2] < ROUNDING


def test_the_result_does_not_depend_on_the_chunks(rng):
    """Not by one bit, and not on how the letters come: text, bytes, numbers, an open file."""
    params, sequence = network(rng), letters(rng, 777)
    once = splice.scan(params, sequence, **SETTINGS)
    raw = sequence.encode()
    cuts = np.sort(rng.integers(0, 777, 12))
    for source in (
        raw,
        np.frombuffer(raw, np.uint8),
        list(sequence),
        [raw[i : i + 300] for i in range(0, 777, 300)],
        [raw[i:j] for i, j in zip([0, *cuts], [*cuts, 777], strict=True)],
        iter(io.BytesIO(raw).read, b""),
    ):
        assert np.array_equal(splice.scan(params, source, **SETTINGS), once)


def test_stretches_follow_each_other_and_are_bounded(rng):
    params, T = network(rng), 1000
    size = SETTINGS["block"] * SETTINGS["batch"]
    start = 0
    for stretch in splice.stream(params, (letters(rng, 10) for _ in range(T // 10)), **SETTINGS):
        assert stretch.start == start
        assert len(stretch.logits) <= size
        start += len(stretch.logits)
    assert start == T + 1


@pytest.mark.parametrize("T", [1, 2, 31, 32, 255, 256, 257, 280, 281])
def test_every_length_has_a_junction_before_every_letter_and_one_behind(T, rng):
    params, sequence = network(np.random.default_rng(3)), letters(rng, T)
    got = splice.scan(params, sequence, reach=2, **SETTINGS | {"overlap": 64})
    assert gap(got, whole(params, sequence, 2)) < ROUNDING


def test_letters_are_asked_for_only_as_they_are_needed(rng):
    """An endless sequence can be read: a batch comes as soon as it and its margin are there."""
    params, taken = network(rng), []

    def endless():
        while True:
            taken.append(1)
            yield "ACGT" * 25

    next(splice.stream(params, endless(), **SETTINGS))
    assert 100 * len(taken) < 32 * 8 + 24 + 2 + 100


def test_bfloat16_products_lose_three_digits_and_no_more(rng):
    params, sequence = network(rng, hidden=16), letters(rng, 500)
    exact = whole(params, sequence)
    rough = splice.scan(params, sequence, precision="bfloat16", **SETTINGS | {"overlap": 64})
    assert 1e-4 * np.abs(exact).max() < gap(rough, exact) < 2e-2 * np.abs(exact).max()


def test_planted_errors_show(rng):
    """A shifted junction, exchanged readers, the other strand, a forgotten bias: far beyond the tolerance."""
    params, sequence = network(rng), letters(rng, 200)
    exact = whole(params, sequence)
    settings = SETTINGS | {"overlap": 64}
    got = splice.scan(params, sequence, **settings)
    assert gap(got[1:], exact[:-1]) > 1e-2
    exchanged = params._replace(forward=params.backward, backward=params.forward)
    assert gap(splice.scan(exchanged, sequence, **settings), exact) > 1e-2
    assert gap(splice.scan(params, sequence[::-1], **settings), exact) > 1e-2
    bare = params._replace(c=params.c * 0 + 1)
    assert gap(splice.scan(bare, sequence, **settings), exact) > 1e-2


@pytest.mark.parametrize(("terms", "most", "near_zero"), [(9, 7e-6, 1e-12), (7, 1e-4, 1e-11)])
def test_lamberts_fraction_is_tanh(terms, most, near_zero):
    x = np.linspace(-30, 30, 20_001)
    got = np.asarray(splice.lambert_tanh(jnp.asarray(x), terms=terms))
    assert most / 2 < np.abs(got - np.tanh(x)).max() < most
    assert np.array_equal(got, -np.asarray(splice.lambert_tanh(jnp.asarray(-x), terms=terms)))
    assert np.abs(got).max() <= 1
    small = np.abs(x) < 1
    assert np.abs(got - np.tanh(x))[small].max() < near_zero


def test_letter_rows_are_the_encoding():
    rows = splice.letter_rows()
    assert np.array_equal(rows[[ord(c) for c in "aCgURN"]], encode("aCgURN"))
    assert np.isnan(rows[[ord(c) for c in ">\n -*EX"]]).all()
    code, kinds = streaming.alphabet(rows)
    assert np.array_equal(kinds[code[ord("R")]], [0.5, 0, 0.5, 0])
    assert not kinds[0].any()


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ("ACGTX", "'X' at position 4"),
        (["ACGT", ">chr1"], "'>' at position 4"),
        ("ACGT\nACGT", "line ends"),
        ("ACGTé", "at position 4"),
        ("", "empty"),
        ([], "empty"),
        (np.zeros((2, 2), np.uint8), "1-D uint8"),
        (np.array([0.1, 0.2]), "1-D uint8"),
    ],
)
def test_letters_that_are_none_are_named_with_their_place(sequence, message, rng):
    with pytest.raises(ValueError, match=message):
        splice.scan(network(rng), sequence, **SETTINGS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"overlap": 0}, "overlap must be"),
        ({"block": 0}, "block must be"),
        ({"batch": 10}, "multiple of 8"),
        ({"batch": 0}, "multiple of 8"),
        ({"reach": -1}, "reach must be"),
        ({"precision": "float16"}, "precision must be"),
        ({"rows": np.zeros((4, 4))}, "rows must have shape"),
        ({"rows": np.full((256, 4), np.nan)}, "names no letter"),
    ],
)
def test_settings_are_judged_before_the_first_letter(settings, message, rng):
    with pytest.raises(ValueError, match=message):
        splice.stream(network(rng), "ACGT", **settings)


def test_a_network_with_one_direction_cannot_stream(rng):
    with pytest.raises(ValueError, match="TwoWay"):
        splice.stream(splice.init_gru(rng), "ACGT")


# Jacobians through time


def cell_path(rng, kind, T=12, hidden=5):
    return CELLS[kind](rng, hidden=hidden), rng.dirichlet(np.ones(4), size=T)


@both_cells
def test_the_product_of_steps_is_the_jacobian_of_the_whole(kind, rng):
    cell, X = cell_path(rng, kind)
    h_0 = 0.3 * rng.normal(size=5)
    J = np.asarray(splice.step_jacobians(cell, X, h_0))

    def last(h_0):
        return splice.states(cell, X[None], h_0[None])[0, -1]

    P = np.asarray(jax.jacobian(last)(jnp.asarray(h_0)))
    product = np.linalg.multi_dot(J[::-1])
    assert np.linalg.norm(product - P) <= 1e-13 * np.linalg.norm(P)
    for wrong in (np.linalg.multi_dot(J), np.linalg.multi_dot(J[::-1].swapaxes(1, 2)), 1.001 * product):
        assert np.linalg.norm(wrong - P) > 5e-4 * np.linalg.norm(P)


@both_cells
def test_cotangents_are_rows_times_the_product(kind, rng):
    cell, X = cell_path(rng, kind)
    h_bar = rng.normal(size=5)
    path = np.asarray(splice.state_cotangents(cell, X, h_bar))
    assert path.shape == (13, 5)
    expected = h_bar
    for J, row in zip(np.asarray(splice.step_jacobians(cell, X))[::-1], path[-2::-1], strict=True):
        expected = expected @ J
        assert np.linalg.norm(row - expected) <= 1e-13 * np.linalg.norm(expected)
    H_bar = np.zeros((1, 12, 5))
    H_bar[0, -1] = h_bar
    assert np.allclose(path[0], splice.vjp_states(cell, X[None], H_bar).h_0[0], rtol=1e-12, atol=0)


def test_the_tanh_cells_step_is_slopes_times_W_h(rng):
    cell, X = cell_path(rng, "tanh")
    H = np.asarray(splice.states(cell, X[None]))[0]
    expected = (1 - H[:, :, None] ** 2) * np.asarray(cell.W_h)[None]
    assert np.allclose(splice.step_jacobians(cell, X), expected, rtol=1e-13, atol=0)


def test_open_update_gates_carry_the_gradient_unchanged(rng):
    """z → 1: J_t → I, which no choice of W_h gives a tanh cell on a path that moves."""
    cell, X = cell_path(rng, "gated")
    b = np.array(cell.b)
    b[5:10] = 40.0
    J = np.asarray(splice.step_jacobians(cell._replace(b=b), X))
    assert np.abs(J - np.eye(5)).max() < 1e-13


@pytest.mark.parametrize("T", [1, 30, 400])
def test_singular_values_of_a_product_that_telescopes(T, rng):
    """J_t = Q_t D Q_{t-1}ᵀ: the product's singular values are D^(T-t), down to e^-920 here."""
    h, d = 6, np.array([1.3, 1.0, 0.9, 0.5, 0.3, 0.1])
    Q = np.linalg.qr(rng.normal(size=(T + 1, h, h)))[0]
    J = np.einsum("tij,j,tkj->tik", Q[1:], d, Q[:-1])
    got = splice.product_log_singular_values(J)
    steps = np.arange(T, -1, -1)[:, None]
    expected = steps * np.log(d)
    within = expected - expected[:, :1] > -600  # below e^-600 of the largest, floating point has no numbers
    assert np.abs(got - expected)[within].max() < 1e-9
    if T == 30:  # what forming the product loses
        naive = np.log(np.linalg.svd(np.linalg.multi_dot(J[::-1]), compute_uv=False))
        assert np.abs(naive - expected[0]).max() > 1


@both_cells
def test_singular_values_are_those_of_a_short_product(kind, rng):
    J = np.asarray(splice.step_jacobians(*cell_path(rng, kind, T=4)))
    got = splice.product_log_singular_values(J)
    for t in range(4):
        P = np.linalg.multi_dot(J[t:][::-1]) if t < 3 else J[3]
        assert np.allclose(got[t], np.log(np.linalg.svd(P, compute_uv=False)), rtol=1e-9, atol=1e-9)
    assert np.array_equal(got[4], np.zeros(5))


def test_the_spectral_radius_is_set(rng):
    W = rng.normal(size=(6, 6))
    scaled = splice.with_spectral_radius(W, 0.9)
    assert np.abs(np.linalg.eigvals(scaled)).max() == pytest.approx(0.9, rel=1e-12)
    assert np.allclose(scaled * W[0, 0], W * scaled[0, 0])
    three = splice.with_spectral_radius(rng.normal(size=(18, 6)), 2.0)
    assert np.abs(np.linalg.eigvals(three.reshape(3, 6, 6))).max(1) == pytest.approx([2.0] * 3, rel=1e-12)


def test_bad_input_to_the_jacobians_is_named(rng):
    cell, X = cell_path(rng, "tanh")
    for message, call in (
        ("one sequence", lambda: splice.step_jacobians(cell, X[None])),
        ("empty", lambda: splice.step_jacobians(cell, X[:0])),
        ("h_0 must have shape", lambda: splice.step_jacobians(cell, X, np.ones(4))),
        ("h_bar must have shape", lambda: splice.state_cotangents(cell, X, np.ones(4))),
        ("square Jacobians", lambda: splice.product_log_singular_values(np.ones((3, 4, 5)))),
        ("NaN", lambda: splice.product_log_singular_values(np.full((3, 4, 4), np.nan))),
        ("W_h must be", lambda: splice.with_spectral_radius(np.ones((4, 5)), 1.0)),
        ("at least 0", lambda: splice.with_spectral_radius(np.eye(3), -1.0)),
        ("at least 0", lambda: splice.with_spectral_radius(np.eye(3), np.nan)),
        ("nilpotent", lambda: splice.with_spectral_radius(np.eye(4, k=1), 1.0)),
    ):
        with pytest.raises(ValueError, match=message):
            call()
