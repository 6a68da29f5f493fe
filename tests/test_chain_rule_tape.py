"""The tape: equal to JAX's gradients to 1e-12 whatever is written on it, and wrong when tampered with."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import calculus
from mcbook.chain_rule import tape
from mcbook.chain_rule.tape import Node, value_and_grad


class OnJax:
    """The tape's functions by JAX, so that one text of a program serves both."""

    tanh, exp, log = staticmethod(jnp.tanh), staticmethod(jnp.exp), staticmethod(jnp.log)
    inv, solve = staticmethod(jnp.linalg.inv), staticmethod(jnp.linalg.solve)
    logdet = staticmethod(lambda A: jnp.linalg.slogdet(A)[1])


def near_identity(rng, d=3):
    return rng.normal(size=(d, d)) + 3 * np.eye(d)


# name -> (program, shapes of its inputs, or what draws them)
PROGRAMS = {
    "least squares": (lambda on, X, w, y: ((X @ w - y) ** 2).sum() / 5, [(5, 3), (3,), (5,)]),
    "diamond": (lambda on, x, A: x @ A @ x, [(3,), (3, 3)]),
    "twice and thrice": (lambda on, X: (X * X * X - X @ X.T @ X).sum(), [(3, 4)]),
    "shared inside": (lambda on, W, X: _shared(on, W, X), [(4, 3), (5, 3)]),
    "row and column": (lambda on, M, r, c: on.tanh(M * r + c).sum(), [(4, 3), (3,), (4, 1)]),
    "a number for all": (lambda on, M, s: on.exp(s * M - s).sum() + 1 / (3 + s * s), [(2, 3), ()]),
    "one by one": (lambda on, M, u: (M * u / (2 + u * u)).sum(), [(4, 3), (1, 1)]),
    "vector before, vector after": (
        lambda on, u, M, v: (u @ M) @ v - u @ (M @ v) * 2.0,
        [(4,), (4, 3), (3,)],
    ),
    "two vectors": (lambda on, u, v: u @ v + v @ v * (u @ u), [(4,), (4,)]),
    "network": (
        lambda on, W, b, V, X: on.log(on.exp(on.tanh(X @ W.T + b) @ V.T) @ np.ones(2)).sum(),
        [(4, 3), (4,), (2, 4), (5, 3)],
    ),
    "inverse": (lambda on, A, C: (on.inv(A) * C).sum(), lambda r: [near_identity(r), r.normal(size=(3, 3))]),
    "solve, one column": (
        lambda on, A, b: (on.solve(A, b) ** 3).sum(),
        lambda r: [near_identity(r), r.normal(size=3)],
    ),
    "solve, two columns": (
        lambda on, A, B: on.tanh(on.solve(A, B) @ B.T).sum(),
        lambda r: [near_identity(r), r.normal(size=(3, 2))],
    ),
    "log determinant": (lambda on, X: on.logdet(X.T @ X + np.eye(3)) - (X * X).sum(), [(5, 3)]),
    "powers": (lambda on, X: (((X * X + 1.0) ** 0.5) ** -3).sum() - (2.0 - X).sum(), [(3, 2)]),
}
EVERY = pytest.mark.parametrize("name", PROGRAMS)


def _shared(on, W, X):
    H = on.tanh(X @ W.T)
    return (H * on.tanh(H) + H @ H.T @ H).sum() - (H.T @ X * W).sum()


def inputs(name, rng):
    how = PROGRAMS[name][1]
    return how(rng) if callable(how) else [rng.normal(size=shape) for shape in how]


def gap(ours, theirs):
    """The largest distance of two lists of gradients, relative to the size of them all."""
    size = np.sqrt(sum(float(np.sum(np.square(t))) for t in theirs))
    return max(float(np.linalg.norm(o - np.asarray(t))) for o, t in zip(ours, theirs, strict=True)) / size


def both(program, xs):
    """Value and gradients by the tape and by JAX (which is told to broadcast as NumPy does)."""
    every = tuple(range(len(xs)))
    with jax.numpy_rank_promotion("allow"):
        theirs = jax.value_and_grad(lambda *a: program(OnJax, *a), argnums=every)(*map(jnp.asarray, xs))
    return value_and_grad(lambda *a: program(tape, *a), *xs), theirs


@EVERY
@pytest.mark.parametrize("seed", range(2))
def test_gradients_are_jax_s(name, seed):
    (value, ours), (truth, theirs) = both(PROGRAMS[name][0], inputs(name, np.random.default_rng(seed)))
    assert value == pytest.approx(float(truth), rel=1e-12, abs=1e-12)
    assert [o.shape for o in ours] == [t.shape for t in theirs]
    assert gap(ours, theirs) <= 1e-12


@EVERY
def test_gradients_agree_with_differences(name, rng):
    xs = inputs(name, rng)
    _, grads = value_and_grad(lambda *a: PROGRAMS[name][0](tape, *a), *xs)
    for k, G in enumerate(grads):
        calculus.check_grad(
            lambda Z, k=k: float(PROGRAMS[name][0](tape, *(map(Node, [*xs[:k], Z, *xs[k + 1 :]]))).value),
            G,
            xs[k],
            rng=rng,
        )


# --- random programs -------------------------------------------------------------------------------------


def grown(seed, steps=14):
    """A program of random steps on 3 × 3 matrices: each uses any two of what there is, so that roads meet."""
    rng = np.random.default_rng(seed)
    plan = [(int(rng.integers(8)), *rng.integers(k + 2, size=2)) for k in range(steps)]
    C = rng.normal(size=(3, 3))

    def program(on, A, b):
        made = [A, A * b]
        for kind, i, j in plan:
            P, Q = made[i], made[j]
            step = (
                lambda P, Q: P @ Q / 3.0,
                lambda P, Q: P + Q.T,
                lambda P, Q: P * Q,
                lambda P, Q: on.tanh(P) - Q / 2,
                lambda P, Q: on.solve(Q @ Q.T + np.eye(3), P),
                lambda P, Q: on.exp(on.tanh(P)) * b,
                lambda P, Q: (P * P + 1.0) ** -0.5 @ C,
                lambda P, Q: P * on.logdet(Q @ Q.T + np.eye(3)),
            )[kind]
            made.append(on.tanh(step(P, Q)))
        total = made[0]
        for M in made[1:]:
            total = total + M
        return (total * C).sum()

    return program, [rng.normal(size=(3, 3)), rng.normal(size=3)]


@pytest.mark.parametrize("seed", range(25))
def test_random_programs_are_jax_s(seed):
    program, xs = grown(seed)
    (_, ours), (_, theirs) = both(program, xs)
    assert gap(ours, theirs) <= 1e-12


# --- laws ------------------------------------------------------------------------------------------------


def test_a_cotangent_pulled_back_and_a_tangent_pushed_make_the_same_number(rng):
    X, W, X_dot, Y_bar = (rng.normal(size=s) for s in ((5, 3), (4, 3), (5, 3), (5, 4)))
    x = Node(X)
    X_bar = tape.cotangents(tape.tanh(x @ W.T), Y_bar)[x]
    Y_dot = jax.jvp(lambda X: jnp.tanh(X @ W.T), (X,), (X_dot,))[1]
    assert float(np.sum(Y_bar * Y_dot)) == pytest.approx(float(np.sum(X_bar * X_dot)), rel=1e-13)


def test_every_node_comes_after_its_parents_and_once(rng):
    x = Node(rng.normal(size=(3, 3)))
    h = tape.tanh(x @ x)
    y = (h * tape.exp(h) + x @ h).sum()
    found = tape.order(y)
    assert len(found) == len(set(found))
    assert found[-1] is y
    place = {node: k for k, node in enumerate(found)}
    assert all(place[parent] < place[node] for node in found for parent, _ in node.parents)


def test_depth_is_no_trouble_and_roads_are_not_counted_one_by_one():
    x = Node(1.0)
    y = x
    for _ in range(3000):  # 2³⁰⁰⁰ roads lead from y back to x
        y = (y + y) * 0.5
    assert tape.cotangents(y, 1.0)[x] == pytest.approx(1.0, rel=1e-10)


def test_constants_get_no_cotangent_and_unused_inputs_get_zero(rng):
    X = rng.normal(size=(3, 3))
    x = Node(X)
    y = (x @ np.ones((3, 3)) + 2.0).sum()
    assert set(tape.cotangents(y, 1.0)) == set(tape.order(y))
    _, (G, unused) = value_and_grad(lambda a, b: (a * 2.0).sum(), X, X)
    assert np.array_equal(G, np.full((3, 3), 2.0))
    assert np.array_equal(unused, np.zeros((3, 3)))


def test_what_the_caller_changes_afterwards_does_not_change_the_way_back(rng):
    X, C = rng.normal(size=(2, 3, 3))
    x, c = Node(X.copy()), C.copy()
    y = (x * c).sum()
    c[:] = 0.0
    assert np.array_equal(tape.cotangents(y, 1.0)[x], C)


def test_it_is_at_most_150_lines_of_numpy():
    text = Path(tape.__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert "jax" not in text.replace("jaxtyping", "")


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "xs", "message"),
    [
        (lambda x: x * 2.0, [np.ones(3)], "one number on the tape"),
        (lambda x: 3.0, [np.ones(3)], "one number on the tape"),
        (lambda x: x.sum(), [np.ones((2, 2, 2))], "vectors and matrices"),
        (lambda x: x.sum(), [np.ones(2) + 1j], "real numbers"),
        (lambda x: (x * np.ones((2, 2, 2))).sum(), [np.ones((2, 2))], "vectors and matrices"),
        (lambda x: (x @ np.ones(4)).sum(), [np.ones((2, 3))], "matmul"),
    ],
)
def test_what_cannot_be_differentiated_is_named(f, xs, message):
    with pytest.raises(ValueError, match=message):
        value_and_grad(f, *xs)


def test_a_function_that_the_tape_does_not_know_is_refused_and_never_a_constant():
    with pytest.raises(TypeError, match="ufunc"):
        value_and_grad(lambda x: np.sin(x).sum(), np.ones(3))


# --- planted errors --------------------------------------------------------------------------------------

TAMPERED = {
    "sign": lambda share: -share,
    "factor": lambda share: 2.0 * share,
    "0.1 %": lambda share: 1.001 * share,
    "transpose": lambda share: share.T,
}


@pytest.mark.parametrize("name", ["network", "inverse", "solve, two columns", "twice and thrice"])
@pytest.mark.parametrize("wrong", TAMPERED)
def test_one_tampered_pull_is_seen(name, wrong, monkeypatch, rng):
    """The first pull into a square matrix is made wrong, and no other."""
    xs = [rng.normal(size=(3, 3)) + 2 * np.eye(3) if np.ndim(x) == 2 else x[:3] for x in inputs(name, rng)]
    xs = [*xs[:2], xs[2][:2], xs[3]] if name == "network" else xs
    built, seen = Node.__init__, []

    def tampering(self, value, *parents):
        if parents and not seen and getattr(parents[0][0], "value", np.ones(1)).shape == (3, 3):
            (parent, pull), *rest = parents
            seen.append(parent)
            parents = ((parent, lambda y_bar: TAMPERED[wrong](pull(y_bar))), *rest)
        built(self, value, *parents)

    (_, right), (_, theirs) = both(PROGRAMS[name][0], xs)
    assert gap(right, theirs) <= 1e-12
    monkeypatch.setattr(Node, "__init__", tampering)
    _, ours = value_and_grad(lambda *a: PROGRAMS[name][0](tape, *a), *xs)
    assert seen
    assert gap(ours, theirs) > 1e-5


def test_gradients_share_no_memory_with_one_another_or_with_the_inputs(rng):
    A, B = rng.normal(size=(2, 3, 3))
    for f in (
        lambda a, b: (a.T + b.T + a + b).sum(),
        lambda a, b: (a.T @ b.T).sum(),
        lambda a, b: (a - b).T.sum(),
    ):
        _, (G, H) = value_and_grad(f, A, B)
        assert not any(np.shares_memory(P, Q) for P, Q in ((G, H), (G, A), (H, B), (G, B), (H, A)))
