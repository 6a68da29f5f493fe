"""Diffusion: samples made by following the gradient of a log density backwards through noise.

Problem    dx = f x dt + g dW spreads data into noise; dx/dt = f x - ½ g² ∇ log p_t leads back
Modules    processes (VP, VE, EDM: one curve, three frames), mixtures (score, Hessian and denoiser in closed
           form), grids (noise levels), angle, samplers and flows (the way back), likelihood (the way there),
           fokker_planck (the densities), particles (the cloud)
Page       book/creation/diffusion
"""

from mcbook.diffusion.flows import flow
from mcbook.diffusion.grids import check_sigmas, karras_sigmas, log_sigmas, logistic_sigmas
from mcbook.diffusion.likelihood import (
    Estimate,
    Likelihood,
    bits_per_dimension,
    exact_field,
    gaussian_log_prior,
    hutchinson_field,
    hutchinson_likelihood,
    log_likelihood,
)
from mcbook.diffusion.mixtures import (
    Mixture,
    denoise_mixture,
    denoiser,
    five_spots,
    hessian,
    log_density,
    marginal,
    mixture,
    mixture_field,
    noised,
    posterior_covariance,
    responsibilities,
    ring,
    sample_mixture,
    score,
    spiral,
)
from mcbook.diffusion.processes import (
    Process,
    edm,
    from_frame,
    perturb,
    reverse_drift,
    score_at,
    to_frame,
    ve,
    velocity,
    vp,
)
from mcbook.diffusion.samplers import METHODS, Samples, sample
