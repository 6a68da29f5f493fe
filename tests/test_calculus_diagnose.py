"""Each mistake that `diagnose` knows is planted and must be named; what it does not know it must not name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook.calculus import diagnose
from mcbook.calculus.hypotheses import GROUPS, Case


def ica(rng, n=50, d=3):
    X, W = rng.laplace(size=(n, d)), rng.standard_normal((d, d))
    f = lambda W: -np.linalg.slogdet(W)[1] + np.logaddexp(X @ W.T, -X @ W.T).sum() / n  # noqa: E731
    return f, np.tanh(X @ W.T).T @ X / n, -np.linalg.inv(W).T, W


def least_squares(rng):
    A, B, X = rng.standard_normal((12, 5)), rng.standard_normal((12, 2)), rng.standard_normal((5, 2))
    return (lambda X: 0.5 * ((A @ X - B) ** 2).sum()), A.T @ (A @ X - B), X


WHOLE = {
    "correct": lambda G: G,
    "transposed": lambda G: G.T,
    "sign": lambda G: -G,
    "factor 2": lambda G: 2 * G,
    "factor 1/2": lambda G: G / 2,
    "factor n": lambda G: 50 * G,
    "factor 1/n": lambda G: G / 50,
    "factor 2/n": lambda G: 2 * G / 50,
    "factor -3": lambda G: -3 * G,
    "factor 1.001": lambda G: 1.001 * G,
    "transposed, and factor -1": lambda G: -G.T,
    "transposed, and factor 2": lambda G: 2 * G.T,
}


@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize("cause", WHOLE)
def test_mistakes_in_the_whole(cause, by_reference, rng):
    for _ in range(5):
        f, data, barrier, W = ica(rng)
        G = data + barrier
        found = diagnose(
            f, WHOLE[cause](G), W, reference=G if by_reference else None, rng=rng, sizes={"n": 50}
        )
        assert found.cause == cause
        assert "G" in found.evidence


TERM = {
    "the term W⁻ᵀ is transposed": lambda D, B: (D, B.T),
    "the term W⁻ᵀ has the wrong sign": lambda D, B: (D, -B),
    "the term data is off by a factor n": lambda D, B: (50 * D, B),
    "the term data is off by a factor 1/n": lambda D, B: (D / 50, B),
    "the term data is off by a factor 2": lambda D, B: (2 * D, B),
    "the term data is transposed": lambda D, B: (D.T, B),
}


@pytest.mark.parametrize("cause", TERM)
def test_mistakes_in_one_term(cause, rng):
    for _ in range(10):
        f, data, barrier, W = ica(rng)
        data, barrier = TERM[cause](data, barrier)
        terms = {"data": data, "W⁻ᵀ": barrier}
        assert diagnose(f, data + barrier, W, rng=rng, terms=terms, sizes={"n": 50}).cause == cause


def test_a_term_that_does_not_belong(rng):
    f, data, barrier, W = ica(rng)
    found = diagnose(
        f, data + barrier + np.ones((3, 3)), W, terms={"data": data, "W⁻ᵀ": barrier, "one": np.ones((3, 3))}
    )
    assert found.cause == "the term one does not belong"


def test_a_transposed_term_shows_even_unnamed(rng):
    f, data, barrier, W = ica(rng)
    assert diagnose(f, data + barrier.T, W, rng=rng).cause == "one term is transposed"


def test_terms_must_sum_to_the_gradient(rng):
    f, data, barrier, W = ica(rng)
    with pytest.raises(ValueError, match="must sum to G"):
        diagnose(f, data + barrier, W, terms={"data": data, "W⁻ᵀ": -barrier})


def test_a_symmetric_gradient_is_never_called_transposed(rng):
    for seed in range(20):
        A = np.random.default_rng(seed).standard_normal((4, 4))
        X = A @ A.T + np.eye(4)
        f, T = (lambda X: np.linalg.slogdet(X)[1]), np.linalg.inv(X)
        for G in (T.T, 2 * T, -T, T + np.eye(4), 2 * T - np.diag(np.diag(T))):
            assert "transposed" not in diagnose(f, G, X, rng=rng).cause
        assert diagnose(f, 2 * T - np.diag(np.diag(T)), X, rng=rng).cause == "off-diagonal counted twice"


def test_what_cannot_be_told_apart_is_reported_together(rng):
    A = rng.standard_normal((4, 4))
    K = A - A.T
    found = diagnose(lambda X: np.vdot(K, X) + 0.0, K.T, rng.standard_normal((4, 4)), rng=rng)
    assert found.cause == "transposed or sign"


def test_the_missing_symmetric_part(rng):
    A, X = rng.standard_normal((4, 4)), rng.standard_normal((4, 4))
    assert diagnose(lambda X: np.trace(X @ A @ X), A @ X, X, rng=rng).cause != "correct"
    f = lambda x: x @ A @ x  # noqa: E731
    M = rng.standard_normal((4, 4))
    g = lambda M: 0.5 * np.trace(M @ M)  # noqa: E731
    assert diagnose(g, M, M, rng=rng).cause == "transposed"
    B = np.outer(X[0], X[1])
    h = lambda Q: X[0] @ Q @ Q.T @ X[0] + 0 * f(X[0])  # noqa: E731
    assert diagnose(h, 2 * np.outer(X[0], X[0]) @ M, M, rng=rng).cause == "correct"
    s = lambda S: X[0] @ (S + S.T) @ X[1]  # noqa: E731
    assert diagnose(s, B, M, rng=rng).cause == "symmetric part missing"
    assert diagnose(s, 2 * B, M, rng=rng).cause == "symmetric part missing"


def test_a_transposed_gradient_of_another_shape(rng):
    f, G, X = least_squares(rng)
    assert diagnose(f, G.T, X, rng=rng).cause == "transposed"
    assert diagnose(f, -G.T, X, rng=rng).cause == "transposed, and factor -1"
    assert diagnose(f, G.ravel(), X, rng=rng).cause == "wrong shape"
    assert diagnose(f, G.ravel(order="F"), X, rng=rng).cause == "entries in the wrong order"
    assert diagnose(f, G[:2], X, rng=rng).cause == "wrong shape"


def test_the_forgotten_penalty(rng):
    f, G, X = least_squares(rng)
    found = diagnose(lambda X: f(X) + 0.05 * (X**2).sum(), G, X, rng=rng)
    assert found.cause == "a multiple of X is missing"
    assert found.evidence == "G + 1/10 X is the gradient: the term of a penalty ‖X‖²"


def test_float32_a_kink_and_what_is_not_finite(rng):
    f, G, X = least_squares(rng)
    assert diagnose(f, G.astype(np.float32), X, reference=G).cause == "float32"
    assert (
        diagnose(lambda X: abs(X).sum(), np.sign(X), X - X[0, 0] * np.eye(5, 2, 0), rng=rng).cause
        == "non-smooth point"
    )
    assert diagnose(f, G * np.nan, X).cause == "not finite"


@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6])
def test_a_sharp_bend_is_no_kink(condition, rng):
    for _ in range(10):
        Q, _ = np.linalg.qr(rng.standard_normal((4, 4)))
        X = Q * np.geomspace(1, 1 / condition, 4) @ Q.T
        X[0] *= 2
        f = lambda X: 1e3 + np.linalg.slogdet(X)[1]  # noqa: E731
        assert diagnose(f, 2 * np.linalg.inv(X).T, X, rng=rng).cause == "factor 2"


def test_a_reference_of_another_function_is_reported(rng):
    f, G, X = least_squares(rng)
    assert diagnose(f, G, X, reference=2 * G, rng=rng).cause == "wrong reference"


def test_jax_as_reference(rng):
    A, X = rng.standard_normal((20, 3)), rng.standard_normal((3, 3))
    f = lambda X: jnp.tanh(A @ X.T).sum()  # noqa: E731
    G = jax.grad(f)(X)
    assert diagnose(f, G.T, X, reference=jax.grad(f)).cause == "transposed"


def test_what_fits_at_one_point_alone_is_not_believed(rng):
    """3w is a multiple of 3w² where all entries are equal; as an array that is all that can be known."""
    cubes, w = (lambda w: (w**3).sum()), np.full(3, 1.2)
    assert diagnose(cubes, lambda w: 3 * w, w, rng=rng).cause == "unknown"
    assert diagnose(cubes, 3 * w, w, rng=rng).cause.startswith("factor")
    assert diagnose(cubes, lambda w: -3 * w**2, w, rng=rng).cause == "sign"
    assert diagnose(cubes, lambda _: -3 * w**2, w, rng=rng).cause == "sign"  # a constant: known here alone


def test_an_unknown_mistake_stays_unknown(rng):
    """No name for random errors: 200 of them, over all hypotheses."""
    for _ in range(200):
        T, E, X, A = rng.standard_normal((4, 4, 4))
        case = Case(T + E, T, X, 1e-7, {"n": 50.0}, {"one": A, "two": T + E - A})
        assert not [found for group in GROUPS for hypothesis in group for found in hypothesis(case)]
    f, G, X = least_squares(rng)
    found = diagnose(f, G + rng.standard_normal(G.shape), X, rng=rng)
    assert found.cause == "unknown"
    assert "off by" in found.evidence
