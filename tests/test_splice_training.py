"""Training: it learns, stops, repeats itself, says when it diverged; and a wrong gradient learns too."""

import jax
import numpy as np
import pytest

from mcbook.calculus import check_grad
from mcbook.splice import mistakes, networks, training
from mcbook.splice.initial import init_two_way
from mcbook.splice.simulate import JUNCTION, simulate_windows

SETTINGS = {"epochs": 6, "batch": 50, "rate": 2e-2, "unknown": 0.0}


@pytest.fixture(scope="module")
def windows():
    """Donors, acceptors and others to learn from and to judge by: no decoys, so that little is enough."""
    rng = np.random.default_rng(5)
    return simulate_windows(500, rng=rng, decoys=0.0), simulate_windows(200, rng=rng, decoys=0.0)


def start(gated=False, hidden=8, seed=0):
    return init_two_way(np.random.default_rng(seed), hidden=hidden, gated=gated)


def run(windows, params=None, seed=1, **settings):
    W, V = windows
    settings = SETTINGS | settings
    rng = np.random.default_rng(seed)
    return training.train(params or start(), W.X, W.y, validation=V, rng=rng, **settings)


def test_it_learns_and_reports_its_course(windows):
    result = run(windows)
    for column in (result.losses, result.grad_norms, result.val_losses, result.val_accuracies):
        assert column.shape == (6,)
        assert np.isfinite(column).all()
    assert result.losses[-1] < 0.6 * result.losses[0]
    assert result.val_accuracies[result.best_epoch] > 0.85
    assert not result.diverged


def test_the_best_epoch_is_kept(windows):
    """What comes back has the least validation loss that the course shows, to the last digits."""
    _, V = windows
    result = run(windows)
    assert result.best_epoch == result.val_losses.argmin()
    kept = networks.loss(result.params, V.X, V.y)
    assert float(kept) == pytest.approx(result.val_losses.min(), rel=1e-9)
    p = training.predict(result.params, V.X)
    assert (p.argmax(1) == V.y).mean() == result.val_accuracies[result.best_epoch]
    np.testing.assert_allclose(p, jax.nn.softmax(networks.logits(result.params, V.X), axis=1), atol=1e-12)


def test_the_generator_decides_everything(windows):
    one, two, other = run(windows), run(windows), run(windows, seed=2)
    assert one.losses.tolist() == two.losses.tolist() != other.losses.tolist()


def test_without_validation_the_last_epoch_is_returned(windows):
    W, _ = windows
    result = training.train(start(), W.X, W.y, rng=np.random.default_rng(1), **SETTINGS)
    assert result.best_epoch == 5
    assert len(result.val_losses) == 0
    assert len(result.losses) == 6


def test_divergence_is_data(windows):
    result = run(windows, rate=1e30, clip=None)
    assert result.diverged
    assert len(result.losses) < 6
    assert np.isnan(result.val_losses[-1])
    assert np.isfinite(np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(result.params)])).all()


def test_class_weights_make_classes_equal():
    y = np.repeat([0, 1, 2], [10, 30, 60])
    w = training.class_weights(y, 3)
    np.testing.assert_allclose(w * np.bincount(y), 100 / 3)
    with pytest.raises(ValueError, match="class 1 has none"):
        training.class_weights(np.array([0, 2]), 3)


def test_a_rare_class_is_found_when_it_weighs_as_much(windows):
    """Two per cent donors: weighing classes moves the decision towards them."""
    rng = np.random.default_rng(6)
    W, V = (simulate_windows(n, rng=rng, shares=(0.02, 0.0, 0.98), decoys=0.5) for n in (500, 2000))
    weight = np.array([24.0, 1.0, 0.5])
    found = [
        training.predict(
            training.train(
                start(), W.X, W.y, rng=np.random.default_rng(1), class_weight=w, **SETTINGS
            ).params,
            V.X,
        ).argmax(1)
        for w in (None, weight)
    ]
    recall = [(p[V.y == 0] == 0).mean() for p in found]
    assert recall[1] > recall[0] + 0.2


def test_blurring_replaces_a_share_of_the_letters(rng):
    X = np.eye(4)[rng.integers(4, size=(100, 60))]
    blurred = training.blurred(X, 0.3, rng=rng)
    unknown = (blurred == 0.25).all(axis=2)
    assert abs(unknown.mean() - 0.3) < 0.03
    np.testing.assert_array_equal(blurred[~unknown], X[~unknown])
    np.testing.assert_array_equal(training.blurred(X, 0.0, rng=rng), X)


def flat_case(rng):
    """A tanh network on a few windows; its parameters as one vector, and back."""
    W = simulate_windows(6, rng=rng)
    params = start(hidden=3, seed=4)
    vector, back = jax.flatten_util.ravel_pytree(params)
    return W, np.asarray(vector), back


def test_the_right_gradient_passes(rng):
    W, vector, back = flat_case(rng)
    G = jax.flatten_util.ravel_pytree(networks.grad_loss(back(vector), W.X, W.y))[0]
    check_grad(lambda v: float(networks.loss(back(v), W.X, W.y)), np.asarray(G), vector, rng=rng)


@pytest.mark.parametrize("mistake", mistakes.MISTAKES)
def test_each_mistake_is_caught_by_the_check_and_not_by_the_loss(mistake, rng, windows):
    """Its loss is the right one, its training lowers it, clipped or not; the check sees it at once."""
    W, vector, back = flat_case(rng)
    loss, grad = mistakes.wrong_loss_and_grad(mistake)(back(vector), W.X, W.y)
    assert float(loss) == pytest.approx(float(networks.loss(back(vector), W.X, W.y)), rel=1e-12)
    G = np.asarray(jax.flatten_util.ravel_pytree(grad)[0])
    with pytest.raises(AssertionError):
        check_grad(lambda v: float(networks.loss(back(v), W.X, W.y)), G, vector, rng=rng)


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_wrong_gradient_learns_and_clipping_hides_it(clip, windows):
    wrong = run(windows, clip=clip, loss_and_grad=mistakes.wrong_loss_and_grad("transposed"))
    right = run(windows, clip=clip)
    assert wrong.losses[-1] < 0.8 * wrong.losses[0]
    assert right.val_losses.min() < wrong.val_losses.min()
    assert not wrong.diverged


def test_mistakes_know_what_they_are_mistakes_in(windows):
    W, _ = windows
    with pytest.raises(ValueError, match="no mistake 'typo'; known are transposed"):
        mistakes.wrong_loss_and_grad("typo")
    with pytest.raises(ValueError, match="gated=False"):
        mistakes.wrong_loss_and_grad("transposed")(start(gated=True), W.X, W.y)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"batch": 501}, "lower batch"),
        ({"epochs": 0}, "epochs ≥ 1"),
        ({"unknown": 1.0}, "unknown < 1"),
        ({"rate": 0.0}, "rate > 0"),
        ({"class_weight": [1.0, 2.0]}, "one weight per class"),
    ],
)
def test_settings_out_of_range(change, says, windows):
    with pytest.raises(ValueError, match=says):
        run(windows, **change)


def test_bad_windows(windows):
    W, _ = windows
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="integer labels"):
        training.train(start(), W.X, np.eye(3)[W.y], rng=rng)
    with pytest.raises(ValueError, match="NaN"):
        training.train(start(), np.where(np.arange(60)[:, None] == JUNCTION, np.nan, W.X), W.y, rng=rng)
    with pytest.raises(ValueError, match="empty"):
        training.predict(start(), W.X[:0])
