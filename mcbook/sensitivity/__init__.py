"""Sensitivity: which input does a model's answer hang on, and how far may the gradient be believed?

Problem    ŷ = f(s, m) of a sequence s and of its relatives m: which of them matters, where, and how surely?
Modules    blocks, gradients, integrated (and paths: kinks), shapley, mutagenesis, interactions: attributions of any
           JAX model; shares, randomised: what to make of them; network, training: a model with derivatives by
           hand; family: planted truth; alignment, couplings, features: real proteins
Page       book/understanding/sensitivity
Symbols    f model of one sample; X (n, ...) samples, an array or a dict of blocks; b baseline; g gradient;
           a attributions; φ Shapley values
"""

from mcbook.sensitivity.blocks import block_norms, on_blocks, project_simplex, split
from mcbook.sensitivity.gradients import gradient_times_input, gradients, smoothgrad
from mcbook.sensitivity.integrated import Integrated, expected_gradients, integrated_gradients
from mcbook.sensitivity.interactions import interaction_norms, mixed_block
from mcbook.sensitivity.mutagenesis import forecast, mutagenesis
from mcbook.sensitivity.network import (
    Network,
    NetworkVJP,
    as_model,
    init_network,
    loss_and_grad,
    mixed_hessian,
    predict,
    vjp_predict,
)
from mcbook.sensitivity.randomised import randomise, similarity
from mcbook.sensitivity.shapley import Shapley, coalitions, shapley, shapley_weights
from mcbook.sensitivity.shares import Shares, block_shares, block_totals
from mcbook.sensitivity.training import Training, train

__all__ = [
    "Integrated",
    "Network",
    "NetworkVJP",
    "Shapley",
    "Shares",
    "Training",
    "as_model",
    "block_norms",
    "block_shares",
    "block_totals",
    "coalitions",
    "expected_gradients",
    "forecast",
    "gradient_times_input",
    "gradients",
    "init_network",
    "integrated_gradients",
    "interaction_norms",
    "loss_and_grad",
    "mixed_block",
    "mixed_hessian",
    "mutagenesis",
    "on_blocks",
    "predict",
    "project_simplex",
    "randomise",
    "shapley",
    "shapley_weights",
    "similarity",
    "smoothgrad",
    "split",
    "train",
    "vjp_predict",
]
