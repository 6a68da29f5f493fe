"""Splice: recurrent networks that read a genome, and backpropagation through time by hand.

Problem    where in a sequence of letters does an exon end (donor) or begin (acceptor)?
Modules    cells (one step, and all of them backwards), through_time (segments, checkpoints), networks (classifier,
           loss, gradient, truncation), initial, jacobians (products through time), streaming (a chromosome)
Page       book/learning/splice
Symbols    X (n, T, d) letters as probability rows, rows are samples; y (n,) classes; h hidden units; k classes;
           W_x, W_h, b of a cell; V, c of the read-out; h_t state, a_t what goes into it; h̄ its cotangent, `h_bar`
"""

from mcbook.splice.cells import CellVJP, GRUCell, RNNCell
from mcbook.splice.initial import init_gru, init_gru_cell, init_rnn, init_rnn_cell, init_two_way
from mcbook.splice.jacobians import (
    product_log_singular_values,
    state_cotangents,
    step_jacobians,
    with_spectral_radius,
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
from mcbook.splice.streaming import Stretch, lambert_tanh, letter_rows, scan, stream

__all__ = [
    "CellVJP",
    "GRUCell",
    "NetworkVJP",
    "OneWay",
    "RNNCell",
    "Stretch",
    "TwoWay",
    "checkpointed_grad_loss",
    "cross_entropy",
    "grad_cross_entropy_logits",
    "grad_loss",
    "init_gru",
    "init_gru_cell",
    "init_rnn",
    "init_rnn_cell",
    "init_two_way",
    "junction_logits",
    "lambert_tanh",
    "letter_rows",
    "logits",
    "loss",
    "loss_and_grad",
    "product_log_singular_values",
    "scan",
    "state_cotangents",
    "states",
    "step_jacobians",
    "stream",
    "truncated_grad_loss",
    "vjp_logits",
    "vjp_states",
    "with_spectral_radius",
]
