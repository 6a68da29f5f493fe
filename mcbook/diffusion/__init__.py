"""Diffusion: samples made by following the gradient of a log density backwards through noise.

Problem    dx = f x dt + g dW spreads data into noise; dx/dt = f x - ½ g² ∇ log p_t leads back
Modules    processes (VP, VE, EDM: one curve, three frames), mixtures (score, Hessian and denoiser in closed
           form), grids (noise levels), angle, samplers and flows (the way back), likelihood (the way there),
           densities (the Fokker-Planck equation), particles (the cloud);
           learned: labelled, levels, preconditioning (the closed forms it starts from), network, convolution,
           model (the denoiser), matching (the loss), training, checkpoint, guidance, bits (its likelihood),
           judging (its samples), images (digits, MNIST's format), trained (the book's weights), photographs
Page       book/creation/diffusion
"""

from mcbook import _checkpoint as checkpoint
from mcbook.diffusion import images, trained
from mcbook.diffusion.bits import (
    FlowDensity,
    flow_density,
)
from mcbook.diffusion.densities import (
    Cells,
    Evolution,
    cell_mass,
    cells,
    centres,
    equation,
    fokker_planck,
    volumes,
)
from mcbook.diffusion.flows import flow
from mcbook.diffusion.grids import check_sigmas, karras_sigmas, log_sigmas, logistic_sigmas
from mcbook.diffusion.guidance import (
    classifier_guided,
    guided,
    guided_base,
    guided_denoiser,
)
from mcbook.diffusion.judging import (
    Nearest,
    nearest,
    two_sample_accuracy,
)
from mcbook.diffusion.labelled import (
    Labelled,
    class_log_probability,
    denoise_labelled,
    gaussians_by_class,
    log_density_labelled,
)
from mcbook.diffusion.levels import (
    Levels,
    grey_levels,
    pull,
)
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
from mcbook.diffusion.matching import (
    Gain,
    gain,
    grad_noise_regression_s,
    matching_loss,
    noise_regression,
    score_regression,
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
from mcbook.diffusion.model import (
    Model,
    base_of,
    denoise,
    init_model,
    learned_denoiser,
    precise,
)
from mcbook.diffusion.particles import (
    Agreement,
    agreement,
    diffuse,
    fokker_planck_residual,
    histogram,
    simulate_reverse,
)
from mcbook.diffusion.photographs import (
    fit_patches,
    memory_denoiser,
    patch_denoiser,
)
from mcbook.diffusion.preconditioning import (
    Coefficients,
    coefficients,
    loss_weight,
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
from mcbook.diffusion.trained import (
    trained_digits,
)
from mcbook.diffusion.training import (
    Settings,
    Training,
    train,
)

__all__ = [
    "METHODS",
    "Agreement",
    "Cells",
    "Coefficients",
    "Estimate",
    "Evolution",
    "FlowDensity",
    "Gain",
    "Labelled",
    "Levels",
    "Likelihood",
    "Mixture",
    "Model",
    "Nearest",
    "Process",
    "Samples",
    "Settings",
    "Training",
    "agreement",
    "base_of",
    "bits_per_dimension",
    "cell_mass",
    "cells",
    "centres",
    "check_sigmas",
    "checkpoint",
    "class_log_probability",
    "classifier_guided",
    "coefficients",
    "denoise",
    "denoise_labelled",
    "denoise_mixture",
    "denoiser",
    "diffuse",
    "edm",
    "equation",
    "exact_field",
    "fit_patches",
    "five_spots",
    "flow",
    "flow_density",
    "fokker_planck",
    "fokker_planck_residual",
    "from_frame",
    "gain",
    "gaussian_log_prior",
    "gaussians_by_class",
    "grad_noise_regression_s",
    "grey_levels",
    "guided",
    "guided_base",
    "guided_denoiser",
    "hessian",
    "histogram",
    "hutchinson_field",
    "hutchinson_likelihood",
    "images",
    "init_model",
    "karras_sigmas",
    "learned_denoiser",
    "log_density",
    "log_density_labelled",
    "log_likelihood",
    "log_sigmas",
    "logistic_sigmas",
    "loss_weight",
    "marginal",
    "matching_loss",
    "memory_denoiser",
    "mixture",
    "mixture_field",
    "nearest",
    "noise_regression",
    "noised",
    "patch_denoiser",
    "perturb",
    "posterior_covariance",
    "precise",
    "pull",
    "responsibilities",
    "reverse_drift",
    "ring",
    "sample",
    "sample_mixture",
    "score",
    "score_at",
    "score_regression",
    "simulate_reverse",
    "spiral",
    "to_frame",
    "train",
    "trained",
    "trained_digits",
    "two_sample_accuracy",
    "ve",
    "velocity",
    "volumes",
    "vp",
]
