"""A network that passes messages between atoms: scalars and vectors, equivariant layer by layer.

Problem    an energy of atoms at X that obeys `laws` by construction, whatever its weights
State      s (a, f), features that do not turn; V (a, f, 3), features that turn like positions, V ↦ V Rᵀ
Message    Δs_i = Σ_j φ₁(s_j) ∘ w₁(r_ij);  ΔV_i = Σ_j φ₂(s_j) ∘ w₂(r_ij) u_ijᵀ + φ₃(s_j) ∘ w₃(r_ij) V_j
Update     with P = M V, Q = N V (M, N (f, f) mix features, never x with y), n = ‖Q‖ and q = ⟨P, Q⟩ rowwise:
           Δs = g₁(s, n) + g₂(s, n) ∘ q;  ΔV = g₃(s, n) ∘ P
Energy     E = E₀ + scale · Σ_i ρ(s_i): a sum over atoms
Forces     F = -∇E: JAX takes ∂E/∂D, `geometry.vjp_displacements` does the rest
References schuett2021 (PaiNN, of which this is a small relative)
Symbols    a atoms, f features, r_c cutoff (Å), φ g ρ networks of one hidden layer, w linear in
           the radial functions
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from mcbook.symmetry import geometry

Array = Any  # NumPy or JAX
EPS = 1e-4  # under the root of a vector feature's length: smooth where it vanishes


class Dense(NamedTuple):
    """Weights (inputs, outputs) and biases of one affine map."""

    W: Float[Array, "i o"]
    b: Float[Array, " o"]


class Layer(NamedTuple):
    """One round: messages from the neighbours, then an update of each atom by itself."""

    phi: tuple[Dense, Dense]  # f -> f -> 3f
    w: Float[Array, "k 3*f"]  # radial functions -> filters
    mix: Float[Array, "2*f f"]  # M over N
    gate: tuple[Dense, Dense]  # 2f -> f -> 3f


class Network(NamedTuple):
    """All that is trained, and three numbers that are not: scale, offset (kcal/mol), cutoff (Å)."""

    embedding: Float[Array, "e f"]  # a row for each element
    layers: tuple[Layer, ...]
    readout: tuple[Dense, Dense]  # f -> f/2 -> 1
    scale_kcal: Float[Array, ""]
    offset_kcal: Float[Array, ""]
    cutoff_angstrom: Float[Array, ""]


class State(NamedTuple):
    """Features of the atoms."""

    s: Float[Array, "a f"]
    V: Float[Array, "a f 3"]


def init(
    key: Any,
    *,
    elements: int,
    features: int = 16,
    rounds: int = 2,
    radial: int = 8,
    cutoff_angstrom: int | float = 5.0,
    scale_kcal: int | float = 1.0,
    offset_kcal: int | float = 0.0,
) -> Network:
    """Random weights for so many elements.  Raises ValueError for sizes or lengths that are not positive."""
    sizes = (elements, features, rounds, radial)
    if min(sizes) < 1 or not (0 < cutoff_angstrom < np.inf and 0 < scale_kcal < np.inf):
        raise ValueError(
            f"init expects positive sizes, cutoff and scale, got {sizes}, {cutoff_angstrom}, {scale_kcal}."
        )
    f = features
    keys = iter(jax.random.split(key, 2 + 6 * rounds + 2))
    layers = tuple(
        Layer(
            _mlp(keys, f, f, 3 * f),
            jax.random.normal(next(keys), (radial, 3 * f)) * jnp.sqrt(0.5 / radial),
            jax.random.normal(next(keys), (2 * f, f)) / jnp.sqrt(f),
            _mlp(keys, 2 * f, f, 3 * f),
        )
        for _ in range(rounds)
    )
    table = jax.random.normal(next(keys), (elements, f))
    readout = _mlp(keys, f, max(f // 2, 1), 1)
    numbers = (jnp.asarray(float(v)) for v in (scale_kcal, offset_kcal, cutoff_angstrom))
    return Network(table, layers, readout, *numbers)


def _mlp(keys, i, h, o):
    def dense(i, o):
        return Dense(jax.random.normal(next(keys), (i, o)) / jnp.sqrt(i), jnp.zeros(o))

    return dense(i, h), dense(h, o)


def mlp(pair: tuple[Dense, Dense], x: Float[Array, "a i"]) -> Float[Array, "a o"]:
    """Affine, silu (x · sigmoid(x), smooth), affine: on scalars only."""
    first, last = pair
    return jax.nn.silu(x @ first.W + first.b[None]) @ last.W + last.b[None]


def message(layer: Layer, state: State, radial: Float[Array, "a a k"], u: Float[Array, "a a 3"]) -> State:
    """What each atom i hears: filters of distance times features of j, summed over j."""
    s, V = state
    W = jnp.einsum("ijk,kf->ijf", radial, layer.w) * mlp(layer.phi, s)[None]
    W_s, W_u, W_V = jnp.split(W, 3, axis=-1)
    ds = W_s.sum(axis=1)
    dV = jnp.einsum("ijf,ijx->ifx", W_u, u) + jnp.einsum("ijf,jfx->ifx", W_V, V)
    return State(s + ds, V + dV)


def update(layer: Layer, state: State) -> State:
    """Each atom by itself: vectors are mixed, and gated by scalars; scalars hear lengths, inner products."""
    s, V = state
    P, Q = jnp.split(jnp.einsum("gf,afx->agx", layer.mix, V), 2, axis=1)
    n = jnp.sqrt((Q**2).sum(-1) + EPS)
    g_s, g_q, g_V = jnp.split(mlp(layer.gate, jnp.concatenate([s, n], axis=1)), 3, axis=1)
    return State(s + g_s + g_q * (P * Q).sum(-1), V + g_V[..., None] * P)


def atom_energies(params: Network, D: Float[Array, "a a 3"], species: Int[Array, " a"]) -> Float[Array, " a"]:
    """ρ(s_i) after all rounds, (a,), from differences of positions; species i is a row of the embedding."""
    r = geometry.lengths(D)
    u = D / r[..., None]
    count = params.layers[0].w.shape[0]
    radial = geometry.radial_functions(r, params.cutoff_angstrom, count)
    s = params.embedding[species]
    state = State(s, jnp.zeros((*s.shape, 3), s.dtype))
    for layer in params.layers:
        state = update(layer, message(layer, state, radial, u))
    return mlp(params.readout, state.s)[:, 0]


def energy(params: Network, X: Float[Array, "a 3"], species: Int[Array, " a"]) -> Float[Array, ""]:
    """E in kcal/mol."""
    each = atom_energies(params, geometry.displacements(X), species)
    return params.offset_kcal + params.scale_kcal * each.sum()


def energy_and_forces(
    params: Network, X: Float[Array, "a 3"], species: Int[Array, " a"]
) -> tuple[Float[Array, ""], Float[Array, "a 3"]]:
    """E in kcal/mol and F = -∇E in kcal/mol/Å, of one pass forwards and one back."""
    D = geometry.displacements(X)
    each, D_bar = jax.value_and_grad(lambda D: atom_energies(params, D, species).sum())(D)
    E = params.offset_kcal + params.scale_kcal * each
    return E, -params.scale_kcal * geometry.vjp_displacements(D_bar)


def species_of(numbers: Any, elements: Any) -> Int[np.ndarray, " a"]:
    """The row of each atom in the ascending list of elements.

    Raises ValueError for an element that the list lacks.
    """
    numbers, elements = np.asarray(numbers, dtype=int), np.unique(np.asarray(elements, dtype=int))
    unknown = np.setdiff1d(numbers, elements)
    if len(unknown):
        raise ValueError(
            f"the network knows the elements {elements.tolist()}, got {unknown.tolist()} as well: "
            "it has to be trained on molecules that hold them."
        )
    return np.searchsorted(elements, numbers)
