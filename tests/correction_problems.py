"""What the tests on corrections share: a made-up molecule, and a kernel that JAX differentiates."""

import jax
import jax.numpy as jnp
import numpy as np

from mcbook import correction

SYMBOLS = ("O", "H", "H")
SWAPS = correction.like_atoms(SYMBOLS)
WELL = np.array([[0.0, 0.0, 0.0], [0.0, 0.76, -0.59], [0.0, -0.76, -0.59]])
PSI = {"log": jnp.log, "distance": lambda r: r, "inverse": lambda r: 1 / r}


def geometries(rng, n, spread=0.1):
    """n molecules about the well, each turned and shifted at random: nothing may depend on the frame."""
    X = WELL + spread * rng.normal(size=(n, 3, 3))
    turns = np.array([np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(n)])
    return X @ turns + rng.normal(size=(n, 1, 3))


def energy_one(x):
    """A made-up energy of one geometry (3, 3): Morse bonds, a spring between the hydrogens, a coupling."""
    r1, r2, hh = (jnp.sqrt(((x[i] - x[j]) ** 2).sum()) for i, j in ((0, 1), (0, 2), (1, 2)))
    a, b = 1 - jnp.exp(-2.2 * (r1 - 0.97)), 1 - jnp.exp(-2.2 * (r2 - 0.97))
    return 7.0 + 110 * (a**2 + b**2) + 60 * (hh - 1.5) ** 2 + 12 * a * b


toy_energy = jax.jit(jax.vmap(energy_one))
toy_gradient = jax.jit(jax.vmap(jax.grad(energy_one)))
toy_hessian = jax.jit(jax.vmap(jax.hessian(energy_one)))


def toy():
    """The same as a surface."""
    return correction.Surface(
        lambda X: np.asarray(toy_energy(X)),
        lambda X: np.asarray(toy_gradient(X)),
        lambda X: np.asarray(toy_hessian(X)),
    )


def kernel_jax(x, z, sigma, feature="log"):
    """k(x, z) of two geometries, symmetrised: from the definition, one pair of atoms after the other."""

    def pairs(y):
        r = jnp.stack([jnp.sqrt(((y[i] - y[j]) ** 2).sum()) for i, j in ((0, 1), (0, 2), (1, 2))])
        return PSI[feature](r) / jnp.asarray([sigma[0], sigma[0], sigma[1]])

    ks = [jnp.exp(-0.5 * ((pairs(x) - pairs(z[np.array(g)])) ** 2).sum()) for g in SWAPS]
    return sum(ks) / len(SWAPS)


def close(a, b, tol):
    """‖a - b‖ ≤ tol ‖b‖."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert np.linalg.norm(a - b) <= tol * np.linalg.norm(b)
