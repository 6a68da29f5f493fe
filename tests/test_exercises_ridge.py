"""The exercises on ridge: their answers are what JAX, quadrature and the package say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import exercises, ridge

TRUTH = {name: question.truth for name, question in exercises.ridge.QUESTIONS.items()}
BOX = exercises.ridge.BOXES


def bar(n=8):
    mesh = ridge.mesh_interval(n)
    return mesh, ridge.stiffness(mesh).toarray(), ridge.mass(mesh).toarray()


def test_the_springs_of_a_cell_are_the_integrals(rng):
    left, right, h = rng.random(3) + 0.2
    x, weights = np.polynomial.legendre.leggauss(3)
    t, weights = (x + 1) / 2, h * weights / 2
    hats = np.stack([1 - t, t])
    theirs = np.einsum("q,iq,jq->ij", weights * (left + (right - left) * t), hats, hats)
    np.testing.assert_allclose(TRUTH["ridge-cell"](left, right, h), theirs, rtol=1e-13)


def test_equal_springs_are_the_mass_matrix_of_the_page():
    mesh = ridge.mesh_interval(1, length=0.4)
    np.testing.assert_allclose(TRUTH["ridge-cell"](5.0, 5.0, 0.4), ridge.mass(mesh, 5.0).toarray())


def test_the_end_spring_is_jax_s(rng):
    _, K, M = bar()
    w, b = rng.normal(size=(2, 9))

    def J(w):
        return ridge.energy(w, K, M, b, 30.0) + 0.5 * 1.7 * w[-1] ** 2

    ours, theirs = TRUTH["ridge-ends"](w, K, M, b, 30.0, 1.7), jax.grad(J)(w)
    assert np.linalg.norm(ours - theirs) <= 1e-11 * np.linalg.norm(ours)


def test_the_end_spring_of_root_kappa_stands_for_the_rest_of_the_line():
    """What the exercise's last question claims: with s = √kappa the interval answers as the whole line."""
    mesh, K, M = bar(2000)
    A = K + 100 * M
    A[[0, -1], [0, -1]] += 10.0
    answer = np.linalg.solve(A, np.eye(2001)[600])
    line = ridge.green_line(mesh.nodes[:, 0] - 0.3, 100.0)
    assert np.abs(answer - line).max() < 1e-5 * line.max()


def test_the_slope_of_the_freedom_is_jax_s(rng):
    mu = 4 * rng.random(7)
    theirs = jax.grad(lambda log_lam: jnp.sum(mu / (mu + jnp.exp(log_lam))))(np.log(0.6))
    assert TRUTH["ridge-freedom-slope"](mu, 0.6) == pytest.approx(float(theirs), rel=1e-12)


def test_the_gradient_by_the_stiffness_is_that_of_the_package(rng):
    mesh = ridge.mesh_interval(8)
    b, w_bar, a = rng.normal(size=9), rng.normal(size=9), 1 + rng.random(8)
    solved = ridge.solve(mesh, b, kappa=20.0, a=a)
    told = ridge.vjp_solve(mesh, solved, w_bar)
    ours = TRUTH["ridge-stiffness"](solved.w, told.b_bar, 1 / 8)
    np.testing.assert_allclose(ours, told.a_bar, rtol=1e-10, atol=1e-14)


def test_the_slope_of_the_work_is_jax_s(rng):
    _, K, M = bar()
    b = rng.normal(size=9)
    theirs = jax.grad(lambda kappa: b @ jnp.linalg.solve(K + kappa * M, b))(30.0)
    assert TRUTH["ridge-work"](K, M, b, 30.0) == pytest.approx(float(theirs), rel=1e-11)


def test_the_plate_s_share_solves_its_equation(rng):
    """½‖u - g‖² + ½ lam ‖Du‖² with D any symmetric D = V diag(mu) Vᵀ: stationary mode by mode."""
    mu, lam = rng.random(5), 0.6
    V = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    g, D = rng.normal(size=5), V @ np.diag(mu) @ V.T
    u = V @ (TRUTH["ridge-plate"](mu, lam) * (V.T @ g))
    slope = jax.grad(lambda u: 0.5 * jnp.sum((u - g) ** 2) + 0.5 * lam * jnp.sum((D @ u) ** 2))(u)
    assert np.abs(slope).max() < 1e-12


def test_the_freedom_box_holds_the_sum():
    length, k = 1 / 20, np.arange(200_000)
    total = np.sum(1 / (1 + (length * np.pi * k) ** 2))
    assert BOX["ridge-freedom"]["answer"] == pytest.approx(total, abs=1e-3)
    _, K, M = bar(400)
    on_a_mesh = ridge.effective_dof(ridge.spectrum(K, M).mu, length**2)  # lacks the waves beyond the mesh
    assert on_a_mesh == pytest.approx(total, rel=0.02)


def test_the_cells_box_holds_the_least_number():
    least = next(n for n in range(1, 100) if -n + 590 / n / 6 <= 0)
    assert BOX["ridge-cells"]["answer"] == least
    assert not ridge.decay_rate_consistent(1 / least, 590.0).alternates
    assert ridge.decay_rate_consistent(1 / (least - 1), 590.0).alternates
