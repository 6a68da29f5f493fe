"""Sensitivity: which input does a model's answer hang on, and how far may the gradient be believed?

Problem    ŷ = f(s, m) of a sequence s and of its relatives m: which of them matters, where, and how surely?
Modules    blocks, gradients, integrated (and paths: kinks), shapley, mutagenesis, interactions: attributions
           of any JAX model; shares, randomised: what to make of them; network, training, validation: a
           model with its derivatives by hand; family: planted truth; alignment, features: a real protein
Page       book/understanding/sensitivity
Symbols    f model of one sample; X (n, ...) samples, an array or a dict of blocks; b baseline; g gradient;
           a attributions; φ Shapley values
"""

from mcbook.sensitivity.alignment import (
    LETTERS,
    encode_alignment,
    encode_protein,
    entropy,
    frequencies,
    gap_fraction,
    identity_to,
    kin_weights,
    log_odds,
    one_hot,
    sequence_weights,
)
from mcbook.sensitivity.blocks import block_norms, on_blocks, project_simplex, split
from mcbook.sensitivity.family import (
    Families,
    Planted,
    Potts,
    contributions,
    evolve,
    fork,
    log_fitness,
    mutation_effects,
    profile,
    random_potts,
    simulate_families,
    true_model,
)
from mcbook.sensitivity.features import (
    PROPERTIES,
    Features,
    Scaling,
    mutant_features,
    scaled,
    standardise,
)
from mcbook.sensitivity.gradients import gradient_times_input, gradients, smoothgrad
from mcbook.sensitivity.integrated import (
    Integrated,
    expected_gradients,
    gauss_legendre,
    integrated_gradients,
)
from mcbook.sensitivity.interactions import interaction_norms, mixed_block
from mcbook.sensitivity.mutagenesis import forecast, mutagenesis
from mcbook.sensitivity.network import (
    ACTIVATIONS,
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
from mcbook.sensitivity.validation import HeldOut, cross_validate, group_folds

__all__ = [
    "ACTIVATIONS",
    "LETTERS",
    "PROPERTIES",
    "Families",
    "Features",
    "HeldOut",
    "Integrated",
    "Network",
    "NetworkVJP",
    "Planted",
    "Potts",
    "Scaling",
    "Shapley",
    "Shares",
    "Training",
    "as_model",
    "block_norms",
    "block_shares",
    "block_totals",
    "coalitions",
    "contributions",
    "cross_validate",
    "encode_alignment",
    "encode_protein",
    "entropy",
    "evolve",
    "expected_gradients",
    "forecast",
    "fork",
    "frequencies",
    "gap_fraction",
    "gauss_legendre",
    "gradient_times_input",
    "gradients",
    "group_folds",
    "identity_to",
    "init_network",
    "integrated_gradients",
    "interaction_norms",
    "kin_weights",
    "log_fitness",
    "log_odds",
    "loss_and_grad",
    "mixed_block",
    "mixed_hessian",
    "mutagenesis",
    "mutant_features",
    "mutation_effects",
    "on_blocks",
    "one_hot",
    "predict",
    "profile",
    "project_simplex",
    "random_potts",
    "randomise",
    "scaled",
    "sequence_weights",
    "shapley",
    "shapley_weights",
    "similarity",
    "simulate_families",
    "smoothgrad",
    "split",
    "standardise",
    "train",
    "true_model",
    "vjp_predict",
]
