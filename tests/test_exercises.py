"""The exercises: every named mistake is told from the answer and from every other mistake."""

import numpy as np
import pytest

from mcbook import exercises, unmixing

NAMES = [name for chapter in exercises.CHAPTERS for name in chapter.QUESTIONS]
BOXES = [name for chapter in exercises.CHAPTERS for name in chapter.BOXES]


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_right_and_each_mistake_is_met_by_its_name(name):
    question = exercises.question(name)
    assert exercises.check(name, question.truth)
    for mistake, answer in question.mistakes.items():
        verdict = exercises.check(name, answer)
        assert not verdict
        assert mistake in verdict.message


@pytest.mark.parametrize("name", NAMES)
def test_no_answer_yet_is_not_an_error(name):
    assert exercises.check(name, None).message.startswith("Not answered yet")


def test_the_quartic_gradient_is_jax_s(rng):
    import jax

    W, X = rng.normal(size=(3, 3)), rng.normal(size=(20, 3))
    theirs = jax.grad(lambda W: unmixing.loss(W, jax.numpy.array(X), unmixing.QUARTIC))(W)
    ours = exercises.question("unmixing-quartic").truth(W, X)
    assert np.linalg.norm(ours - theirs) <= 1e-11 * np.linalg.norm(ours)


def test_the_newton_step_solves_every_block(rng):
    R, a = rng.normal(size=(4, 4)), 2 + rng.random((4, 4))
    E = exercises.question("unmixing-newton-step").truth(R, a)
    assert np.allclose(a * E + E.T, -R, atol=1e-12)


def test_the_scale_box_holds_the_stationary_point():
    w, x = exercises.unmixing.BOXES["unmixing-scale"]["answer"], np.full((8, 1), 2.0)
    assert w**2 * (x**2).mean() == pytest.approx(1)


def test_the_entry_box_holds_the_entry():
    W, h = np.array([[2.0, 1.0], [0.0, 1.0]]), 1e-6
    V = np.array([[0.0, 0.0], [1.0, 0.0]])
    slope = (np.linalg.slogdet(W + h * V)[1] - np.linalg.slogdet(W - h * V)[1]) / (2 * h)
    assert exercises.unmixing.BOXES["unmixing-entry"]["answer"] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("name", BOXES)
def test_boxes_can_be_made(name):
    assert exercises.box(name).prompt


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="no exercise is called 'unmixing-nothing'"):
        exercises.check("unmixing-nothing", 1)
