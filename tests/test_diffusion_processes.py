"""VP, VE and EDM: their rates, their one flow, the Fokker-Planck equation, and the two ways back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mcbook import diffusion
from tests.diffusion_problems import PROCESSES, gaussian_endpoint, line, lone, mixtures, turned

SIGMA = 0.7


def at_noise(process, sigma=SIGMA):
    return float(process.time(sigma))


@pytest.mark.parametrize("name", PROCESSES)
def test_the_rates_are_the_derivatives_of_scale_and_noise(name):
    process = PROCESSES[name]
    for t in np.linspace(process.t_min, process.t_max, 7)[1:].tolist():
        s, sigma = (float(v(t)) for v in (process.s, process.sigma))
        s_rate, sigma_rate = (float(jax.grad(v)(t)) for v in (process.s, process.sigma))
        assert float(process.f(t)) == pytest.approx(s_rate / s, rel=1e-12, abs=1e-14)
        assert float(process.g(t)) ** 2 == pytest.approx(2 * s**2 * sigma * sigma_rate, rel=1e-11)


@pytest.mark.parametrize("name", PROCESSES)
def test_time_is_the_inverse_of_noise(name):
    process = PROCESSES[name]
    for sigma in (0.002, 0.1, 1.0, 1.7):
        assert float(process.sigma(process.time(sigma))) == pytest.approx(sigma, rel=1e-10)


def test_vp_keeps_unit_variance():
    process = diffusion.vp()
    for t in (0.01, 0.5, 1.0):
        assert float(process.s(t) ** 2 * (1 + process.sigma(t) ** 2)) == pytest.approx(1, rel=1e-13)


@pytest.mark.parametrize("name", PROCESSES)
def test_frames_convert_there_and_back(name, rng):
    process, x = PROCESSES[name], rng.normal(size=(3, 2))
    t = at_noise(process)
    again = diffusion.from_frame(diffusion.to_frame(x, t, process), t, process)
    np.testing.assert_allclose(again, x, rtol=1e-14)


@pytest.mark.parametrize("name", PROCESSES)
def test_the_score_in_its_own_coordinates(name, rng):
    """From one denoiser, in every frame, the gradient of that frame's marginal."""
    process, t = PROCESSES[name], at_noise(PROCESSES[name])
    for mix in mixtures(rng):
        law = diffusion.marginal(mix, process, t)
        x = diffusion.sample_mixture(law, 4, rng)
        G = diffusion.score_at(process, diffusion.denoiser(mix))(jnp.asarray(x), t)
        np.testing.assert_allclose(G, diffusion.score(x, law), rtol=0, atol=1e-12 * np.abs(G).max())


# The equation of the densities


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("sigma", [0.3, 1.5])
def test_the_marginals_solve_the_fokker_planck_equation(name, sigma, rng):
    process = PROCESSES[name]
    mix, t = turned(rng), at_noise(process, sigma)
    x = diffusion.sample_mixture(diffusion.marginal(mix, process, t), 20, rng)
    assert np.abs(diffusion.fokker_planck_residual(x, t, mix, process)).max() < 1e-10


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p._replace(f=lambda t: -p.f(t)),
        lambda p: p._replace(g=lambda t: 2**0.5 * p.g(t)),  # ½ g² mistaken for g²
        lambda p: p._replace(g=lambda t: 1.001 * p.g(t)),
        lambda p: p._replace(sigma=lambda t: p.sigma(t) * p.s(t)),  # sigma in other coordinates
    ],
)
def test_a_wrong_equation_leaves_a_residual(spoil, rng):
    process = spoil(diffusion.vp())
    mix, t = turned(rng), 0.3
    x = diffusion.sample_mixture(diffusion.marginal(mix, process, t), 20, rng)
    assert np.abs(diffusion.fokker_planck_residual(x, t, mix, process)).max() > 1e-4


# The way back


def kept(process, drift, eta, mix, t, x):
    """The largest residual of ∂_t log p + ∇·b + ⟨b, ∇log p⟩ + ½ eta² g² (Δ log p + |∇ log p|²).

    drift gives b and its divergence.
    """
    law, d = diffusion.marginal(mix, process, t), x.shape[1]
    grad, H = np.asarray(diffusion.score(x, law)), diffusion.hessian(x, law)
    bend = np.trace(H, axis1=1, axis2=2) + (grad**2).sum(1)
    f, square = float(process.f(t)), float(process.g(t)) ** 2
    by_time = square / 2 * bend - f * (d + (x * grad).sum(1))  # the equation tested above
    b, div_b = (np.asarray(v) for v in drift(x, t))
    return np.abs(by_time + div_b + (b * grad).sum(1) + eta**2 / 2 * square * bend).max()


@pytest.mark.parametrize("eta", [0.0, 1.0, 2.0])
def test_every_way_back_keeps_the_marginals(eta, rng):
    """Reverse SDE, probability flow and all between: run down in time, their density is p_t."""
    process, mix, t = diffusion.vp(), turned(rng), 0.3
    x = diffusion.sample_mixture(diffusion.marginal(mix, process, t), 8, rng)
    drift = diffusion.reverse_drift(process, diffusion.denoiser(mix), eta=eta)
    assert kept(process, diffusion.exact_field(drift), eta, mix, t, x) < 1e-9


@jax.jit
def planted(x, t, f, score, mix):
    """f times the forward drift less `score` g² ∇ log p, and its divergence."""
    process = PROCESSES["VP"]
    grad = diffusion.score_at(process, diffusion.denoiser(mix))
    return diffusion.exact_field(lambda x, t: f * process.f(t) * x - score * process.g(t) ** 2 * grad(x, t))(
        x, t
    )


@pytest.mark.parametrize(
    ("eta", "f", "score"),
    [
        (0.0, 1.0, 1.0),  # the ODE with g² for ½ g²
        (1.0, 1.0, 0.5),  # the SDE with ½ g² for g²
        (0.0, 1.0, -0.5),  # the score's sign
        (0.0, -1.0, -0.5),  # time's sign
        (1.0, -1.0, 1.0),
        (0.0, 1.0, 0.5005),  # 0.1 %
    ],
)
def test_planted_errors_in_the_way_back_are_caught(eta, f, score, rng):
    process, mix, t = PROCESSES["VP"], turned(rng), 0.3
    x = diffusion.sample_mixture(diffusion.marginal(mix, process, t), 8, rng)
    assert kept(process, lambda x, t: planted(x, t, f, score, mix), eta, mix, t, x) > 1e-3
    right = (1 + eta**2) / 2
    assert kept(process, lambda x, t: planted(x, t, 1.0, right, mix), eta, mix, t, x) < 1e-9


def test_velocity_is_the_drift_without_noise(rng):
    process, denoise = diffusion.vp(), diffusion.denoiser(line())
    x = jnp.asarray(rng.normal(size=(4, 1)))
    flow = diffusion.velocity(process, denoise)(x, 0.4)
    np.testing.assert_array_equal(flow, diffusion.reverse_drift(process, denoise, eta=0.0)(x, 0.4))


def carried(process, mix, y, start, end):
    """Rows y of the frame, carried in the process's own coordinates and time; back in the frame."""
    rate = jax.jit(diffusion.velocity(process, diffusion.denoiser(mix)))
    t0, t1 = at_noise(process, start), at_noise(process, end)
    x = np.asarray(diffusion.from_frame(y, t0, process))
    run = solve_ivp(
        lambda t, v: np.asarray(rate(v.reshape(x.shape), t)).ravel(),
        (t0, t1),
        x.ravel(),
        method="DOP853",
        rtol=1e-11,
        atol=1e-11,
    )
    return np.asarray(diffusion.to_frame(run.y[:, -1].reshape(x.shape), t1, process))


def test_the_endpoint_does_not_depend_on_the_parametrisation(rng):
    """VP, VE and EDM: one flow at three speeds. Integrated apart, they meet to 1e-7."""
    mix, start, end = diffusion.five_spots(), 10.0, 0.05
    y = start * rng.normal(size=(6, 2))
    ends = {name: carried(PROCESSES[name], mix, y, start, end) for name in ("VP", "VE", "EDM")}
    ends["angle"] = diffusion.flow(
        diffusion.denoiser(mix), y, sigma_from=start, sigma_to=end, rtol=1e-11, atol=1e-11
    ).x
    for other in ("VE", "EDM", "angle"):
        np.testing.assert_allclose(ends[other], ends["VP"], rtol=0, atol=1e-7)


def test_the_flow_of_a_gaussian_is_a_scaling(rng):
    y = 5 * rng.normal(size=(4, 3))
    for name in ("VP", "VE", "EDM"):
        found = carried(PROCESSES[name], lone(), y, 5.0, 0.1)
        np.testing.assert_allclose(found, gaussian_endpoint(y, 5.0, 0.1), rtol=0, atol=1e-7)


def test_what_is_no_process(rng):
    for make in (diffusion.edm, diffusion.ve):
        with pytest.raises(ValueError, match="less than"):
            make(sigma_min=1.0, sigma_max=0.5)
        with pytest.raises(ValueError, match="positive"):
            make(sigma_min=0.0)
    with pytest.raises(ValueError, match="beta_max"):
        diffusion.vp(beta_min=2.0, beta_max=1.0)
    with pytest.raises(ValueError, match="beta_min"):
        diffusion.vp(beta_min=-1.0)
    with pytest.raises(ValueError, match="eta"):
        diffusion.reverse_drift(diffusion.vp(), diffusion.denoiser(line()), eta=-1.0)
    with pytest.raises(ValueError, match="NaN"):
        diffusion.perturb(diffusion.vp(), np.array([[np.nan]]), 0.5, rng)
