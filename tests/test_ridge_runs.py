"""The runs: a bar on its bedding, and a photograph with noise."""

import jax
import numpy as np
import pytest

from mcbook import calculus, data, ridge

BAR = ridge.Bar(length_m=12.0, young_pa=210e9, area_m2=314e-6, bedding_pa=50e6)
EA = 210e9 * 314e-6


# The bar


def test_an_end_force_fades_over_the_length():
    """u = F e^(-x/ℓ)/√(EA k) on a long bar; the axial force fades alike, and starts as -F (compression)."""
    ell, F = ridge.decay_length(BAR), 1e5
    assert ell == pytest.approx(np.sqrt(EA / 50e6))
    state = ridge.solve_bar(BAR, n=600, end_forces_n=(F, 0))
    known = F * np.exp(-state.x_m / ell) / np.sqrt(EA * 50e6)
    assert np.abs(state.u_m - known).max() < 1e-4 * known[0]
    assert np.abs(state.force_n + F * np.exp(-state.centre_m / ell)).max() < 1e-3 * F
    np.testing.assert_allclose(state.stress_pa * 314e-6, state.force_n, rtol=1e-12)
    assert state.resolved
    assert not ridge.solve_bar(BAR, n=5, end_forces_n=(F, 0)).resolved


def test_forces_balance_and_the_energy_is_half_the_work():
    """What the bedding takes up, k∫u, is the load and the end forces; J = -½ of their work."""
    q = np.linspace(0, 2e4, 201)
    state = ridge.solve_bar(BAR, load_n_per_m=q, end_forces_n=(3e3, -1e3))
    mesh = ridge.mesh_interval(200, length=12.0)
    M = ridge.mass(mesh)
    given = (M @ q).sum() + 2e3
    assert 50e6 * (M @ state.u_m).sum() == pytest.approx(given, rel=1e-10)
    work = q @ (M @ state.u_m) + 3e3 * state.u_m[0] - 1e3 * state.u_m[-1]
    assert state.energy_j == pytest.approx(-work / 2, rel=1e-10)
    with_function = ridge.solve_bar(BAR, load_n_per_m=lambda X: X[:, 0] * 2e4 / 12, end_forces_n=(3e3, -1e3))
    np.testing.assert_allclose(with_function.u_m, state.u_m, rtol=1e-10)


def test_a_uniform_load_presses_evenly_and_held_ends_stay():
    free = ridge.solve_bar(BAR, load_n_per_m=1e4)
    np.testing.assert_allclose(free.u_m, 1e4 / 50e6, rtol=1e-10)
    held = ridge.solve_bar(BAR, n=400, load_n_per_m=1e4, ends=("held", "free"))
    ell = ridge.decay_length(BAR)
    known = 1e4 / 50e6 * (1 - np.cosh((12 - held.x_m) / ell) / np.cosh(12 / ell))
    assert held.u_m[0] == 0
    assert np.abs(held.u_m - known).max() < 1e-4 * known.max()


def test_units_scale_together():
    """In millimetres and newtons, as in metres: the same bar."""
    state = ridge.solve_bar(BAR, end_forces_n=(1e5, 0))
    small = ridge.Bar(length_m=12e3, young_pa=210e3, area_m2=314.0, bedding_pa=50.0)
    np.testing.assert_allclose(ridge.solve_bar(small, end_forces_n=(1e5, 0)).u_m, 1e3 * state.u_m, rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"bar": BAR._replace(bedding_pa=0)}, "bedding_pa must be positive"),
        ({"bar": BAR._replace(young_pa=-1)}, "young_pa"),
        ({"bar": BAR._replace(length_m=0)}, "length_m"),
        ({"n": 0}, "n must be"),
        ({"load_n_per_m": np.nan}, "NaN"),
        ({"load_n_per_m": [1.0, 2.0]}, r"\(201,\)"),
        ({"end_forces_n": (1, 2, 3)}, "end_forces_n"),
        ({"ends": ("held", "loose")}, "ends"),
    ],
)
def test_bad_bars_are_named(settings, says):
    with pytest.raises(ValueError, match=says):
        ridge.solve_bar(**{"bar": BAR, **settings})


# The picture


def grid(H, W):
    """The triangles' stiffness on the pixels, and the trapezoid's weights: what the cosines diagonalise."""
    K = ridge.stiffness(ridge.mesh_rectangle(W - 1, H - 1, width=W - 1.0, height=H - 1.0)).toarray()
    rows, columns = (ridge.lumped_mass(ridge.mesh_interval(n - 1, length=n - 1.0)).diagonal() for n in (H, W))
    return K, np.outer(rows, columns).ravel()


def test_the_cosine_transform_solves_the_triangles_equations(rng):
    H, W, length = 6, 9, 1.7
    K, m = grid(H, W)
    g = rng.random((H, W, 2))
    found = ridge.denoise(g, length=length)
    known = np.linalg.solve(np.diag(m) + length**2 * K, m[:, None] * g.reshape(-1, 2))
    np.testing.assert_allclose(found.image, known.reshape(g.shape), atol=1e-13)
    modes = ridge.spectrum(K, np.diag(m))
    np.testing.assert_allclose(np.sort(ridge.modes_of_grid(H, W).ravel()), modes.mu, atol=1e-12)
    assert found.dof == pytest.approx(ridge.effective_dof(modes.mu, length**2), rel=1e-12)
    grey = ridge.denoise(g[..., 0], length=length)
    np.testing.assert_allclose(grey.image, found.image[..., 0], atol=1e-14)
    assert grey.length == length


def test_the_scores_are_what_they_say(rng):
    H, W, length, noise = 6, 9, 0.8, 0.3
    K, m = grid(H, W)
    g = rng.normal(size=(H, W, 3))
    mu, power = ridge.modes_of_grid(H, W), ridge.power_of_modes(g)
    total = m.sum()
    assert power.sum() == pytest.approx((m[:, None] * g.reshape(-1, 3) ** 2).sum() / total / 3, rel=1e-12)
    S = np.linalg.solve(np.diag(m) + length**2 * K, np.diag(m))
    rest = g.reshape(-1, 3) - S @ g.reshape(-1, 3)
    lost = (m[:, None] * rest**2).sum() / total / 3
    free = np.trace(S) / (H * W)
    assert ridge.gcv(length, mu, power) == pytest.approx(lost / (1 - free) ** 2, rel=1e-11)
    known = lost - noise**2 + 2 * noise**2 * free
    assert ridge.risk(length, mu, power, noise) == pytest.approx(known, rel=1e-11)


@pytest.mark.parametrize("at", [-1.0, 0.4])
def test_the_scores_gradients_are_right_and_wrong_ones_are_caught(at, rng):
    mu, power = ridge.modes_of_grid(5, 7), rng.random((5, 7))
    x = np.array([at])
    cases = {
        "gcv": (
            lambda x: ridge.gcv(np.exp(x[0]), mu, power),
            ridge.grad_gcv_log_length(np.exp(at), mu, power),
        ),
        "risk": (
            lambda x: ridge.risk(np.exp(x[0]), mu, power, 0.4),
            ridge.grad_risk_log_length(np.exp(at), mu, power, 0.4),
        ),
    }
    for f, slope in cases.values():
        assert calculus.check_grad(f, np.array([slope]), x, rng=rng)
        for wrong in (-slope, 2 * slope, slope / np.exp(at), 1.001 * slope):
            with pytest.raises(AssertionError):
                calculus.check_grad(f, np.array([wrong]), x, rng=rng)


def test_the_gcv_gradient_is_the_automatic_one(rng):
    mu, power = ridge.modes_of_grid(4, 5), rng.random((4, 5))

    def score(s):
        q = 1 - 1 / (1 + jax.numpy.exp(2 * s) * mu)
        return (power * q**2).sum() / q.mean() ** 2

    known = jax.grad(score)(0.3)
    assert ridge.grad_gcv_log_length(np.exp(0.3), mu, power) == pytest.approx(float(known), rel=1e-11)


def test_the_photograph_gains_and_the_known_noise_finds_the_best_length():
    truth = data.photograph("china")[::2, ::2]
    g = truth + 0.1 * np.random.default_rng(0).normal(size=truth.shape)
    blind, known = ridge.denoise(g), ridge.denoise(g, noise=0.1)
    before = ridge.psnr(g, truth)
    assert ridge.psnr(blind.image, truth) > before + 1
    best = max(ridge.psnr(ridge.denoise(g, length=s).image, truth) for s in np.linspace(0.2, 1, 17))
    assert ridge.psnr(known.image, truth) > best - 0.02
    assert known.score == pytest.approx(np.mean((known.image - truth) ** 2), rel=0.03)
    assert known.dof < truth[..., 0].size
    assert ridge.denoise(255 * g, noise=25.5).length == pytest.approx(known.length, rel=1e-4)


def test_length_0_keeps_the_picture_and_a_long_one_its_mean(rng):
    g = rng.random((5, 6))
    np.testing.assert_allclose(ridge.denoise(g, length=0).image, g, atol=1e-14)
    _, m = grid(5, 6)
    np.testing.assert_allclose(ridge.denoise(g, length=1e6).image, m @ g.ravel() / m.sum(), atol=1e-9)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ridge.denoise(np.zeros((4, 4), np.uint8), length=1), "image / 255"),
        (lambda: ridge.denoise(np.zeros(4), length=1), r"\(H, W\)"),
        (lambda: ridge.denoise(np.zeros((1, 4)), length=1), "H, W ≥ 2"),
        (lambda: ridge.denoise(np.zeros((3, 40, 60)), length=1), "channels last"),
        (lambda: ridge.denoise(np.full((4, 4), np.nan), length=1), "NaN"),
        (lambda: ridge.denoise(np.zeros((4, 4)), length=-1), "length"),
        (lambda: ridge.denoise(np.ones((4, 4)), noise=0), "noise must be positive"),
        (lambda: ridge.psnr(np.zeros(3), np.zeros(4)), "one shape"),
        (lambda: data.photograph("cat"), "china"),
    ],
)
def test_bad_pictures_are_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
