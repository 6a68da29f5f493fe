"""Splice: recurrent networks that read a genome, and backpropagation through time by hand.

Problem    where in a sequence of letters does an exon end (donor) or begin (acceptor)?
Modules    cells (one step, and all of them backwards), through_time (segments, checkpoints), networks
<<<<<<< HEAD
           (classifier, loss, gradient, truncation), initial, jacobians (products through time), streaming (a
           chromosome); sequences (letters, FASTA), simulate (sites whose truth is known), training, mistakes
           (wrong gradients to catch), evaluate (folds, tests), motifs (what the gradients look for)
Page       book/learning/splice
Symbols    X (n, T, d) letters as probability rows, rows are samples; y (n,) classes; h hidden units;
           k classes; W_x, W_h, b of a cell; V, c of the read-out; h_t state, a_t what goes into it; h̄ its
           cotangent, `h_bar`
=======
           (classifier, loss, gradient, truncation), initial, jacobians (products through time), streaming
Page       book/learning/splice
Symbols    X (n, T, d) letters as probability rows, rows are samples; y (n,) classes; h hidden units;
           k classes; W_x, W_h, b of a cell; V, c of the read-out; h_t state; h̄_t its cotangent, `h_bar`
>>>>>>> splice-core
"""

from mcbook.splice.cells import CellVJP, GRUCell, RNNCell
from mcbook.splice.evaluate import (
    CorrectedT,
    Curve,
    Fold,
    McNemar,
    accuracy,
    class_errors,
    confusion,
    corrected_t,
    grouped_folds,
    groups_of,
    leaked,
    mcnemar,
    precision_recall,
)
from mcbook.splice.initial import init_gru, init_gru_cell, init_rnn, init_rnn_cell, init_two_way
from mcbook.splice.jacobians import (
    product_log_singular_values,
    state_cotangents,
    step_jacobians,
    with_spectral_radius,
)
from mcbook.splice.mistakes import MISTAKES, wrong_loss_and_grad
from mcbook.splice.motifs import (
    find_sites,
    height_correlation,
    implied_frequencies,
    information,
    input_gradients,
    kl_divergence,
    letter_frequencies,
    logo_heights,
    windows_at,
)
from mcbook.splice.networks import (
    NetworkVJP,
    OneWay,
    TwoWay,
    checkpointed_grad_loss,
    cross_entropy,
    grad_cross_entropy_logits,
    grad_loss,
    junction_logits,
    logits,
    loss,
    loss_and_grad,
    states,
    truncated_grad_loss,
    vjp_logits,
    vjp_states,
)
from mcbook.splice.sequences import (
    IUPAC,
    LETTERS,
    Piece,
    Record,
    decode,
    encode,
    encode_windows,
    read_fasta,
    reverse_complement,
    stream_fasta,
)
from mcbook.splice.simulate import (
    ACCEPTOR,
    BACKGROUND,
    CLASSES,
    DONOR,
    JUNCTION,
    WINDOW,
    Planted,
    Site,
    Windows,
    bayes_scores,
    simulate_stretch,
    simulate_windows,
    site_log_odds,
)
from mcbook.splice.streaming import Stretch, lambert_tanh, letter_rows, scan, stream
from mcbook.splice.training import Training, class_weights, predict, train

__all__ = [
    "ACCEPTOR",
    "BACKGROUND",
    "CLASSES",
    "DONOR",
    "IUPAC",
    "JUNCTION",
    "LETTERS",
    "MISTAKES",
    "WINDOW",
    "CellVJP",
    "CorrectedT",
    "Curve",
    "Fold",
    "GRUCell",
    "McNemar",
    "NetworkVJP",
    "OneWay",
    "Piece",
    "Planted",
    "RNNCell",
    "Record",
    "Site",
    "Stretch",
    "Training",
    "TwoWay",
    "Windows",
    "accuracy",
    "bayes_scores",
    "checkpointed_grad_loss",
    "class_errors",
    "class_weights",
    "confusion",
    "corrected_t",
    "cross_entropy",
    "decode",
    "encode",
    "encode_windows",
    "find_sites",
    "grad_cross_entropy_logits",
    "grad_loss",
    "grouped_folds",
    "groups_of",
    "height_correlation",
    "implied_frequencies",
    "information",
    "init_gru",
    "init_gru_cell",
    "init_rnn",
    "init_rnn_cell",
    "init_two_way",
    "input_gradients",
    "junction_logits",
    "kl_divergence",
    "lambert_tanh",
    "leaked",
    "letter_frequencies",
    "letter_rows",
    "logits",
    "logo_heights",
    "loss",
    "loss_and_grad",
    "mcnemar",
    "precision_recall",
    "predict",
    "product_log_singular_values",
    "read_fasta",
    "reverse_complement",
    "scan",
    "simulate_stretch",
    "simulate_windows",
    "site_log_odds",
    "state_cotangents",
    "states",
    "step_jacobians",
    "stream",
    "stream_fasta",
    "train",
    "truncated_grad_loss",
    "vjp_logits",
    "vjp_states",
    "windows_at",
    "with_spectral_radius",
    "wrong_loss_and_grad",
]
