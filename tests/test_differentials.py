"""The page's derivatives: equal to JAX's, right by differences, and wrong when something is planted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import calculus
from mcbook import differentials as dl


def invertible(rng, d=3):
    return rng.normal(size=(d, d)) + 2 * np.eye(d)


# name -> (f, gradient, what draws the variable and the rest)
CASES = {
    "linear": (dl.linear, dl.grad_linear_x, lambda r: (r.normal(size=4), r.normal(size=4))),
    "quadratic": (dl.quadratic, dl.grad_quadratic_x, lambda r: (r.normal(size=4), r.normal(size=(4, 4)))),
    "squares": (
        dl.squares,
        dl.grad_squares_x,
        lambda r: (r.normal(size=3), r.normal(size=(5, 3)), r.normal(size=5)),
    ),
    "sandwich": (
        dl.trace_sandwich,
        dl.grad_trace_sandwich_X,
        lambda r: (r.normal(size=(3, 4)), r.normal(size=(2, 3)), r.normal(size=(4, 2))),
    ),
    "logdet": (dl.logdet, dl.grad_logdet_X, lambda r: (invertible(r),)),
    "det": (jnp.linalg.det, dl.grad_det_X, lambda r: (invertible(r),)),
    "knobs": (
        dl.loss,
        dl.grad_loss_W,
        lambda r: (r.normal(size=(3, 3)), r.normal(size=(7, 3)), r.normal(size=(7, 3))),
    ),
    "knobs, one output": (
        dl.loss,
        dl.grad_loss_W,
        lambda r: (r.normal(size=(1, 3)), r.normal(size=(5, 3)), r.normal(size=(5, 1))),
    ),
}
EVERY = pytest.mark.parametrize("case", CASES)


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_jax_s_and_agree_with_differences(case, seed):
    f, grad, sample = CASES[case]
    rng = np.random.default_rng(seed)
    X, *rest = sample(rng)
    calculus.check_grad(
        lambda Z: f(Z, *rest), grad(X, *rest), X, reference=lambda Z: jax.grad(f)(Z, *rest), rng=rng
    )


WRONG = {
    "sign": lambda G: -G,
    "factor": lambda G: 2 * G,
    "0.1 %": lambda G: 1.001 * G,
    "transpose": lambda G: G.T,
}
VECTORS = {"linear", "quadratic", "squares"}  # their own transposes


@pytest.mark.parametrize(
    ("case", "wrong"), [(c, w) for c in CASES for w in WRONG if c not in VECTORS or w != "transpose"]
)
def test_planted_errors_fail(case, wrong, rng):
    f, grad, sample = CASES[case]
    X, *rest = sample(rng)
    G = WRONG[wrong](np.asarray(grad(X, *rest)))
    with pytest.raises((AssertionError, ValueError)):
        calculus.check_grad(lambda Z: f(Z, *rest), G, X, rng=rng)


# --- arrays ----------------------------------------------------------------------------------------------


def test_the_inverse_forward_and_back(rng):
    X = invertible(rng)
    inverse = jnp.linalg.inv
    calculus.check_jvp(
        inverse, dl.jvp_inverse, X, reference=lambda Z, V: jax.jvp(inverse, (Z,), (V,))[1], rng=rng
    )
    calculus.check_vjp(
        inverse, dl.vjp_inverse, X, reference=lambda Z, Y: jax.vjp(inverse, Z)[1](Y)[0], rng=rng
    )


@pytest.mark.parametrize("wrong", ["one inverse", "sign", "0.1 %"])
def test_a_wrong_inverse_fails(wrong, rng):
    X = invertible(rng)
    jvp = {
        "one inverse": lambda Z, V: -jnp.linalg.inv(Z) @ V,
        "sign": lambda Z, V: -dl.jvp_inverse(Z, V),
        "0.1 %": lambda Z, V: 1.001 * dl.jvp_inverse(Z, V),
    }[wrong]
    with pytest.raises(AssertionError):
        calculus.check_jvp(jnp.linalg.inv, jvp, X, rng=rng)


def test_the_product_rule_is_jax_s_and_its_rest_is_known_exactly(rng):
    A, dA, B, dB = rng.normal(size=(4, 3, 3))
    ours = dl.jvp_product(A, B, dA, dB)
    np.testing.assert_allclose(ours, jax.jvp(jnp.matmul, (A, B), (dA, dB))[1], rtol=1e-13)
    rest = (A + dA) @ (B + dB) - A @ B - ours
    np.testing.assert_allclose(rest, dA @ dB, atol=1e-13)


def test_the_inverse_follows_from_the_product_rule(rng):
    X, dX = invertible(rng), rng.normal(size=(3, 3))
    I_dot = dl.jvp_product(X, np.linalg.inv(X), dX, dl.jvp_inverse(X, dX))
    assert np.abs(I_dot).max() < 1e-13


@pytest.mark.parametrize("d", [2, 4])
def test_the_gradient_of_the_determinant_holds_the_cofactors(d, rng):
    X = invertible(rng, d)
    minors = [
        [np.linalg.det(np.delete(np.delete(X, i, 0), j, 1)) * (-1) ** (i + j) for j in range(d)]
        for i in range(d)
    ]
    np.testing.assert_allclose(dl.grad_det_X(X), minors, rtol=1e-10)


# --- the rest --------------------------------------------------------------------------------------------


def test_the_rest_falls_to_a_quarter_where_the_differential_is_right_and_to_half_where_it_is_not(rng):
    X, dX = invertible(rng), 0.05 * rng.normal(size=(3, 3))
    right = dl.rests(np.linalg.inv, dl.jvp_inverse(X, dX), X, dX)
    np.testing.assert_allclose(right.ratios[-3:], 0.25, atol=0.005)
    wrong = dl.rests(np.linalg.inv, 1.05 * dl.jvp_inverse(X, dX), X, dX)
    np.testing.assert_allclose(wrong.ratios[-3:], 0.5, atol=0.03)
    assert right.steps.tolist() == [2.0**-k for k in range(7)]


def test_a_linear_function_has_no_rest(rng):
    A = rng.normal(size=(3, 3))
    found = dl.rests(lambda X: A @ X, A @ A, A, A)
    assert found.sizes.max() < 1e-13


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X_dot": np.ones(3)}, "the shape of X"),
        ({"dF": np.ones(3)}, r"the shape of F\(X\)"),
        ({"X": np.full((2, 2), np.nan)}, "NaN"),
        ({"X": np.eye(2) * 1j}, "complex"),
        ({"halvings": 0}, "halvings"),
        ({"step": 0.0}, "step > 0"),
    ],
)
def test_what_has_no_rest_is_named(change, message):
    given = {"F": np.linalg.inv, "dF": np.eye(2), "X": np.eye(2), "X_dot": np.eye(2)} | change
    with pytest.raises(ValueError, match=message):
        dl.rests(**given)


# --- the desk --------------------------------------------------------------------------------------------


def patches(rng, n=24):
    Q = rng.random((n, 3))
    return Q @ dl.CAST.T, Q


def test_the_knobs_find_the_inverse_of_the_cast(rng):
    P, Q = patches(rng)
    np.testing.assert_allclose(dl.balanced(P, Q), np.linalg.inv(dl.CAST), atol=1e-11)
    found = dl.turn(P, Q, turns=20000, tol=1e-9)
    assert found.converged
    np.testing.assert_allclose(found.W, np.linalg.inv(dl.CAST), atol=1e-4)
    assert np.all(np.diff(found.losses) <= 1e-16)


def test_all_nine_derivatives_vanish_at_the_balanced_desk(rng):
    P, Q = patches(rng)
    Q = Q + 0.1 * rng.normal(size=Q.shape)
    G = dl.grad_loss_W(dl.balanced(P, Q), P, Q)
    assert np.abs(G).max() < 1e-14
    assert not dl.turn(P, Q, turns=3).converged


def test_nudging_finds_the_same_nine_numbers_to_the_step(rng):
    P, Q = patches(rng)
    W = np.eye(3) + 0.1 * rng.normal(size=(3, 3))
    G = dl.grad_loss_W(W, P, Q)
    gaps = [np.linalg.norm(dl.nudged(W, P, Q, h=h) - G) for h in (1e-2, 1e-3, 1e-4)]
    np.testing.assert_allclose(np.array(gaps[1:]) / gaps[:-1], 0.1, rtol=1e-3)  # first order


def test_the_cast_does_not_clip():
    assert np.all(dl.CAST > 0)
    assert np.all(dl.CAST.sum(axis=1) <= 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"P": np.ones((3, 5))}, r"colours \(n, 3\)"),
        ({"Q": np.ones((5, 3))}, "equally|same colours"),
        ({"P": np.full((24, 3), np.inf)}, "finite"),
        ({"P": np.ones((24, 3))}, "rank below 3"),
        ({"eta": -1.0}, "eta > 0"),
        ({"turns": 0}, "turns ≥ 1"),
        ({"W": np.eye(2)}, "nine knobs"),
    ],
)
def test_what_the_desk_refuses(change, message, rng):
    P, Q = patches(rng)
    with pytest.raises(ValueError, match=message):
        dl.turn(**({"P": P, "Q": Q} | change))


def test_a_step_must_be_positive(rng):
    with pytest.raises(ValueError, match="small positive step"):
        dl.nudged(np.eye(3), *patches(rng), h=0.0)


def test_the_inner_product_moves_factors_across(rng):
    A, B, C = rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    ours = dl.inner(C, A @ B)
    assert ours == pytest.approx(dl.inner(A.T @ C, B), rel=1e-12)
    assert ours == pytest.approx(dl.inner(C @ B.T, A), rel=1e-12)
    assert ours == pytest.approx(np.trace(C.T @ A @ B), rel=1e-12)
    with pytest.raises(ValueError, match="one shape"):
        dl.inner(A, A.T)


# --- stacked, and symmetric ------------------------------------------------------------------------------


def test_stacking_turns_linear_maps_into_matrices(rng):
    A, X, B = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(4, 5))
    np.testing.assert_allclose(dl.vec(A @ X @ B), np.kron(B.T, A) @ dl.vec(X), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(dl.commutation(3, 4) @ dl.vec(X), dl.vec(X.T))
    np.testing.assert_array_equal(dl.unvec(dl.vec(X), X.shape), X)
    assert dl.inner(X, X) == pytest.approx(dl.vec(X) @ dl.vec(X))


def test_what_cannot_be_stacked_is_named():
    with pytest.raises(ValueError, match="a matrix"):
        dl.vec(np.ones(3))
    with pytest.raises(ValueError, match="6 numbers"):
        dl.unvec(np.ones(5), (2, 3))


def test_the_three_answers_for_a_symmetric_matrix(rng):
    """sym(G) is the gradient among symmetric matrices; G + Gᵀ - diag G moves an entry with its twin."""
    M = rng.normal(size=(3, 3))
    S, a, b = M @ M.T + np.eye(3), rng.normal(size=3), rng.normal(size=3)

    def f(S):
        return a @ S @ S @ b

    G = np.asarray(jax.grad(f)(S))
    dS = dl.sym(rng.normal(size=(3, 3)))
    slope = calculus.slope_along(f, S, dS).value
    assert dl.inner(G, dS) == pytest.approx(slope, rel=1e-8)
    assert dl.inner(dl.sym(G), dS) == pytest.approx(slope, rel=1e-8)
    E = dl.entry_derivatives(G)
    assert abs(dl.inner(E, dS) - slope) > 1e-2 * abs(slope)
    for i, j in [(0, 0), (2, 1), (1, 1), (2, 0)]:
        step = np.zeros((3, 3))
        step[i, j] = step[j, i] = 1.0
        assert E[i, j] == pytest.approx(calculus.slope_along(f, S, step).value, rel=1e-8)
    assert np.tril(E * dS).sum() == pytest.approx(slope, rel=1e-8)  # each pair counted once
    np.testing.assert_allclose(dl.symmetric_of(E), dl.sym(G), rtol=1e-14)


def test_derivatives_by_entries_do_not_point_uphill_most_steeply(rng):
    """Of all symmetric directions of length 1, sym(G) climbs fastest; the table of entries climbs less."""
    G = rng.normal(size=(3, 3))
    best, E = dl.sym(G), dl.entry_derivatives(G)
    assert dl.inner(G, best) / np.linalg.norm(best) > dl.inner(G, E) / np.linalg.norm(E) + 1e-3


@pytest.mark.parametrize("call", [dl.entry_derivatives, dl.symmetric_of])
def test_only_square_matrices_are_symmetric(call):
    with pytest.raises(ValueError, match="square"):
        call(np.ones((2, 3)))


def test_a_lopsided_table_of_entries_is_named():
    with pytest.raises(ValueError, match="not"):
        dl.symmetric_of(np.array([[1.0, 2.0], [3.0, 4.0]]))
