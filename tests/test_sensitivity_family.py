"""Evolution under a known coupling model, and the planted answers."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import sensitivity as se


def small(rng, **settings):
    return se.random_potts(rng, **{"sites": 3, "letters": 3, "contacts": 2} | settings)


def test_couplings_are_symmetric_and_on_contacts_alone(rng):
    potts = se.random_potts(rng, sites=6, letters=4, contacts=5)
    np.testing.assert_array_equal(potts.J, potts.J.transpose(1, 0, 3, 2))
    assert (np.abs(potts.J).max(axis=(2, 3)) > 0).sum() == 10
    assert not potts.J[np.arange(6), np.arange(6)].any()


def test_mutation_effects_are_differences_of_log_fitness(rng):
    potts = small(rng, sites=5, contacts=6)
    S = rng.integers(0, 3, (4, 5))
    E = se.mutation_effects(potts, S)
    before = se.log_fitness(potts, S)
    for i, a in product(range(5), range(3)):
        mutant = S.copy()
        mutant[:, i] = a
        np.testing.assert_allclose(E[:, i, a], se.log_fitness(potts, mutant) - before, atol=1e-13)


def test_mutation_effects_are_the_gradients_forecast(rng):
    """H is linear in each position alone: the gradient forecasts its single mutants without error."""
    potts = small(rng, sites=5, contacts=6)
    X = np.eye(3)[rng.integers(0, 3, (4, 5))]

    def H(s):
        return (potts.h * s).sum() + jnp.einsum("ia,ijab,jb->", s, potts.J, s) / 2

    np.testing.assert_allclose(
        se.forecast(se.gradients(H, X), X), se.mutation_effects(potts, X.argmax(axis=2)), atol=1e-13
    )


def test_evolution_keeps_the_boltzmann_distribution(rng):
    potts = small(rng)
    states = np.array(list(product(range(3), repeat=3)))
    p = np.exp(se.log_fitness(potts, states))
    p /= p.sum()
    S = se.evolve(potts, rng.integers(0, 3, (20_000, 3)), 120, rng=rng)
    counts = np.bincount(S @ [9, 3, 1], minlength=27)
    chi2 = ((counts - 20_000 * p) ** 2 / (20_000 * p)).sum()
    assert chi2 < 26 + 5 * np.sqrt(2 * 26)
    flat = np.full(27, 20_000 / 27)
    assert ((counts - flat) ** 2 / flat).sum() > 500, "a flat distribution would not pass"


def test_the_tree_makes_relatives_alike_and_strangers_not(rng):
    families = se.simulate_families(64, rng=rng)
    alike = (families.relatives == families.sequences[:, None]).mean()
    strangers = (families.sequences[:, None] == families.sequences[None]).mean(axis=2)
    other = families.clades[:, None] != families.clades[None]
    same = ~other & ~np.eye(64, dtype=bool)
    assert alike > strangers[other].mean() + 0.2
    assert strangers[same].mean() > strangers[other].mean()
    assert families.relatives.shape == (64, 15, 20)


def test_the_answers_are_what_was_planted():
    rng = np.random.default_rng(11)
    families = se.simulate_families(200, rng=rng, msa_share=0.3, noise=0.2)
    variance = families.contributions.var(axis=0)
    np.testing.assert_allclose(variance, [0.7, 0.3], rtol=1e-10)
    np.testing.assert_allclose(families.contributions.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(families.clean, families.contributions.sum(axis=1), atol=1e-12)
    assert (families.y - families.clean).std() == pytest.approx(0.2, rel=0.2)
    f = se.true_model(families)
    answers = jax.vmap(f)(jax.tree.map(jnp.asarray, families.X))
    np.testing.assert_allclose(answers, families.clean, atol=1e-12)


def test_the_supports_are_where_the_gradients_are():
    families = se.simulate_families(60, rng=np.random.default_rng(5))
    G = se.gradients(se.true_model(families), families.X)
    moves = {
        "PS": np.abs(se.project_simplex(G["PS"])).max(axis=(0, 2)) > 1e-12,
        "MSA": np.abs(G["MSA"]).max(axis=(0, 2)) > 1e-12,
    }
    for name, mask in families.support.items():
        np.testing.assert_array_equal(moves[name], mask)
        assert mask.sum() == 6


def test_without_interaction_the_blocks_shapley_values_are_the_contributions():
    families = se.simulate_families(40, rng=np.random.default_rng(6))
    found = se.shapley(se.true_model(families), families.X, families.X)
    np.testing.assert_allclose(found.values, families.contributions, atol=1e-12)
    norms = se.interaction_norms(se.true_model(families), families.X)
    assert not norms[:, 0, 1].any()
    bound = se.simulate_families(40, rng=np.random.default_rng(6), kappa=0.5)
    assert se.interaction_norms(se.true_model(bound), bound.X)[:, 0, 1].min() > 1e-4
    gap = np.abs(se.shapley(se.true_model(bound), bound.X, bound.X).values - bound.contributions)
    assert gap.max() > 0.05


def test_the_profile_counts_relatives(rng):
    relatives = np.array([[[0, 1], [0, 1], [0, 2]]])
    m = se.profile(np.array([[0, 0]]), relatives, 3)
    f = np.array([[3 + 1 / 3, 1 / 3, 1 / 3], [1 / 3, 2 + 1 / 3, 1 + 1 / 3]]) / 4
    np.testing.assert_allclose(m[0, :, 0], np.log(3 * f[:, 0]), atol=1e-14)
    np.testing.assert_allclose(m[0, :, 1], np.log(3) + (f * np.log(f)).sum(axis=1), atol=1e-14)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda rng: se.random_potts(rng, sites=3, contacts=4), "at most 3 contacts"),
        (lambda rng: se.random_potts(rng, letters=1), "2 sites and letters"),
        (lambda rng: se.log_fitness(small(rng), np.zeros((2, 4), int)), r"\(n, 3\) integers 0\.\.2"),
        (lambda rng: se.log_fitness(small(rng), np.full((2, 3), 3)), r"0\.\.2"),
        (lambda rng: se.evolve(small(rng), np.zeros((2, 3)), 1, rng=rng), "integers"),
        (lambda rng: se.simulate_families(3, rng=rng), "n ≥ 4"),
        (lambda rng: se.simulate_families(30, rng=rng, msa_share=1.2), "msa_share"),
        (lambda rng: se.simulate_families(30, rng=rng, support=(0, 3)), r"support must name 1\.\.20"),
    ],
)
def test_bad_input_is_named_with_its_remedy(call, said, rng):
    with pytest.raises(ValueError, match=said):
        call(rng)
