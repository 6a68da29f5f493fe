"""Learning a schedule: the averaged gradient, the descent, stopping and going on, shapes and tuning."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from mcbook import calculus, schedules
from mcbook.schedules.meta import loud_mean
from mcbook.schedules.shapes import hats
from tests.schedule_problems import T, distance, flat, full_schedule, plain_schedule, small_run


@pytest.fixture
def runs(rng):
    first = small_run(rng)
    others = [small_run(rng) for _ in range(3)]
    return schedules.ensemble([first, *(first._replace(w=r.w, batches=r.batches) for r in others)])


def members(runs):
    return [runs._replace(w=w, batches=b) for w, b in zip(runs.w, runs.batches, strict=True)]


def test_the_mean_over_seeds(runs, rng):
    schedule = full_schedule(rng)
    each = [schedules.hypergradient(run, schedule) for run in members(runs)]
    loss, grad = schedules.mean_hypergradient(runs, schedule)
    assert loss == pytest.approx(np.mean([e.loss for e in each]), rel=1e-12)
    assert distance(flat(grad), np.mean([flat(e.grad) for e in each], axis=0)) < 1e-11
    np.testing.assert_allclose(schedules.evaluate(runs, schedule), [e.loss for e in each], rtol=1e-11)


def test_a_margin_multiplies_each_seeds_rates(runs, rng):
    schedule, margin = full_schedule(rng), 0.3
    times = np.exp(margin * np.array([-1, -1 / 3, 1 / 3, 1]))
    own = [schedule._replace(rates=x * schedule.rates) for x in times]
    each = [schedules.hypergradient(run, s) for run, s in zip(members(runs), own, strict=True)]
    loss, grad = schedules.mean_hypergradient(runs, schedule, margin=margin)
    assert loss == pytest.approx(np.mean([e.loss for e in each]), rel=1e-12)
    known = np.mean([x * e.grad.rates for x, e in zip(times, each, strict=True)], axis=0)
    assert distance(grad.rates, known) < 1e-11
    found = schedules.evaluate(runs, schedule, margin=margin)
    np.testing.assert_allclose(found, [e.loss for e in each], rtol=1e-11)


def test_meta_training_descends_and_the_gradient_it_follows_is_right(runs, rng):
    shape = schedules.piecewise_linear(T, 3)
    start = np.full(3, -4.0)
    found = schedules.meta_train(runs, shape, start, steps=15, rate=0.2)
    assert found.diverged == ()
    assert found.losses.min() < 0.9 * found.losses[0]
    np.testing.assert_array_equal(found.theta, found.thetas[found.losses.argmin()])
    assert found.losses[0] == pytest.approx(schedules.evaluate(runs, shape(start)).mean(), rel=1e-12)
    assert found.trainings == 15 * 4 * 5

    def f(theta):
        return float(schedules.evaluate(runs, shape(jnp.asarray(theta))).mean())

    _, grad = schedules.mean_hypergradient(runs, shape(jnp.asarray(start)))
    G = jax.vjp(shape, jnp.asarray(start))[1](grad)[0]
    calculus.check_grad(f, G, start, rng=rng)
    assert found.grad_norms[0] == pytest.approx(float(jnp.linalg.norm(G)), rel=1e-10)


def test_a_loud_seed_does_not_drown_the_others(rng):
    grads = rng.normal(size=(9, 4))
    lengths = np.linalg.norm(grads, axis=1)
    assert lengths.max() < 3 * np.median(lengths)
    np.testing.assert_allclose(loud_mean(jnp.asarray(grads)), grads.mean(0), rtol=1e-12)
    loud = grads.copy()
    loud[2] *= 1e9
    cut = grads.copy()
    cut[2] *= 3 * np.median(np.linalg.norm(loud, axis=1)) / lengths[2]
    np.testing.assert_allclose(loud_mean(jnp.asarray(loud)), cut.mean(0), rtol=1e-12)
    for lost in (np.nan, np.inf):
        loud[2, 1] = lost
        without = np.delete(grads, 2, axis=0).sum(0) / 9
        np.testing.assert_allclose(loud_mean(jnp.asarray(loud)), without, rtol=1e-12)


class Killed(Exception):
    pass


def dying(at):
    def report(i, loss, theta):
        if i == at:
            raise Killed

    return report


def test_killed_and_resumed_is_the_same_to_the_last_bit(runs, tmp_path):
    shape, theta = schedules.piecewise_linear(T, 3), np.full(3, -2.0)
    settings = {"steps": 9, "rate": 3.0, "every": 2}
    whole = schedules.meta_train(runs, shape, theta, **settings)
    path = tmp_path / "meta.npz"
    for kill in (0, 3, 6):
        with pytest.raises(Killed):
            schedules.meta_train(runs, shape, theta, checkpoint=path, report=dying(kill), **settings)
    again = schedules.meta_train(runs, shape, theta, checkpoint=path, **settings)
    assert whole.taken_back  # of the steps of a rate of 3, some were too long
    for a, b in zip(again, whole, strict=True):
        np.testing.assert_array_equal(a, b)
    once_more = schedules.meta_train(runs, shape, theta, checkpoint=path, report=dying(0), **settings)
    np.testing.assert_array_equal(once_more.theta, whole.theta)  # nothing was left to do
    assert [p.name for p in tmp_path.iterdir()] == ["meta.npz"]


def test_broken_and_foreign_checkpoints_are_refused(runs, tmp_path):
    shape, theta, path = schedules.piecewise_linear(T, 3), np.full(3, -2.0), tmp_path / "meta.npz"
    schedules.meta_train(runs, shape, theta, steps=2, checkpoint=path)
    good = path.read_bytes()
    others = [
        (runs, schedules.piecewise_constant(T, 3), theta, 2),
        (runs, shape, theta + 1, 2),
        (runs, shape, theta, 3),
        (runs._replace(w=runs.w + 1), shape, theta, 2),
    ]
    for other_runs, other_shape, other_theta, steps in others:
        with pytest.raises(ValueError, match="belongs to another training"):
            schedules.meta_train(other_runs, other_shape, other_theta, steps=steps, checkpoint=path)
    for broken in (good[: len(good) // 2], b"", b"not a checkpoint", good[:-30]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"meta\.npz is no whole checkpoint.*delete it"):
            schedules.meta_train(runs, shape, theta, steps=2, checkpoint=path)


def test_a_step_into_divergence_is_taken_back_and_said(rng):
    """Adam's first step is as long as its rate: e^47 is no learning rate."""
    first = small_run(rng)._replace(loss=quartic)
    runs = schedules.ensemble([first._replace(w=0.5 + 0 * first.w)])
    found = schedules.meta_train(runs, schedules.constant(T), np.array([-3.0]), steps=60, rate=50.0)
    assert found.diverged[0] == 1
    assert found.losses[1] == np.inf
    assert set(found.diverged) <= set(found.taken_back)
    np.testing.assert_array_equal(found.thetas[2], found.thetas[0])
    assert np.abs(found.thetas[3] - found.thetas[2]) < 0.7 * np.abs(found.thetas[1] - found.thetas[0])
    assert found.losses.min() < found.losses[0]
    with pytest.raises(ValueError, match="begin with lower rates"):
        schedules.meta_train(runs, schedules.constant(T), np.array([5.0]), steps=2)


def quartic(w, X, y):
    return (w**4).sum() + 0 * X.sum()


def test_tuning_finds_the_constant_that_a_grid_finds(runs, rng):
    shape = schedules.constant(T)
    tuned = schedules.tune(runs, shape, trainings=240, rng=rng)
    grid = [schedules.evaluate(runs, shape(jnp.array([x]))).mean() for x in np.linspace(*shape.box[0], 60)]
    assert tuned.loss <= 1.001 * np.nanmin(grid)
    assert tuned.trainings == 240
    assert len(tuned.losses) == 60
    assert tuned.loss == tuned.losses.min()


# Shapes


def every_shape():
    own = [schedules.per_step(T), schedules.below(T, 0.7), schedules.piecewise_linear(T, 4)]
    own += [schedules.piecewise_constant(T, 4), schedules.falling(T, 4), schedules.every_part(T, 3)]
    own += [f(T) for f in (schedules.constant, schedules.cosine, schedules.drops, schedules.one_cycle)]
    return [*own, schedules.with_momentum(schedules.cosine(T))]


@pytest.mark.parametrize("shape", every_shape(), ids=lambda shape: shape.name)
def test_shapes_give_schedules(shape, rng):
    low, high = np.array(shape.box).T
    theta = rng.uniform(low, high)
    found = shape(jnp.asarray(theta))
    assert found.rates.shape == (T,)
    assert shape.size == len(theta)
    assert (np.asarray(found.rates) > 0).all()
    assert hash(shape) == hash(shape._replace())
    if found.momenta is None:
        held = shape._replace(momentum=0.9, decay=1e-3)(jnp.asarray(theta))
        np.testing.assert_array_equal(held.momenta, np.full(T, 0.9))
        np.testing.assert_array_equal(held.decays, np.full(T, 1e-3))


def test_shapes_are_what_their_names_say():
    rates = lambda shape, *theta: np.asarray(shape(jnp.array(theta)).rates)  # noqa: E731
    falling = rates(schedules.falling(T, 4), 0.0, 1.0, -3.0, 0.5)
    assert (np.diff(falling) < 0).all()
    assert falling[0] == pytest.approx(1)
    steps = rates(schedules.drops(10), np.log(2), np.log(0.1), 0.5)
    np.testing.assert_allclose(steps, [2] * 5 + [0.2] * 5)
    pieces = rates(schedules.piecewise_constant(7, 3), 0.0, 1.0, 2.0)
    np.testing.assert_allclose(np.log(pieces), [0, 0, 0, 1, 1, 2, 2], atol=1e-12)
    cycle = rates(schedules.one_cycle(100), 0.0, 0.3, -2.0, -5.0)
    assert cycle.argmax() in (29, 30)
    assert cycle.max() == pytest.approx(1, abs=1e-3)
    assert (cycle[0], cycle[-1]) == (pytest.approx(np.exp(-2), rel=0.01), pytest.approx(np.exp(-5), rel=0.1))
    both = schedules.with_momentum(schedules.constant(3))(jnp.array([0.0, np.log(9), np.log(0.01)]))
    np.testing.assert_allclose(both, [[1.0] * 3, [0.9] * 3, [0.01] * 3], rtol=1e-12)
    assert schedules.with_momentum(schedules.constant(3)) == schedules.with_momentum(schedules.constant(3))
    cosine = rates(schedules.cosine(100), 0.0, -3.0)
    assert cosine[50] == pytest.approx((1 + np.exp(-3)) / 2, rel=0.02)
    np.testing.assert_allclose(hats(T, 4).sum(1), 1)
    assert rates(schedules.below(T, 0.7), *np.full(T, 50.0)).max() == pytest.approx(0.7)


def test_a_shape_stretches_to_another_length(rng):
    theta = rng.normal(size=4)
    short, long = schedules.piecewise_linear(T, 4), schedules.piecewise_linear(T, 4).longer(3 * T)
    assert long(jnp.asarray(theta)).rates[-1] == pytest.approx(float(short(jnp.asarray(theta)).rates[-1]))
    with pytest.raises(ValueError, match="stretched"):
        schedules.per_step(T).longer(40)
    same = schedules.stretched(plain := plain_schedule(rng), T)
    np.testing.assert_allclose(same.rates, plain.rates, rtol=1e-12)
    assert schedules.stretched(plain, 40).rates.shape == (40,)


# The trainings


def test_seeds_change_the_start_and_the_order_and_nothing_else():
    a, b, again = (schedules.network_run(7, [3, s], batch=20, name="wine", width=5) for s in (0, 1, 0))
    np.testing.assert_array_equal(a.w, again.w)
    np.testing.assert_array_equal(a.batches, again.batches)
    assert not np.array_equal(a.w, b.w)
    assert not np.array_equal(a.batches, b.batches)
    np.testing.assert_array_equal(a.data[0], b.data[0])
    assert a.loss is b.loss


def test_the_three_parts_are_the_whole_set():
    for name, rows in (("digits", 1797), ("wine", 178), ("cancer", 569)):
        parts = schedules.split(name)
        assert sum(len(y) for _, y in parts) == rows
        assert all(abs(len(y) - rows / 3) < 1 for _, y in parts)
    joint = np.concatenate([X for X, _ in schedules.split("digits")]) * 16
    known = load_digits().data
    np.testing.assert_array_equal(joint[np.lexsort(joint.T)], known[np.lexsort(known.T)])


def test_an_epoch_reads_every_row_once(rng):
    batches = schedules.epochs(20, 10, 5, rng=rng)
    for start in (0, 4):
        np.testing.assert_array_equal(np.sort(batches[start : start + 4].ravel()), np.arange(20))


def test_flattened_parameters_train_like_the_network(rng):
    run = small_run(rng)
    W_1, b_1, W_2, b_2 = np.split(run.w, [12, 16, 28])
    params = {"a": W_1.reshape(3, 4), "b": b_1, "c": W_2.reshape(4, 3), "d": b_2}

    def loss(params, X, y):
        logits = jnp.tanh(X @ params["a"] + params["b"][None]) @ params["c"] + params["d"][None]
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1).mean()

    flat_loss, w = schedules.flattened(loss, params)
    np.testing.assert_array_equal(w, run.w)
    ours = schedules.train(run, plain_schedule(rng))
    assert ours.held_out_loss == pytest.approx(float(run.loss(ours.w, *run.held_out)), rel=1e-12)
    assert float(flat_loss(w, *run.held_out)) == pytest.approx(float(run.loss(w, *run.held_out)), rel=1e-12)


def test_accuracy_counts(rng):
    run = small_run(rng)
    right = schedules.logits(jnp.asarray(run.w), jnp.asarray(run.held_out[0]), 4, 3).argmax(1)
    assert schedules.accuracy(run.w, run.held_out[0], np.asarray(right), width=4) == 1
    assert schedules.accuracy(run.w, run.held_out[0], (np.asarray(right) + 1) % 3, width=4) == 0


# What is refused


def test_nonsense_is_refused(runs, rng):
    shape, theta = schedules.piecewise_linear(T, 3), np.full(3, -2.0)
    for settings, words in [
        ({"steps": 0}, "steps must be"),
        ({"rate": -1.0}, "rate must be positive"),
        ({"levels": 0}, "levels must be"),
        ({"margin": -0.1}, "margin must be"),
    ]:
        with pytest.raises(ValueError, match=words):
            schedules.meta_train(runs, shape, theta, **{"steps": 2, **settings})
    with pytest.raises(ValueError, match="theta holds 3 NaN or infinite value"):
        schedules.meta_train(runs, shape, theta * np.nan, steps=2)
    with pytest.raises(ValueError, match=f"must hold {T} real numbers"):
        schedules.meta_train(runs, schedules.piecewise_linear(T + 1, 3), theta, steps=2)
    with pytest.raises(ValueError, match="ensemble"):
        schedules.evaluate(small_run(rng), plain_schedule(rng))
    with pytest.raises(ValueError, match="share loss, data"):
        schedules.ensemble([small_run(rng), small_run(rng)])
    with pytest.raises(ValueError, match="at least one run"):
        schedules.ensemble([])
    with pytest.raises(ValueError, match="not enough"):
        schedules.tune(runs, schedules.constant(T), trainings=3, rng=rng)
    with pytest.raises(ValueError, match="pieces need"):
        schedules.piecewise_constant(3, 4)
    with pytest.raises(ValueError, match="takes momentum and decay"):
        schedules.constant(T, momenta=0.9)
    with pytest.raises(ValueError, match="data sets are"):
        schedules.network_run(5, 0, name="iris")
    with pytest.raises(ValueError, match="T must be"):
        schedules.network_run(0, 0)
    with pytest.raises(ValueError, match="between 1 and n"):
        schedules.network_run(5, 0, name="wine", batch=1000)
