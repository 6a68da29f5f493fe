"""Identities as data: each row held against differences, JAX and the engine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook.calculus import check_lines, evaluate
from mcbook.calculus.engine.code import function_code
from mcbook.calculus.identities import FIRST, Identity

ROWS = pytest.mark.parametrize("row", FIRST, ids=lambda row: row.name.replace(" ", "-"))


@ROWS
def test_a_row_is_what_differences_say(row, rng):
    assert max(row.check(rng) for _ in range(5)) <= 1e-9


@ROWS
def test_a_row_is_what_the_engine_derives(row, rng):
    derived, values = row.derive(), row.entry.sample(rng)
    ours = np.reshape(evaluate(row.G, values), derived.X.data.shape)
    theirs = derived(values)
    assert np.linalg.norm(ours - theirs) <= 1e-12 * np.linalg.norm(theirs)


@ROWS
def test_a_row_is_what_jax_says(row, rng):
    """Through the code that the engine writes for F: another road than the one that evaluates it."""
    values = row.entry.sample(rng)
    names = sorted(values)
    space: dict = {}
    code = function_code(row.entry.f, "f", [row.declared[name] for name in names], target="jax")
    exec(code, space)
    at = names.index(row.wrt)
    theirs = jax.grad(space["f"], argnums=at)(*(jnp.asarray(values[name]) for name in names))
    ours = np.reshape(evaluate(row.G, values), theirs.shape)
    assert np.linalg.norm(ours - theirs) <= 1e-11 * np.linalg.norm(theirs)


@ROWS
def test_the_differential_of_a_number_is_a_line_of_its_derivation(row):
    if row.F.is_scalar:
        assert check_lines(row.F, [row.differential], row.declared[row.wrt]).ok


@pytest.mark.parametrize("which", ["differential", "gradient"])
@pytest.mark.parametrize("wrong", ["1.001 * ({})", "-({})"])
@ROWS
def test_planted_errors_are_found(row, which, wrong, rng):
    planted = row._replace(**{which: wrong.format(getattr(row, which))})
    assert max(planted.check(rng) for _ in range(3)) > 1e-5


@pytest.mark.parametrize(
    ("name", "which", "wrong"),
    [
        ("quadratic form", "gradient", "2 * A @ x"),
        ("log determinant", "gradient", "inv(X)"),
        ("inverse", "differential", "-inv(X) @ dX"),
        ("inverse", "gradient", "-inv(X) @ C @ inv(X)"),
        ("square", "differential", "2 * X @ dX"),
        ("nine knobs", "gradient", "(P @ W.T - Q).T @ P / 2"),
    ],
)
def test_classic_mistakes_are_found(name, which, wrong, rng):
    (row,) = [row for row in FIRST if row.name == name]
    assert row._replace(**{which: wrong}).check(rng) > 1e-3


def test_rows_have_names_of_their_own_and_can_stand_in_a_table():
    assert len({row.name for row in FIRST}) == len(FIRST)
    for row in FIRST:
        assert all("|" not in tex and r"\mathrm{d" + row.wrt not in tex for tex in row.latex())
        assert rf"\mathrm{{d}}{row.wrt}" in row.latex()[1]


def test_an_array_without_a_cotangent_is_named():
    with pytest.raises(ValueError, match="C"):
        Identity("square", "X @ X", "X:3,3", "X", "dX @ X + X @ dX", "X").derive()
