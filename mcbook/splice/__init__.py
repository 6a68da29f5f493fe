"""Splice: recurrent networks that read a genome, and backpropagation through time by hand.

Problem    where in a sequence of letters does an exon end (donor) or begin (acceptor)?
Modules    cells (states forward and backward through time), networks (classifier, loss, gradient)
Page       book/learning/splice
Symbols    X (n, T, d) letters as probability rows, rows are samples; y (n,) classes; h hidden units; k classes;
           W_x, W_h, b of a cell; V, c of the read-out; h_t state, a_t what goes into it; h̄ its cotangent, `h_bar`
"""

from mcbook.splice.cells import CellVJP, GRUCell, RNNCell
from mcbook.splice.networks import (
    NetworkVJP,
    OneWay,
    TwoWay,
    cross_entropy,
    grad_cross_entropy_logits,
    grad_loss,
    init_gru,
    init_gru_cell,
    init_rnn,
    init_rnn_cell,
    init_two_way,
    junction_logits,
    logits,
    loss,
    loss_and_grad,
    states,
    vjp_logits,
    vjp_states,
)

__all__ = [
    "CellVJP",
    "GRUCell",
    "NetworkVJP",
    "OneWay",
    "RNNCell",
    "TwoWay",
    "cross_entropy",
    "grad_cross_entropy_logits",
    "grad_loss",
    "init_gru",
    "init_gru_cell",
    "init_rnn",
    "init_rnn_cell",
    "init_two_way",
    "junction_logits",
    "logits",
    "loss",
    "loss_and_grad",
    "states",
    "vjp_logits",
    "vjp_states",
]
