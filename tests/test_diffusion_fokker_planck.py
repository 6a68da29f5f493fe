"""Mass on a grid: what the discrete equation keeps, its order, the way back, and a cloud of particles."""

import jax
import numpy as np
import pytest
import scipy.linalg

from mcbook import diffusion
from mcbook.diffusion import densities as fp
from tests.diffusion_problems import line, turned

VP = diffusion.vp()
DRIFT, DIFFUSION = diffusion.equation(VP)


def forwards(mix, grid, times, process=VP):
    drift, spread = diffusion.equation(process)
    start = diffusion.cell_mass(mix, grid)
    return diffusion.fokker_planck(start, grid, drift=drift, diffusion=spread, times=times)


def apart(mass, mix, grid):
    """L1 distance to the exact masses."""
    return float(np.abs(mass - diffusion.cell_mass(mix, grid)).sum())


def blurred(sigma=0.15):
    """A plane's mixture with axes of its own."""
    return diffusion.noised(turned(np.random.default_rng(5), K=2, d=2), sigma)


# The discrete operator


@pytest.mark.parametrize("grid", [diffusion.cells(-3, 4, 9), diffusion.cells([-2, -1], [1, 2], [5, 4])])
def test_what_leaves_a_cell_enters_its_neighbour(grid, rng):
    def drift(x, t):
        return np.sin(3 * x) * 5

    for spread in (0.0, 1e-3, 1.0):
        G = fp.generator(grid, drift, lambda t, D=spread: D, 0.0).toarray()
        assert np.abs(G.sum(0)).max() < 1e-12
        assert (G - np.diag(np.diag(G))).min() >= 0
        assert G.min() < -0.1


def test_the_flux_is_central_without_drift_and_upwind_without_noise():
    grid = diffusion.cells(0, 1, 10)
    still = fp.generator(grid, lambda x, t: 0 * x, lambda t: 2.0, 0.0).toarray()
    assert still[4, 5] == pytest.approx(200)
    assert still[5, 5] == pytest.approx(-400)
    windy = fp.generator(grid, lambda x, t: 0 * x + 3, lambda t: 0.0, 0.0).toarray()
    assert (windy[5, 4], windy[4, 5]) == (pytest.approx(30), 0)
    back = fp.generator(grid, lambda x, t: 0 * x + 3, lambda t: 0.0, 0.0, backwards=True).toarray()
    assert (back[5, 4], back[4, 5]) == (0, pytest.approx(30))


def test_rates_are_positive_and_continuous_at_every_peclet_number():
    b = np.concatenate([-np.logspace(3, -14, 80), [0.0], np.logspace(-14, 3, 80)])
    rate = fp._pass(b, np.array(1.0))
    assert (rate >= 0).all()
    assert (np.diff(rate) >= -1e-15).all()
    np.testing.assert_allclose(rate - fp._pass(-b, np.array(1.0)), b, rtol=1e-9, atol=1e-12)


def test_the_equilibrium_of_ornstein_and_uhlenbeck_is_exact():
    """Scharfetter and Gummel's flux vanishes on e^(-x²/2) at the centres: no grid is too coarse."""
    grid = diffusion.cells(-5, 5, 13)
    rest = np.exp(-(diffusion.centres(grid)[:, 0] ** 2) / 2)
    G = fp.generator(grid, DRIFT, DIFFUSION, 0.5)
    assert np.abs(G @ rest).max() < 1e-13 * np.abs(G.toarray()).max()
    assert np.abs(G @ rest**1.01).max() > 1e-3


def test_transport_is_the_matrix_exponential(rng):
    grid = diffusion.cells([-2, -1], [1, 2], [5, 4])
    G = fp.generator(grid, lambda x, t: np.sin(3 * x), lambda t: 0.3, 0.0)
    m = rng.random(20)
    for tau in (0.0, 1e-3, 1.0, 30.0):
        found, products = fp.transport(G, m, tau)
        np.testing.assert_allclose(found, scipy.linalg.expm(tau * G.toarray()) @ m, rtol=1e-11)
        assert products <= 10 + 2 * abs(G.diagonal().min()) * tau + 60


# Conservation, positivity, order


@pytest.mark.parametrize("process", [diffusion.vp(), diffusion.ve(sigma_max=2.0)])
def test_mass_and_positivity_are_kept(process, rng):
    grid = diffusion.cells([-6, -6], [6, 6], 40)
    found = forwards(blurred(), grid, [0.0, 0.2, 0.6], process)
    assert np.abs(found.total - found.total[0]).max() < 1e-12
    assert found.least >= 0
    assert found.mass.shape == (3, 40, 40)


def test_positivity_survives_a_step_that_would_break_an_explicit_one():
    """A point mass, a strong drift, one step: 200 times the explicit limit."""
    grid = diffusion.cells(-1, 1, 101)
    start = np.zeros(101)
    start[80] = 1.0
    found = diffusion.fokker_planck(
        start, grid, drift=lambda x, t: -30 * x, diffusion=lambda t: 0.01, times=[0.0, 1.0]
    )
    G = fp.generator(grid, lambda x, t: -30 * x, lambda t: 0.01, 0.0)
    assert found.least >= 0
    assert found.total[-1] == pytest.approx(1, abs=1e-12)
    assert (start + G @ start).min() < -100


def test_second_order_on_the_line():
    errors = []
    for m in (80, 160, 320):
        grid = diffusion.cells(-7, 7, m)
        errors.append(
            apart(forwards(line(), grid, [0.0, 0.5]).mass[-1], diffusion.marginal(line(), VP, 0.5), grid)
        )
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 1.97).all()
    assert errors[-1] < 1e-4


def test_second_order_in_the_plane():
    errors = []
    for m in (32, 64, 128):
        grid = diffusion.cells([-6, -6], [6, 6], m)
        law = diffusion.marginal(blurred(), VP, 0.3)
        errors.append(apart(forwards(blurred(), grid, [0.0, 0.3]).mass[-1], law, grid))
    assert (np.log2(np.array(errors[:-1]) / errors[1:]) > 1.9).all()
    assert errors[-1] < 2e-3


@pytest.mark.parametrize(("f", "g"), [(-1.0, 1.0), (1.0, 2.0), (1.0, 0.5), (1.01, 1.0)])
def test_planted_errors_do_not_converge(f, g):
    """The drift's sign, g² for ½ g², a quarter of g², 1 %."""
    grid, law = diffusion.cells(-7, 7, 160), diffusion.marginal(line(), VP, 0.5)
    found = diffusion.fokker_planck(
        diffusion.cell_mass(line(), grid),
        grid,
        drift=lambda x, t: f * DRIFT(x, t),
        diffusion=lambda t: g * DIFFUSION(t),
        times=[0.0, 0.5],
    )
    assert apart(found.mass[-1], law, grid) > 3e-3


def test_times_in_between_change_nothing():
    grid = diffusion.cells(-7, 7, 80)
    once, often = (forwards(line(), grid, times).mass[-1] for times in ([0.0, 0.5], [0.0, 0.1, 0.3, 0.5]))
    np.testing.assert_allclose(often, once, rtol=0, atol=1e-12)


# Backwards


def backwards(m, steps, eta, spread=None):
    """From the marginal at t = 0.5 back to 0.02: L1 distance to the exact one, and the evolution."""
    mix, grid = line(), diffusion.cells(-7, 7, m)
    drift = jax.jit(diffusion.reverse_drift(VP, diffusion.denoiser(mix), eta=eta))
    found = diffusion.fokker_planck(
        diffusion.cell_mass(diffusion.marginal(mix, VP, 0.5), grid),
        grid,
        drift=drift,
        diffusion=lambda t: (eta**2 if spread is None else spread) * DIFFUSION(t),
        times=[0.5, 0.02],
        steps=steps,
    )
    return apart(found.mass[-1], diffusion.marginal(mix, VP, 0.02), grid), found


def test_the_reverse_equation_brings_the_data_back():
    errors = [backwards(m, m // 4, 1.0)[0] for m in (80, 160, 320)]
    assert (np.log2(np.array(errors[:-1]) / errors[1:]) > 1.7).all()
    error, found = backwards(160, 40, 1.0)
    assert error < 0.01
    assert np.abs(found.total - found.total[0]).max() < 1e-12
    assert found.least >= 0


def test_the_flow_needs_no_noise_and_is_of_first_order_on_a_grid():
    errors = [backwards(m, m // 4, 0.0)[0] for m in (160, 320, 640)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert ((orders > 0.75) & (orders < 1.2)).all()


@pytest.mark.parametrize(("eta", "spread"), [(0.0, 1.0), (1.0, 0.0), (1.0, 2.0)])
def test_the_odes_drift_with_noise_and_the_sdes_without_are_wrong(eta, spread):
    assert backwards(160, 40, eta, spread)[0] > 0.1


# Cells


def test_cell_masses_are_the_integrals(rng):
    """Two ways to the same: the normal distribution along the axes, quadrature across them."""
    round_one = diffusion.five_spots()
    same = round_one._replace(axes=np.broadcast_to(np.eye(2), (5, 2, 2)))
    grid = diffusion.cells([-2, -3], [4, 4], 40)
    np.testing.assert_allclose(
        diffusion.cell_mass(round_one, grid), diffusion.cell_mass(same, grid), rtol=0, atol=1e-10
    )
    assert diffusion.cell_mass(round_one, grid).sum() == pytest.approx(1, abs=1e-9)
    assert diffusion.cell_mass(blurred(), diffusion.cells([-9, -9], [9, 9], 60)).sum() == pytest.approx(
        1, abs=1e-9
    )


def test_cells_know_their_places():
    grid = diffusion.cells([0, 10], [1, 14], [2, 4])
    middles = [[0.25, 10.5], [0.25, 11.5], [0.25, 12.5], [0.25, 13.5], [0.75, 10.5]]
    assert diffusion.centres(grid).tolist()[:5] == middles
    assert diffusion.volumes(grid).tolist() == [[0.5] * 4] * 2


# Particles


def test_a_cloud_has_the_grids_density(rng):
    """40 000 particles in two steps against finite volumes: Pearson's statistic, at a level of 0.1 %."""
    mix, grid = diffusion.five_spots(), diffusion.cells([-6, -6], [6, 6], 128)
    cloud = diffusion.diffuse(VP, diffusion.sample_mixture(mix, 40_000, rng), [0.1, 0.3], rng)
    mass = forwards(mix, grid, [0.0, 0.1, 0.3]).mass
    for k in (0, 1):
        assert diffusion.agreement(diffusion.histogram(cloud[k], grid), mass[k + 1]).p_value > 1e-3
    assert diffusion.agreement(diffusion.histogram(cloud[0], grid), mass[2]).p_value < 1e-12
    shifted = np.roll(mass[2], 1, axis=0)
    assert diffusion.agreement(diffusion.histogram(cloud[1], grid), shifted).p_value < 1e-6


@pytest.mark.parametrize(("eta", "right"), [(1.0, True), (0.0, True), (0.5, True)])
def test_a_cloud_comes_back(eta, right, rng):
    mix, grid = diffusion.five_spots(), diffusion.cells([-2, -3], [4, 4], 28)
    t = 0.02
    x = diffusion.sample_mixture(diffusion.marginal(mix, VP, 0.6), 5000, rng)
    times = np.geomspace(0.6, t, 300)
    path = diffusion.simulate_reverse(VP, diffusion.denoiser(mix), x, times, rng=rng, eta=eta)
    assert path.shape == (300, 5000, 2)
    law = diffusion.cell_mass(diffusion.marginal(mix, VP, t), grid)
    assert (diffusion.agreement(diffusion.histogram(path[-1], grid), law).p_value > 1e-3) == right


def test_a_cloud_with_the_odes_drift_and_the_sdes_noise_does_not(rng, monkeypatch):
    from mcbook.diffusion import particles

    mix, grid = diffusion.five_spots(), diffusion.cells([-2, -3], [4, 4], 28)
    monkeypatch.setattr(
        particles, "reverse_drift", lambda p, d, *, eta: diffusion.reverse_drift(p, d, eta=1 - eta)
    )
    x = diffusion.sample_mixture(diffusion.marginal(mix, VP, 0.6), 5000, rng)
    path = diffusion.simulate_reverse(VP, diffusion.denoiser(mix), x, np.geomspace(0.6, 0.02, 300), rng=rng)
    law = diffusion.cell_mass(diffusion.marginal(mix, VP, 0.02), grid)
    assert diffusion.agreement(diffusion.histogram(path[-1], grid), law).p_value < 1e-12


def test_the_agreements_level_is_what_it_says():
    """Counts drawn from the masses: p-values are uniform."""
    rng, mass = np.random.default_rng(0), diffusion.cell_mass(line(), diffusion.cells(-4, 4, 40))
    p = [diffusion.agreement(rng.multinomial(2000, mass / mass.sum()), mass).p_value for _ in range(400)]
    assert 0.44 < np.mean(p) < 0.56
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_paths_by_one_step_or_many_have_one_law(rng):
    x = np.full((20_000, 1), 2.0)
    once = diffusion.diffuse(VP, x, [0.5], rng)[-1]
    often = diffusion.diffuse(VP, x, np.linspace(0, 0.5, 9), rng)
    np.testing.assert_array_equal(often[0], x)
    for law in (once, often[-1]):
        s, sigma = float(VP.s(0.5)), float(VP.sigma(0.5))
        assert law.mean() == pytest.approx(2 * s, abs=5 * s * sigma / 20_000**0.5)
        assert law.std() == pytest.approx(s * sigma, rel=5 / 40_000**0.5)


# Bad input


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mass": -np.ones(5)}, "must not be negative"),
        ({"mass": np.ones(4)}, "must have shape"),
        ({"mass": np.full(5, np.nan)}, "NaN"),
        ({"times": [0.0]}, "two or more"),
        ({"times": [0.0, 1.0, 0.5]}, "all increasing"),
        ({"times": [0.0, np.nan]}, "NaN"),
        ({"diffusion": lambda t: -1.0}, "not negative"),
        ({"drift": lambda x, t: np.full_like(x, np.nan)}, "NaN"),
        ({"drift": lambda x, t: x[:, 0]}, "must have shape"),
        ({"diffusion": lambda t: 1e7}, "Take fewer cells"),
        ({"steps": 0}, "whole number"),
    ],
)
def test_bad_evolutions_are_named(change, says):
    given = {
        "mass": np.ones(5),
        "grid": diffusion.cells(0, 1, 5),
        "drift": lambda x, t: -x,
        "diffusion": lambda t: 1.0,
        "times": [0.0, 1.0],
    }
    with pytest.raises(ValueError, match=says):
        diffusion.fokker_planck(**(given | change))


def test_bad_cells_and_clouds_are_named(rng):
    for lower, upper, m, says in (
        (1, 0, 5, "below"),
        ([0] * 3, [1] * 3, 5, "1 or 2 dimensions"),
        (0, 1, 1, "whole number"),
        (np.nan, 1, 5, "NaN"),
    ):
        with pytest.raises(ValueError, match=says):
            diffusion.cells(lower, upper, m)
    with pytest.raises(ValueError, match="dimensions"):
        diffusion.cell_mass(line(), diffusion.cells([0, 0], [1, 1], 4))
    with pytest.raises(ValueError, match="one shape"):
        diffusion.agreement(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="increasing"):
        diffusion.diffuse(VP, np.ones((2, 1)), [0.5, 0.2], rng)
    for times, says in (([0.1, 0.5], "increasing"), ([0.5, 0.0], "no score")):
        with pytest.raises(ValueError, match=says):
            diffusion.simulate_reverse(VP, diffusion.denoiser(line()), np.ones((2, 1)), times, rng=rng)
    with pytest.raises(ValueError, match="rng must be"):
        diffusion.simulate_reverse(VP, diffusion.denoiser(line()), np.ones((2, 1)), [0.5, 0.1])
