"""The Gaussian process on pairs: JAX's derivatives, the covariance matrix in full, symmetry, doubt."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from correction_problems import (
    SWAPS,
    WELL,
    close,
    geometries,
    kernel_jax,
    toy_energy,
    toy_gradient,
)

from mcbook import correction
from mcbook.calculus import check_grad
from mcbook.correction import evidence, features, kernel, process

pytestmark = pytest.mark.usefixtures("one_blas_thread")
SIGMA, LAM = np.array([0.4, 0.6]), np.array([1e-6, 3e-5])
FEATURES = pytest.mark.parametrize("feature", list(correction.FEATURES))


def data_of(rng, n=7):
    X = geometries(rng, n)
    return X, np.asarray(toy_energy(X)), np.asarray(toy_gradient(X))


def model_of(rng, *, gradients=True, feature="log", n=7, **settings):
    X, E, G = data_of(rng, n)
    return correction.fit(
        X,
        energy_kcal=E,
        gradient_kcal_angstrom=G if gradients else None,
        symmetries=SWAPS,
        feature=feature,
        **({"sigma": SIGMA, "lam": LAM} | settings),
    )


@partial(jax.jit, static_argnames=("sigma", "feature"))
def full_covariance(X, Z, sigma, feature):
    """Energies and Cartesian gradients at X (n, 3, 3) and Z: every block is JAX's derivative of k."""

    def table(f):
        return jax.vmap(lambda x: jax.vmap(lambda z: f(x, z))(Z))(X)

    def k(x, z):
        return kernel_jax(x, z, sigma, feature)

    n, m = len(X), len(Z)
    EE = table(k)
    EG = table(jax.grad(k, 1)).reshape(n, m * 9)
    GE = table(jax.grad(k, 0)).transpose(0, 2, 3, 1).reshape(n * 9, m)
    GG = table(jax.jacfwd(jax.grad(k, 0), 1)).transpose(0, 2, 3, 1, 4, 5).reshape(n * 9, m * 9)
    return jnp.block([[EE, EG], [GE, GG]])


@pytest.mark.parametrize("feature", ["inverse"])
def test_nothing_is_lost_in_reduced_coordinates(feature, rng):
    """Posterior mean, gradient and doubt are those of the full Cartesian system, solved by brute force."""
    X, E, G = data_of(rng)
    Z = geometries(rng, 4)
    model = model_of(np.random.default_rng(0), feature=feature)
    X, E, G = data_of(np.random.default_rng(0))
    n = len(X)
    K = full_covariance(X, X, tuple(SIGMA), feature)
    C = np.asarray(K) + np.diag(np.repeat(LAM, [n, 9 * n]))
    y, P = np.append(E, G), np.repeat([[1.0], [0.0]], [n, 9 * n], axis=0)
    CP = np.linalg.solve(C, P)
    beta = (CP.T @ y / (P.T @ CP).ravel()).item()
    weights = np.linalg.solve(C, y - beta * P.ravel())
    cross = np.asarray(full_covariance(Z, X, tuple(SIGMA), feature))
    predicted = cross @ weights
    close(correction.energy(model, Z), predicted[:4] + beta, 1e-9)
    close(correction.gradient(model, Z).ravel(), predicted[4:], 1e-8)
    k, k0 = cross[:4], np.diag(np.asarray(full_covariance(Z, Z, tuple(SIGMA), feature)))[:4]
    u = 1 - k @ CP.ravel()
    variance = k0 - np.einsum("mN,mN->m", k, np.linalg.solve(C, k.T).T) + u**2 / (P.T @ CP).item()
    said = correction.doubt(model, Z)
    close(said.sd_kcal**2, variance * model.s2, 1e-6)


@FEATURES
@pytest.mark.parametrize("gradients", [False, True])
def test_gradient_and_hessian_are_those_of_the_energy(feature, gradients, rng):
    model = model_of(rng, gradients=gradients, feature=feature)
    Z = geometries(rng, 3)

    def f(x):  # the formula of the docstring, one geometry
        q = features.FEATURES[feature].psi
        r = jnp.stack([jnp.sqrt(((x[i] - x[j]) ** 2).sum()) for i, j in ((0, 1), (0, 2), (1, 2))])
        psi = {"log": jnp.log, "distance": lambda r: r, "inverse": q}[feature]
        widths = jnp.asarray([SIGMA[0], SIGMA[0], SIGMA[1]])
        total = model.offset_kcal
        for g in model.data.pairs:
            d = (psi(r) / widths)[None] - jnp.asarray(model.data.q[:, g]) / widths[None]
            total += (jnp.exp(-0.5 * (d**2).sum(1)) * (model.a + (d * model.w[:, g]).sum(1))).sum() / 2
        return total

    E, G, H = jax.jit(lambda Z: (jax.vmap(f)(Z), jax.vmap(jax.grad(f))(Z), jax.vmap(jax.hessian(f))(Z)))(Z)
    close(correction.energy(model, Z), E, 1e-12)
    close(correction.gradient(model, Z), G, 1e-11)
    close(correction.hessian(model, Z), H, 1e-11)


def test_the_checker_agrees_and_planted_errors_fail(rng):
    model, X = model_of(rng), geometries(rng, 1)

    def f(x):
        return correction.energy(model, x.reshape(1, 3, 3))[0]

    def claim(x):
        return correction.gradient(model, x.reshape(1, 3, 3))[0]

    assert check_grad(f, claim, X[0], rng=rng)
    planted = {
        "sign": lambda G: -G,
        "factor": lambda G: 2 * G,
        "0.1 %": lambda G: 1.001 * G,
        "transposed": lambda G: G.T,
        "the last atom forgotten": lambda G: G * np.array([[1], [1], [0]]),
    }
    for spoil in planted.values():
        with pytest.raises(AssertionError, match="the gradient is wrong"):
            check_grad(f, lambda x, spoil=spoil: spoil(claim(x)), X[0], rng=rng)


def test_blocks_are_the_derivatives_of_the_kernel(rng):
    X, Z = geometries(rng, 4), geometries(rng, 7)
    A, B = (
        kernel.scaled(
            features.features(Y, features.LOG),
            features.feature_jacobian(Y, features.LOG),
            SIGMA[np.array([0, 0, 1])],
        )
        for Y in (X, Z)
    )
    pairs = process._checks.pairs(SWAPS)
    found = kernel.blocks(A, B, pairs)
    whole = np.asarray(full_covariance(X, Z, tuple(SIGMA), "log"))
    close(found.EE, whole[:4, :7], 1e-13)
    close(found.EG.reshape(4, -1), whole[:4, 7:], 1e-12)
    close(found.GG.reshape(36, 63), whole[4:, 7:], 1e-12)


@pytest.mark.parametrize(("feature", "gradients"), [("distance", False), ("log", True)])
def test_the_evidence_descends_as_jax_says(feature, gradients, rng):
    X, E, G = data_of(rng)
    data = correction.observe(
        X,
        energy_kcal=E,
        gradient_kcal_angstrom=G if gradients else None,
        symmetries=SWAPS,
        feature=feature,
    )
    J, q = jnp.asarray(data.J), jnp.asarray(data.q)

    def loss(theta):
        sigma, lam = jnp.exp(theta[:2])[data.labels], jnp.exp(theta[2:])
        z, Jz = q / sigma[None], J / sigma[None, :, None]
        n, s = len(q), J.shape[2]
        EE, EG, GG = 0.0, 0.0, 0.0
        for g in data.pairs:
            d = z[:, None] - z[None, :, g]
            k = jnp.exp(-0.5 * (d**2).sum(-1))
            right = jnp.einsum("ijp,jpa->ija", d, Jz[:, g])
            left = jnp.einsum("ijp,ipa->ija", d, Jz)
            T = jnp.einsum("ipa,jpb->iajb", Jz, Jz[:, g]) - jnp.einsum("ija,ijb->iajb", left, right)
            EE, EG, GG = EE + k, EG + k[..., None] * right, GG + k[:, None, :, None] * T
        EG = EG.reshape(n, n * s)
        C = jnp.block([[EE, EG], [EG.T, GG.reshape(n * s, n * s)]]) / len(data.pairs)
        C = C + jnp.diag(jnp.repeat(lam, np.array([n, n * s]), total_repeat_length=n * (1 + s)))
        P, y = jnp.asarray(data.P), jnp.asarray(data.y)
        CP, Cy = jnp.linalg.solve(C, P), jnp.linalg.solve(C, y)
        M = P.T @ CP
        free = len(y) - 1
        s2 = (y @ Cy - (P.T @ Cy) @ jnp.linalg.solve(M, P.T @ Cy)) / free
        return 0.5 * (
            free * (jnp.log(2 * jnp.pi * s2) + 1) + jnp.linalg.slogdet(C)[1] + jnp.linalg.slogdet(M)[1]
        )

    theta = np.log([0.3, 0.5, 1e-4, 2e-3])
    found = correction.judge(data, np.exp(theta[:2]), np.exp(theta[2:]))
    value, slope = jax.jit(jax.value_and_grad(loss))(theta)
    assert found.value == pytest.approx(float(value), rel=1e-10)
    gradient = np.concatenate([found.grad_log_sigma, found.grad_log_lam])
    close(gradient, slope, 1e-9)

    def evidence_at(theta):
        return correction.evidence_loss(data, np.exp(theta[:2]), np.exp(theta[2:]))

    assert check_grad(evidence_at, lambda theta: gradient, theta, rng=rng)
    with pytest.raises(AssertionError, match="the gradient is wrong"):
        check_grad(evidence_at, lambda theta: gradient * [1, 1.001, 1, 1], theta, rng=rng)


@pytest.mark.parametrize("gradients", [False, True])
def test_left_out_is_refitted_without(gradients, rng):
    X, E, G = data_of(rng)
    model = model_of(np.random.default_rng(3), gradients=gradients)
    X, E, G = data_of(np.random.default_rng(3))
    for i in (0, 4):
        rest = np.arange(len(X)) != i
        without = correction.fit(
            X[rest],
            energy_kcal=E[rest],
            gradient_kcal_angstrom=G[rest] if gradients else None,
            symmetries=SWAPS,
            sigma=SIGMA,
            lam=LAM,
        )
        assert E[i] - correction.energy(without, X[i : i + 1])[0] == pytest.approx(
            model.left_out_kcal[i], rel=1e-6
        )
        doubt = correction.doubt(without, X[i : i + 1]).sd_kcal[0] ** 2 / without.s2 + LAM[0]
        assert doubt == pytest.approx(model.left_out_sd_kcal[i] ** 2 / model.s2, rel=1e-5)


@pytest.mark.parametrize("gradients", [False, True])
def test_the_correction_turns_and_swaps_with_the_molecule(gradients, rng):
    model, X = model_of(rng, gradients=gradients), geometries(rng, 2)
    E, G = correction.energy(model, X), correction.gradient(model, X)
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    close(correction.energy(model, X @ Q.T + 0.3), E, 1e-12)
    close(correction.gradient(model, X @ Q.T + 0.3), G @ Q.T, 1e-10)
    swap = [0, 2, 1]
    close(correction.energy(model, X[:, swap]), E, 1e-12)
    close(correction.gradient(model, X[:, swap]), G[:, swap], 1e-10)
    assert np.abs(G.sum(1)).max() <= 1e-10 * np.abs(G).max()
    assert np.abs(np.cross(X, G).sum(1)).max() <= 1e-9 * np.abs(G).max()


def test_it_interpolates_energies_and_gradients(rng):
    X, E, G = data_of(rng, 12)
    model = correction.fit(
        X, energy_kcal=E, gradient_kcal_angstrom=G, symmetries=SWAPS, sigma=[0.2, 0.3], lam=1e-11
    )
    close(correction.energy(model, X), E, 1e-6)
    close(correction.gradient(model, X), G, 1e-5)


def test_gradients_are_worth_many_energies(rng):
    X, E, G = data_of(rng, 14)
    Z = geometries(rng, 40, spread=0.07)
    kwargs = {"symmetries": SWAPS, "energy_kcal": E}
    plain = correction.learn(X, **kwargs)
    rich = correction.learn(X, gradient_kcal_angstrom=G, **kwargs)
    errors = [np.abs(correction.energy(m.model, Z) - toy_energy(Z)).mean() for m in (plain, rich)]
    assert errors[1] < 0.2 * errors[0]
    assert list(rich.modes) == sorted(rich.modes, key=lambda mode: mode.value)
    assert {mode.feature for mode in rich.modes} == {"log", "distance"}


def test_the_offset_is_free(rng):
    """A constant between the levels costs nothing, however large; a fixed one is believed."""
    X, E, _ = data_of(rng)
    near, far = (
        correction.fit(X, energy_kcal=E + c, symmetries=SWAPS, sigma=SIGMA, lam=LAM) for c in (0.0, 4e4)
    )
    Z = geometries(rng, 3)
    np.testing.assert_allclose(correction.energy(far, Z) - 4e4, correction.energy(near, Z), atol=1e-6)
    fixed = correction.fit(X, energy_kcal=E, symmetries=SWAPS, sigma=SIGMA, lam=LAM, offset_kcal=5.0)
    assert fixed.offset_kcal == 5.0
    far_away = X[:1] * 6.0  # no relatives: nothing but the offset is left
    assert correction.energy(fixed, far_away)[0] == pytest.approx(5.0, abs=0.5)


def test_the_norm_is_that_of_the_kernel(rng):
    X, E, _ = data_of(rng)
    model = correction.fit(X, energy_kcal=E, symmetries=SWAPS, sigma=SIGMA, lam=LAM)
    K = np.asarray(full_covariance(X, X, tuple(SIGMA), "log"))[: len(X), : len(X)]
    assert model.norm2 == pytest.approx(model.a @ K @ model.a, rel=1e-8)


def test_doubt_grows_outside_and_says_so(rng):
    X, E, _ = data_of(rng, 30)
    model = correction.learn(X, energy_kcal=E, symmetries=SWAPS).model
    stretched = WELL * np.array([1.5, 1.6, 1.7, 2.2, 2.3])[:, None, None]
    inside, outside = (correction.doubt(model, Z) for Z in (geometries(rng, 20, spread=0.05), stretched))
    assert inside.outside.mean() < 0.2
    assert outside.outside.all()
    assert (np.diff(outside.sd_kcal) > 0).all()
    assert inside.limit_kcal == pytest.approx(np.quantile(model.left_out_sd_kcal, 0.9))


def test_folds_give_the_doubts_their_scale(rng):
    """The calibrated model is the same function; of new errors the share within 1.96 comes near 95 %."""
    X = geometries(rng, 30)
    E, Z = np.asarray(toy_energy(X)), geometries(rng, 200)
    settings = {"energy_kcal": E, "symmetries": SWAPS, "feature": "log", "starts": [5.0]}
    plain, calibrated = correction.learn(X, **settings), correction.learn(X, folds=5, **settings)
    np.testing.assert_array_equal(correction.energy(plain.model, Z), correction.energy(calibrated.model, Z))
    sd = correction.doubt(plain.model, Z).sd_kcal, correction.doubt(calibrated.model, Z).sd_kcal
    close(sd[1], calibrated.calibration * sd[0], 1e-12)
    score = np.abs(correction.energy(plain.model, Z) - toy_energy(Z)) / np.array(sd)
    covered = (score < 1.96).mean(1)
    assert abs(covered[1] - 0.95) < 0.05 or covered[1] > 0.95
    assert covered[1] >= covered[0] - 0.01
    by_hand = []
    for k in range(5):
        rest = np.arange(30) % 5 != k
        part = correction.learn(X[rest], **(settings | {"energy_kcal": E[rest]})).model
        off = np.abs(correction.energy(part, X[~rest]) - E[~rest])
        by_hand.append(off / correction.doubt(part, X[~rest]).sd_kcal)
    rank = np.sort(np.concatenate(by_hand))[29]  # 95 % of 31, rounded up: the 30th of 30
    assert calibrated.calibration == pytest.approx(rank / 1.96)
    with pytest.raises(ValueError, match="folds must be 0, or from 2 to the 30"):
        correction.learn(X, folds=31, **settings)


def test_like_atoms_are_all_permutations_of_a_kind():
    assert correction.like_atoms("OHH").tolist() == [[0, 1, 2], [0, 2, 1]]
    ammonia = correction.like_atoms("NHHH")
    assert len(ammonia) == 6
    assert (ammonia[:, 0] == 0).all()
    assert correction.like_atoms([1, 8, 1]).tolist() == [[0, 1, 2], [2, 1, 0]]
    with pytest.raises(ValueError, match="5040 permutations of like atoms are more than 720"):
        correction.like_atoms("CHHHHHHH")


def test_two_atoms_are_a_molecule_too(rng):
    """A Morse bond from five lengths and their slopes; its force constant is that of the textbook."""
    r = np.linspace(0.8, 1.2, 5)
    stretch = 1 - np.exp(-2 * (r - 1))
    X = np.zeros((5, 2, 3))
    X[:, 1, 2] = r
    G = np.zeros((5, 2, 3))
    G[:, 1, 2] = 400 * stretch * (1 - stretch)
    G[:, 0] = -G[:, 1]
    model = correction.fit(
        X, energy_kcal=100 * stretch**2, gradient_kcal_angstrom=G, symmetries=[[0, 1], [1, 0]], sigma=0.5
    )
    H = correction.hessian(model, np.array([[[0.0, 0, 0], [0, 0, 1.0]]]))[0]
    assert H[1, 2, 1, 2] == pytest.approx(800, rel=1e-2)
    assert np.abs(H[1, :2, 1, :2]).max() < 1  # the slope over the length, zero at the minimum


SPOILT = {
    "energy_kcal must be": {"energy_kcal": np.zeros(3)},
    "must have the positions' shape": {"gradient_kcal_angstrom": np.zeros((7, 3))},
    "holds a NaN": {"energy_kcal": np.array([np.nan, *np.zeros(6)])},
    "not a group": {"symmetries": [[0, 1, 2], [1, 2, 0]]},
    "permutations of 0 to 2": {"symmetries": [[0, 1, 1]]},
    "feature must be": {"feature": "coulomb"},
    "sigma must be positive": {"sigma": [0.3, -0.1]},
    "lam must be positive": {"lam": 0.0},
}


@pytest.mark.parametrize("said", SPOILT)
def test_bad_input_is_named(said, rng):
    X, E, _ = data_of(rng)
    good = {"energy_kcal": E, "symmetries": SWAPS, "sigma": SIGMA, "lam": LAM}
    with pytest.raises(ValueError, match=said):
        correction.fit(X, **(good | SPOILT[said]))


def test_other_molecules_and_units_are_refused(rng):
    model, X = model_of(rng), geometries(rng, 9, spread=0.03)
    with pytest.raises(ValueError, match="the model was trained on 3"):
        correction.energy(model, np.concatenate([X, X + 2], axis=1))
    with pytest.raises(ValueError, match=r"in bohr\? multiply by 0\.529177"):
        correction.energy(model, X / correction.BOHR_ANGSTROM)
    with pytest.raises(ValueError, match=r"add \[None\]"):
        correction.energy(model, X[0])
    with pytest.raises(ValueError, match="coincide"):
        correction.energy(model, X[:, [0, 1, 1]])
    with pytest.raises(ValueError, match="3 geometries or more"):
        correction.learn(X[:2], energy_kcal=np.zeros(2), symmetries=SWAPS)
    with pytest.raises(ValueError, match="singular"):
        evidence.solved(np.ones((4, 4)), np.arange(4.0), np.ones((4, 1)))
