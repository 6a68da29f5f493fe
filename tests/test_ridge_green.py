"""Point loads: closed forms, the mesh's responses, Matérn fields, and how fast a discrete solution decays."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import k0

from mcbook import kernels, ridge

KAPPA = 25.0


@pytest.mark.parametrize("ends", ["free", "held"])
def test_the_interval_s_function_solves_its_equation(ends):
    """-g'' + kappa g = 0 beside the load, a kink of -1 at it, its ends, symmetry; the line far from them."""
    L, y, h = 2.0, 0.7, 1e-4

    def g(x, y=y):
        return ridge.green_interval(np.asarray(x), y, KAPPA, length=L, ends=ends)

    for x in (0.3, 1.5):
        bend = (g(x + h) - 2 * g(x) + g(x - h)) / h**2
        assert bend == pytest.approx(KAPPA * g(x), rel=1e-5)
    kink = (g(y + h) - 2 * g(y) + g(y - h)) / h
    assert kink == pytest.approx(-1, abs=1e-2)
    assert g(0.3, 1.1) == pytest.approx(g(1.1, 0.3), rel=1e-14)
    if ends == "held":
        np.testing.assert_allclose(g([0.0, L]), 0, atol=1e-16)
    else:
        assert quad(lambda x: float(g(x)), 0, L, points=[y])[0] == pytest.approx(1 / KAPPA, rel=1e-9)
    far = ridge.green_interval([50.1], 50.0, KAPPA, length=100.0, ends=ends)
    np.testing.assert_allclose(far, ridge.green_line([0.1], KAPPA), rtol=1e-13)
    assert np.isfinite(ridge.green_interval([0.1], 0.2, 1e8, ends=ends)).all()


def test_the_line_s_function_is_chapter_kernels_exponential_kernel():
    x = np.array([[0.0], [0.3], [1.1]])
    K = kernels.kernel_matrix(x, kernel="laplacian", sigma=1 / np.sqrt(KAPPA))
    np.testing.assert_allclose(ridge.green_line(x - x.T, KAPPA), K / (2 * np.sqrt(KAPPA)), rtol=1e-14)
    np.testing.assert_allclose(ridge.matern(np.abs(x - x.T), KAPPA, nu=0.5, d=1), K / 10, rtol=1e-12)
    K32 = kernels.kernel_matrix(x, kernel="matern32", sigma=np.sqrt(3 / KAPPA))
    known = K32 / (4 * KAPPA**1.5)
    np.testing.assert_allclose(ridge.matern(np.abs(x - x.T), KAPPA, nu=1.5, d=1), known, rtol=1e-12)


def test_matern_half_integers_and_the_plane():
    r = np.array([0.0, 0.1, 0.7])
    z = np.sqrt(KAPPA) * r
    np.testing.assert_allclose(
        ridge.matern(r, KAPPA, nu=1.5, d=1), (1 + z) * np.exp(-z) / (4 * KAPPA**1.5), rtol=1e-11
    )
    np.testing.assert_allclose(
        ridge.matern(r, KAPPA, nu=0.5, d=3), np.exp(-z) / (8 * np.pi * np.sqrt(KAPPA)), rtol=1e-11
    )
    np.testing.assert_allclose(ridge.green_plane(r[1:], KAPPA), k0(z[1:]) / (2 * np.pi), rtol=1e-14)
    total = quad(lambda s: 2 * np.pi * s * float(ridge.green_plane(s, KAPPA)), 0, 20)[0]
    assert total == pytest.approx(1 / KAPPA, rel=1e-9)


@pytest.mark.parametrize("ends", ["free", "held"])
def test_the_inverse_converges_to_the_interval_s_function(ends):
    off = []
    for n in (20, 40):
        mesh = ridge.mesh_interval(n)
        fixed = mesh.boundary if ends == "held" else ()
        column = ridge.green_columns(mesh, [n // 4], kappa=KAPPA, fixed=fixed)[:, 0]
        off.append(np.abs(column - ridge.green_interval(mesh.nodes[:, 0], 0.25, KAPPA, ends=ends)).max())
    assert ridge.orders(off, [2, 1])[0] == pytest.approx(2, abs=0.05)
    fine = ridge.mesh_interval(20, degree=2)
    p2 = ridge.green_columns(fine, [5], kappa=KAPPA, fixed=fine.boundary if ends == "held" else ())[:, 0]
    assert np.abs(p2 - ridge.green_interval(fine.nodes[:, 0], 0.25, KAPPA, ends=ends)).max() < off[1] / 10


def test_springs_at_the_ends_make_the_interval_a_piece_of_the_line():
    off = []
    for n in (20, 40):
        mesh = ridge.mesh_interval(n)
        A = ridge.operator(mesh, kappa=KAPPA) + ridge.springs_at_ends(mesh, KAPPA)
        x = mesh.nodes[:, 0]
        off.append(np.abs(np.linalg.inv(A.toarray()) - ridge.green_line(x[:, None] - x, KAPPA)).max())
    assert ridge.orders(off, [2, 1])[0] == pytest.approx(2, abs=0.05)
    assert off[1] < 1e-3


def test_the_square_of_the_operator_belongs_to_the_smoother_matern_kernels():
    """A⁻¹MA⁻¹: nu = 3/2 on the line, and in the plane nu = 1, which has a value at r = 0."""
    line = ridge.mesh_interval(240, length=6.0)
    column = ridge.green_columns(line, [120], kappa=KAPPA, power=2)[:, 0]
    known = ridge.matern(np.abs(line.nodes[:, 0] - 3), KAPPA, nu=1.5, d=1)
    assert np.abs(column - known).max() < 2e-3 * known.max()
    plane, kappa = ridge.mesh_square(48), 400.0
    centre = 24 * 49 + 24
    column = ridge.green_columns(plane, [centre], kappa=kappa, power=2)[:, 0]
    r = np.linalg.norm(plane.nodes - 0.5, axis=1)
    known = ridge.matern(r, kappa, nu=1.0, d=2)
    assert np.abs(column - known)[r < 0.3].max() < 0.05 * known.max()
    assert known.max() == pytest.approx(1 / (4 * np.pi * kappa), rel=1e-12)


def test_in_the_plane_a_point_load_has_no_bounded_answer():
    """Each halving of h adds log 2/2π at the load; elsewhere the columns converge to K₀."""
    peaks, beside = [], []
    for n in (16, 32, 64):
        mesh = ridge.mesh_square(n)
        centre = (n // 2) * (n + 1) + n // 2
        column = ridge.green_columns(mesh, [centre], kappa=100.0)[:, 0]
        peaks.append(column[centre])
        beside.append(column[centre + n // 8])
    np.testing.assert_allclose(np.diff(peaks), np.log(2) / (2 * np.pi), rtol=0.02)
    known = float(ridge.green_plane(1 / 8, 100.0))
    assert abs(beside[2] - known) < abs(beside[0] - known) < 0.1 * known


# Decay


@pytest.mark.parametrize("step", [0.1, 0.3, 1.0, 2.4, 3.0, 30.0])
@pytest.mark.parametrize("h", [1.0, 0.02])
@pytest.mark.parametrize("lumped", [True, False])
def test_solved_problems_decay_at_the_closed_form_s_rate(step, h, lumped):
    kappa = (step / h) ** 2
    seen = ridge.measured_decay(h, kappa, lumped=lumped)
    if lumped:
        assert seen.rate == pytest.approx(2 / h * np.arcsinh(h * np.sqrt(kappa) / 2), rel=1e-12)
        assert seen.rate == pytest.approx(ridge.decay_rate_lumped(h, kappa), rel=1e-12)
        assert not seen.alternates
    else:
        known = ridge.decay_rate_consistent(h, kappa)
        assert seen.rate == pytest.approx(known.rate, rel=1e-12)
        assert seen.alternates == known.alternates == (step**2 > 6)


@pytest.mark.parametrize("step", [0.5, 2.0, 4.0])
def test_the_rates_solve_their_recurrences(step):
    """Substituted into the difference equation, with the sign that alternates."""
    square = step**2
    lumped = np.exp(-ridge.decay_rate_lumped(1.0, square))
    assert -1 / lumped + 2 + square - lumped == pytest.approx(0, abs=1e-12)
    rate, alternates = ridge.decay_rate_consistent(1.0, square)
    q = (-1.0 if alternates else 1.0) * np.exp(-rate)
    beside, middle = -1 + square / 6, 2 + 2 * square / 3
    assert beside / q + middle + beside * q == pytest.approx(0, abs=1e-12)


def test_limits_of_the_rates():
    root = 3.0
    for h in (0.2, 0.1):
        square = (h * root) ** 2
        assert ridge.decay_rate_lumped(h, 9.0) / root - 1 == pytest.approx(-square / 24, rel=0.05)
        assert ridge.decay_rate_consistent(h, 9.0).rate / root - 1 == pytest.approx(square / 24, rel=0.05)
    assert ridge.decay_rate_consistent(1.0, 6.0) == (np.inf, False)
    assert ridge.measured_decay(1.0, 6.0, lumped=False).rate > 30
    far = ridge.decay_rate_consistent(1.0, 1e12)
    assert far.alternates
    assert np.exp(-far.rate) == pytest.approx(1 / (2 + np.sqrt(3)), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ridge.green_line([1.0], 0), "positive.*equilibrium"),
        (lambda: ridge.green_interval([0.5], 2.0, KAPPA), "must lie in"),
        (lambda: ridge.green_interval([0.5], 0.5, KAPPA, ends="loose"), "ends"),
        (lambda: ridge.green_plane([0.0, 1], KAPPA), "infinite at r = 0"),
        (lambda: ridge.matern([1.0], KAPPA, nu=0, d=1), "nu must be positive"),
        (lambda: ridge.matern([-1.0], KAPPA, nu=1, d=1), "distances"),
        (lambda: ridge.decay_rate_lumped(0, 1), "h must be positive"),
        (lambda: ridge.decay_rate_consistent(1, -1), "kappa must be positive"),
        (lambda: ridge.springs_at_ends(ridge.mesh_square(2), 1), "interval"),
        (lambda: ridge.green_columns(ridge.mesh_interval(3), [0], kappa=1, power=3), "power"),
        (lambda: ridge.green_columns(ridge.mesh_interval(3), [7], kappa=1), "0 … 3"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
