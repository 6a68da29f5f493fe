"""Hypergradients: every mode against JAX through a plain loop, against differences, and against mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import calculus, schedules
from mcbook.schedules.reverse import plan_of
from mcbook.schedules.run import rows_of
from tests.schedule_problems import (
    T,
    distance,
    flat,
    full_schedule,
    plain_schedule,
    small_loss,
    small_run,
    unrolled,
)

MODES = {  # each compiles; together they cover every mode and one, two and three levels
    plain_schedule: [("reverse", 1), ("checkpoint", 3), ("forward", 2)],
    full_schedule: [("reverse", 1), ("checkpoint", 2), ("forward", 2), ("automatic", 2), ("reversible", 2)],
}


@jax.jit
def gradient(w, rows):
    return jax.grad(small_loss())(w, *rows)


@jax.jit
def hvp(w, rows, u):
    return jax.jvp(lambda w: jax.grad(small_loss())(w, *rows), (w,), (u,))[1]


def loop_gradient(run, schedule):
    """jax.grad of the Python loop, jitted."""
    parts = tuple(part for part in schedule if part is not None)
    return jax.jit(jax.grad(lambda parts: unrolled(run, *parts)))(parts)


@pytest.mark.parametrize("make", [plain_schedule, full_schedule])
def test_all_modes_are_the_gradient_of_the_loop(make, rng):
    run, schedule = small_run(rng), make(rng)
    known = np.concatenate(loop_gradient(run, schedule))
    for mode, levels in MODES[make]:
        found = schedules.hypergradient(run, schedule, mode=mode, levels=levels)
        off = distance(flat(found.grad), known)
        assert off < (1e-9 if mode == "reversible" else 1e-12), (mode, levels, off)
        assert [a is None for a in found.grad] == [a is None for a in schedule]
        assert found.loss == pytest.approx(float(unrolled(run, *schedule)), rel=1e-10)


def test_the_hypergradient_is_that_of_differences(rng):
    """1e-6, as the chapter promises; check_grad asks for more."""
    run, schedule = small_run(rng), full_schedule(rng)
    shapes = [len(part) for part in schedule]

    def f(x):
        parts = np.split(np.asarray(x), np.cumsum(shapes)[:-1])
        return schedules.train(run, schedules.Schedule(*parts)).held_out_loss

    G = flat(schedules.hypergradient(run, schedule).grad)
    report = calculus.check_grad(f, G, flat(schedule), rng=rng)
    assert report.differences < 1e-6


def test_one_step_is_the_formula_on_the_page(rng):
    """eta_bar = -⟨g, w_bar⟩ and w̄_t = w̄_{t+1} - eta H w̄_{t+1}, with H written out in full."""
    run = small_run(rng)
    w, rows = jnp.asarray(run.w), rows_of(tuple(map(jnp.asarray, run.data)), jnp.asarray(run.batches), 4)
    w_bar = jnp.asarray(rng.normal(size=len(w)))
    hyper = schedules.Schedule(jnp.asarray(0.3))
    (found, none), hyper_bar = schedules.vjp_step(run.loss, (w, None), rows, hyper, (w_bar, None))
    g, H = gradient(w, rows), jax.jit(jax.hessian(run.loss))(w, *rows)
    assert none is None
    np.testing.assert_allclose(found, w_bar - 0.3 * H @ w_bar, rtol=1e-12, atol=1e-13)
    assert hyper_bar.rates == pytest.approx(float(-g @ w_bar), rel=1e-12)


def test_the_vjp_of_a_step_is_adjoint_to_its_jvp_and_jaxs_own(rng):
    run = small_run(rng)
    p, rows = len(run.w), tuple(jnp.asarray(a[:5]) for a in run.data)
    draw = lambda: (jnp.asarray(rng.normal(size=p)), jnp.asarray(rng.normal(size=p)))  # noqa: E731
    hyper, hyper_dot = (schedules.Schedule(*jnp.asarray(rng.uniform(0.1, 0.9, 3))) for _ in range(2))
    state, state_dot, state_bar = draw(), draw(), draw()
    bar, hyper_bar = schedules.vjp_step(run.loss, state, rows, hyper, state_bar)
    after, dot = schedules.jvp_step(run.loss, state, rows, hyper, state_dot, hyper_dot)
    pairing = sum(jnp.vdot(a, b) for a, b in zip(dot, state_bar, strict=True))
    back = sum(jnp.vdot(a, b) for a, b in zip((*bar, *hyper_bar), (*state_dot, *hyper_dot), strict=True))
    assert float(pairing) == pytest.approx(float(back), rel=1e-12)
    known, vjp = jax.vjp(lambda s, h: schedules.step(run.loss, s, rows, h), state, hyper)
    for a, b in zip((*after, *bar, *hyper_bar), (*known, *jax.tree.leaves(vjp(state_bar))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def sweep_back(run, schedule, *, behind=0, sign=1.0, hessian=1.0):
    """A sweep with room for mistakes: w̄ of `behind` steps later, a sign, a share of the Hessian's part."""
    data, batches = tuple(map(jnp.asarray, run.data)), jnp.asarray(run.batches)
    states, w = [], jnp.asarray(run.w)
    for t in range(T):
        states.append(w)
        w = w - schedule.rates[t] * gradient(w, rows_of(data, batches, t))
    bars = [gradient(w, tuple(map(jnp.asarray, run.held_out)))]
    for t in reversed(range(T)):
        rows = rows_of(data, batches, t)
        bars.append(bars[-1] - hessian * schedule.rates[t] * hvp(states[t], rows, bars[-1]))
    bars = bars[::-1]  # bars[t] is w̄_t
    g = [gradient(states[t], rows_of(data, batches, t)) for t in range(T)]
    return np.array([-sign * float(g[t] @ bars[min(t + 1 + behind, T)]) for t in range(T)])


@pytest.mark.parametrize(
    "slip",
    [
        {"behind": 1},  # w̄_{t+2} for w̄_{t+1}
        {"behind": -1},  # w̄_t
        {"sign": -1.0},
        {"sign": 1.001},
        {"hessian": 0.0},  # as if w̄ did not change: the gradient of one step, for every step
        {"hessian": -1.0},
        {"hessian": 0.999},
    ],
)
def test_wrong_sweeps_are_caught(slip, rng):
    run, schedule = small_run(rng), schedules.Schedule(jnp.asarray(plain_schedule(rng).rates))

    def f(rates):
        return schedules.train(run, schedules.Schedule(np.asarray(rates))).held_out_loss

    right = sweep_back(run, schedule)
    assert calculus.check_grad(f, right, np.asarray(schedule.rates), rng=rng)
    with pytest.raises(AssertionError):
        calculus.check_grad(f, sweep_back(run, schedule, **slip), np.asarray(schedule.rates), rng=rng)


def test_truncation_is_exact_where_it_looks_and_zero_where_it_does_not(rng):
    run, schedule = small_run(rng), full_schedule(rng)
    whole = schedules.hypergradient(run, schedule)
    for K in (1, 7):
        part = schedules.hypergradient(run, schedule, mode="truncated", last=K)
        for a, b in zip(part.grad, whole.grad, strict=True):
            np.testing.assert_allclose(a[T - K :], b[T - K :], rtol=1e-11, atol=1e-14)
            assert not np.any(a[: T - K])
        np.testing.assert_allclose(part.adjoint_norms, whole.adjoint_norms[T - K :], rtol=1e-11)
    same = schedules.hypergradient(run, schedule, mode="truncated", last=10 * T)
    np.testing.assert_allclose(flat(same.grad), flat(whole.grad), rtol=1e-12)


def test_the_derivative_by_the_initial_weights(rng):
    run, schedule = small_run(rng), full_schedule(rng)
    known = jax.jit(jax.grad(lambda w: unrolled(run._replace(w=w), *schedule)))(jnp.asarray(run.w))
    for mode, tolerance in (("checkpoint", 1e-12), ("automatic", 1e-12), ("reversible", 1e-9)):
        found = schedules.hypergradient(run, schedule, mode=mode)
        assert distance(found.w_bar, known) < tolerance
        if mode != "automatic":
            assert found.adjoint_norms[0] == pytest.approx(float(jnp.linalg.norm(known)), rel=1e-9)
            assert len(found.adjoint_norms) == T + 1


def test_a_shape_of_few_numbers_by_both_modes(rng):
    run, shape = small_run(rng), schedules.every_part(T, 2)
    theta = np.array([-1.0, -2.0, 0.5, 1.5, -4.0, -3.0])

    def f(theta):
        return schedules.train(run, shape(jnp.asarray(theta))).held_out_loss

    back = schedules.hypergradient_theta(run, shape, theta)
    ahead = schedules.hypergradient_theta(run, shape, theta, mode="forward")
    assert distance(back.grad, ahead.grad) < 1e-12
    calculus.check_grad(f, back.grad, theta, rng=rng)


@pytest.mark.parametrize("T", [1, 2, 7, 100, 101, 9973])
@pytest.mark.parametrize("levels", [1, 2, 3, 20])
def test_plans_cover_the_run_with_few_states(T, levels):
    plan = plan_of(T, levels)
    assert plan[-1] == 1
    assert len(plan) <= levels
    assert list(plan) == sorted(plan, reverse=True)
    states = sum(-(-long // short) for long, short in zip((T, *plan), plan, strict=False))
    assert states <= 1.4 * levels * T ** (1 / levels) + 2 * levels


def test_the_compilers_account_grows_like_the_root(rng):
    """From T to 16 T: with all states 16 times the memory, with two levels 4 times; automatic needs most."""
    found = {}
    for mode, lengths in (("reverse", (64, 1024)), ("checkpoint", (64, 1024)), ("automatic", (1024,))):
        for steps in lengths:
            run, schedule = small_run(rng, steps), schedules.Schedule(np.full(steps, 0.1))
            found[mode, steps] = schedules.temp_bytes(run, schedule, mode=mode)
    state = 8 * len(run.w)
    more = {mode: found[mode, 1024] - found[mode, 64] for mode in ("reverse", "checkpoint")}
    assert more["reverse"] == pytest.approx((1024 - 64) * state, rel=0.1)
    assert more["checkpoint"] < 2 * 2 * (32 - 8) * state
    assert 8 * found["checkpoint", 1024] < found["reverse", 1024] < found["automatic", 1024]


# What is refused


def test_diverged_runs_are_reported_with_their_step(rng):
    run = small_run(rng)
    run = run._replace(loss=blowing_up)
    schedule = schedules.Schedule(np.full(T, 3.0))
    course = schedules.train(run, schedule)
    assert course.diverged_at is not None
    assert np.isfinite(course.losses[: course.diverged_at]).all()
    for mode in ("reverse", "automatic"):
        with pytest.raises(ValueError, match=f"diverged at step {course.diverged_at} .*lower the rates"):
            schedules.hypergradient(run, schedule, mode=mode)
    fine = schedules.train(run, schedules.Schedule(np.full(T, 1e-3)))
    assert fine.diverged_at is None


def blowing_up(w, X, y):
    """A quartic: with a large rate w cubes at each step."""
    return (w**4).sum() + 0 * X.sum()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batches": np.zeros((0, 5), int)}, "at least one step"),
        ({"batches": np.full((T, 5), 20)}, r"0 … 19.*got 20"),
        ({"batches": np.full((T, 5), -1)}, r"0 … 19.*got -1"),
        ({"batches": np.zeros((T, 5))}, "whole numbers"),
        ({"batches": np.zeros(T, int)}, r"\(T, b\)"),
        ({"w": np.array([1.0, np.nan])}, "w holds 1 NaN or infinite value"),
        ({"w": np.arange(3)}, "flattened"),
        ({"data": np.zeros((3, 3))}, "tuple"),
        ({"held_out": (np.zeros((3, 3)), np.zeros(4))}, "equally many rows"),
        ({"data": (np.full((20, 3), np.inf), np.zeros(20, int))}, "data holds 60 NaN or infinite value"),
    ],
)
def test_runs_that_make_no_sense_are_refused(change, words, rng):
    with pytest.raises(ValueError, match=words):
        schedules.hypergradient(small_run(rng)._replace(**change), plain_schedule(rng))


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (schedules.Schedule(np.full(T - 1, 0.1)), f"must hold {T} real numbers"),
        (schedules.Schedule(np.full((T, 1), 0.1)), "shape"),
        (
            schedules.Schedule(np.r_[np.full(T - 1, 0.1), np.nan]),
            rf"rates holds 1 NaN or infinite value.*\({T - 1},\)",
        ),
        (schedules.Schedule(np.r_[-0.1, np.full(T - 1, 0.1)]), "negative, got -0.1 at step 0"),
        (schedules.Schedule(np.full(T, 0.1), np.full(T, 1.0)), r"momenta must lie in \[0, 1\)"),
        (schedules.Schedule(np.full(T, 0.1), None, np.full(T, -1e-3)), "decays must not be negative"),
        (schedules.Schedule(np.full(T, 0.1j)), "real numbers"),
    ],
)
def test_schedules_that_make_no_sense_are_refused(schedule, words, rng):
    with pytest.raises(ValueError, match=words):
        schedules.train(small_run(rng), schedule)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mode": "backwards"}, "mode must be one of reverse, checkpoint"),
        ({"mode": "truncated"}, "last"),
        ({"mode": "reverse", "last": 3}, "truncated mode"),
        ({"mode": "truncated", "last": 0}, "at least 1"),
        ({"levels": 0}, "levels must be"),
        ({"mode": "reversible"}, "reversible mode needs momentum"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, words, rng):
    with pytest.raises(ValueError, match=words):
        schedules.hypergradient(small_run(rng), plain_schedule(rng), **settings)


def test_an_ensemble_is_no_run(rng):
    run = schedules.ensemble([small_run(rng)] * 2)
    with pytest.raises(ValueError, match="for several seeds"):
        schedules.hypergradient(run, plain_schedule(rng))
