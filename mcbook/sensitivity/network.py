"""A small network on blocks of features, and its derivatives by hand: parameters, inputs, second order.

Problem    ŷ(x), x a dict of blocks, one real answer per sample
Forward    a_1 = Σ_b x_b W_bᵀ + b_1,  h_1 = φ(a_1),  a_2 = h_1 W_2ᵀ + b_2,  h_2 = φ(a_2),  ŷ = h_2 v + c
Gradient   dŷ = ⟨v, φ'(a_2) ⊙ da_2⟩ and so on inwards, a cotangent for every quantity:
               ā_2 = ȳ vᵀ ⊙ φ'(a_2),   ā_1 = (ā_2 W_2) ⊙ φ'(a_1),   x̄_b = ā_1 W_b
           so ∂ŷ/∂s = W_sᵀ D_1 W_2ᵀ D_2 v: both blocks are pulled back through the same path, and part only at
           the first weights
Second     ∂²ŷ/∂x_a∂x_b = W_aᵀ (D_1 W_2ᵀ diag(v ⊙ φ''(a_2)) W_2 D_1 + diag(W_2ᵀ D_2 v ⊙ φ''(a_1))) W_b
Symbols    X dict of (n, d_b), or of anything that flattens to it, as letters (n, L, A) do;
           n samples; h, k hidden units of the two layers; D = diag φ'; ȳ = y_bar
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.sensitivity import _checks
from mcbook.sensitivity._layout import Array, Partial


class Network(NamedTuple):
    """Parameters: a first matrix for each block, a second layer, a read-out."""

    first: dict[str, Any]  # name -> (h, d_b)
    b1: Float[Array, " h"]
    W2: Float[Array, "k h"]
    b2: Float[Array, " k"]
    v: Float[Array, " k"]
    c: Float[Array, ""]


class NetworkVJP(NamedTuple):
    """What flows back out: to the parameters (a Network) and to the blocks of X."""

    params: Any
    X: Any


class Activation(NamedTuple):
    """φ and its first and second derivatives, elementwise."""

    value: Callable[..., Any]
    slope: Callable[..., Any]
    bend: Callable[..., Any]


ACTIVATIONS = {
    "tanh": Activation(
        jnp.tanh,
        lambda a: 1 - jnp.tanh(a) ** 2,
        lambda a: -2 * jnp.tanh(a) * (1 - jnp.tanh(a) ** 2),
    ),
    "softplus": Activation(
        jax.nn.softplus, jax.nn.sigmoid, lambda a: jax.nn.sigmoid(a) * (1 - jax.nn.sigmoid(a))
    ),
    "relu": Activation(jax.nn.relu, lambda a: (a > 0).astype(a.dtype), jnp.zeros_like),
}


def init_network(
    rng: np.random.Generator, widths: dict[str, int], *, hidden: tuple[int, int] = (32, 16)
) -> Network:
    """Weights N(0, 1/fan-in), the blocks' widths taken together; biases zero.

    Raises ValueError for no blocks, and for widths or hidden sizes below 1.
    """
    h, k = hidden
    if not widths or min(*widths.values(), h, k) < 1:
        raise ValueError(f"init_network expects positive widths and hidden sizes, got {widths} and {hidden}.")
    d = sum(widths.values())
    first = {name: rng.normal(size=(h, w)) / np.sqrt(d) for name, w in widths.items()}
    W2, v = rng.normal(size=(k, h)) / np.sqrt(h), rng.normal(size=k) / np.sqrt(k)
    return Network(first, np.zeros(h), W2, np.zeros(k), v, np.zeros(()))


# The mathematics, on JAX arrays


def forward(params: Network, X: dict[str, Any], phi: Activation):
    """ŷ (n,), and a_1, h_1, a_2, h_2 for the way back."""
    a1 = sum(X[name] @ W.T for name, W in params.first.items()) + params.b1[None]
    h1 = phi.value(a1)
    a2 = h1 @ params.W2.T + params.b2[None]
    h2 = phi.value(a2)
    return h2 @ params.v + params.c, (a1, h1, a2, h2)


def backward(params: Network, X: dict[str, Any], saved, y_bar: Float[Array, " n"], phi: Activation):
    """y_bar back through the read-out, the second and the first layer."""
    a1, h1, a2, h2 = saved
    a2_bar = y_bar[:, None] * params.v[None] * phi.slope(a2)
    a1_bar = (a2_bar @ params.W2) * phi.slope(a1)
    first = {name: a1_bar.T @ X[name] for name in params.first}
    grad = Network(first, a1_bar.sum(0), a2_bar.T @ h1, a2_bar.sum(0), h2.T @ y_bar, y_bar.sum())
    return NetworkVJP(grad, {name: a1_bar @ W for name, W in params.first.items()})


def hessian_block(params: Network, saved, a: str, b: str, phi: Activation) -> Float[Array, "n d_a d_b"]:
    """∂²ŷ/∂x_a∂x_b of every sample, by the formula above."""
    a1, _, a2, _ = saved
    inner = params.v[None] * phi.slope(a2) @ params.W2 * phi.bend(a1)
    W = params.W2[None] * phi.slope(a1)[:, None]  # W_2 D_1 of every sample
    M = jnp.einsum("nki,nk,nkj->nij", W, params.v[None] * phi.bend(a2), W)
    M = M + inner[:, :, None] * jnp.eye(a1.shape[1], dtype=a1.dtype)[None]
    return jnp.einsum("ip,nij,jq->npq", params.first[a], M, params.first[b])


# The public functions: NumPy or JAX arrays, checked, then compiled


def predict(params: Any, X: Any, *, activation: str = "tanh") -> Float[Array, " n"]:
    """ŷ of each sample of the blocks X, each (n, d_b).  Raises ValueError."""
    return _predict(*_prepare(params, X), _known(activation))


def vjp_predict(params: Any, X: Any, y_bar: Any, *, activation: str = "tanh") -> NetworkVJP:
    """From y_bar (n,) to parameters and blocks; with y_bar = 1 the blocks' part is ∂ŷ/∂x_b of each sample.

    Raises ValueError.
    """
    shapes = {name: np.shape(x) for name, x in X.items()} if isinstance(X, dict) else {}
    params, X = _prepare(params, X)
    n = len(next(iter(X.values())))
    if np.shape(y_bar) != (n,):
        raise ValueError(f"y_bar must be ({n},), one for each sample's answer; got shape {np.shape(y_bar)}.")
    back = _vjp_predict(params, X, jnp.asarray(y_bar, params.v.dtype), _known(activation))
    return NetworkVJP(back.params, {name: x_bar.reshape(shapes[name]) for name, x_bar in back.X.items()})


def mixed_hessian(params: Any, X: Any, a: str, b: str, *, activation: str = "tanh"):
    """∂²ŷ/∂x_a∂x_b (n, d_a, d_b) in closed form; zero for relu, wherever it exists.  Raises ValueError."""
    params, X = _prepare(params, X)
    for name in (a, b):
        if name not in params.first:
            raise ValueError(f"there is no block {name!r}; the blocks are {', '.join(params.first)}.")
    return _mixed_hessian(params, X, a, b, _known(activation))


def loss_and_grad(params: Any, X: Any, y: Any, *, activation: str = "tanh") -> tuple[Any, Any]:
    """½ mean (ŷ - y)², in y's units squared, and its gradient with respect to the parameters.

    Raises ValueError.
    """
    params, X = _prepare(params, X)
    y = _targets(y, len(next(iter(X.values()))))
    return squared_loss_and_grad(params, X, jnp.asarray(y, params.v.dtype), _known(activation))


def as_model(params: Any, *, activation: str = "tanh") -> Any:
    """The network as a model of one sample, for the attributions: a `Partial`; new weights compile nothing.

    Raises ValueError for an unknown activation.
    """
    return Partial(partial(_one, activation=_known(activation)), jax.tree.map(jnp.asarray, params))


def _one(params, x, *, activation):
    rows = {name: x[name].reshape(1, -1) for name in params.first}
    return forward(params, rows, ACTIVATIONS[activation])[0][0]


@partial(jax.jit, static_argnames="activation")
def _predict(params, X, activation):
    return forward(params, X, ACTIVATIONS[activation])[0]


@partial(jax.jit, static_argnames="activation")
def _vjp_predict(params, X, y_bar, activation):
    phi = ACTIVATIONS[activation]
    return backward(params, X, forward(params, X, phi)[1], y_bar, phi)


@partial(jax.jit, static_argnames=("a", "b", "activation"))
def _mixed_hessian(params, X, a, b, activation):
    phi = ACTIVATIONS[activation]
    return hessian_block(params, forward(params, X, phi)[1], a, b, phi)


@partial(jax.jit, static_argnames="activation")
def squared_loss_and_grad(params, X, y, activation):
    """Loss and gradient on arrays that are known to fit."""
    phi = ACTIVATIONS[activation]
    y_hat, saved = forward(params, X, phi)
    n = len(y)
    return ((y_hat - y) ** 2).sum() / (2 * n), backward(params, X, saved, (y_hat - y) / n, phi).params


def _known(activation: str) -> str:
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {activation!r}.")
    return activation


def _prepare(params: Any, X: Any) -> tuple[Network, dict[str, Any]]:
    """Parameters, and blocks flattened to (n, d_b), as JAX arrays of one dtype.  Raises ValueError."""
    if not isinstance(params, Network):
        raise ValueError(f"params must be a Network, got {type(params).__name__}; init_network makes one.")
    if not isinstance(X, dict) or set(X) != set(params.first):
        got = sorted(X) if isinstance(X, dict) else type(X).__name__
        raise ValueError(f"X must be a dict of the network's blocks, {sorted(params.first)}; got {got}.")
    _checks.rows(X)
    for name, W in params.first.items():
        if np.prod(np.shape(X[name])[1:]) != np.shape(W)[1]:
            raise ValueError(
                f"X[{name!r}] must have {np.shape(W)[1]} numbers per sample, as many as the network's first "
                f"matrix has columns; got shape {np.shape(X[name])}."
            )
    for leaf in jax.tree.leaves(params):
        _checks.real(leaf, "params")
    params = jax.tree.map(jnp.asarray, params)
    n = len(next(iter(X.values())))
    return params, {name: jnp.asarray(X[name], params.v.dtype).reshape(n, -1) for name in params.first}


def _targets(y: Any, n: int) -> np.ndarray:
    y = _checks.real(y, "y")
    if y.shape != (n,):
        raise ValueError(f"y must be ({n},), one answer for each sample; got shape {y.shape}.")
    return y
