"""Checkpoints: whole or refused, and a killed training goes on as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from diffusion_networks import untrained

from mcbook.diffusion import checkpoint, training
from mcbook.diffusion.training import Settings

ROOT = Path(__file__).parents[1]
TINY = Settings(steps=20, every=5, batch=8)


@pytest.fixture
def pixels():
    rng = np.random.default_rng(0)
    return rng.integers(0, 3, size=(30, 2, 2)), rng.integers(0, 2, size=30)


def train(pixels, path=None, until=None, settings=TINY, **changes):
    model = untrained(np.random.default_rng(1), **changes)
    return training.train(model, *pixels, key=jax.random.key(0), settings=settings, path=path, until=until)


def leaves(run):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(run.model)]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(leaves(first), leaves(second), strict=True))


def test_a_state_comes_back_to_the_bit(tmp_path, rng):
    state = {"a": rng.normal(size=(2, 3)), "b": [np.float32(rng.normal(size=4)), np.int32(7)]}
    checkpoint.save(tmp_path / "run.npz", state, {"rate": 0.1})
    found = checkpoint.load(tmp_path / "run.npz", state, {"rate": 0.1})
    assert jax.tree.structure(found) == jax.tree.structure(state)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.asarray(b).dtype
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


@pytest.mark.parametrize("until", [5, 15])
def test_interrupted_and_resumed_is_the_same_run(tmp_path, pixels, until):
    whole, path = train(pixels), tmp_path / "run.npz"
    part = train(pixels, path, until)
    assert part.steps == until
    assert not same(part, whole)
    rest = train(pixels, path)
    assert rest.steps == 20
    assert same(rest, whole)
    np.testing.assert_array_equal(rest.losses, whole.losses)
    again = train(pixels, path)  # finished: nothing is left to do
    assert same(again, whole)


def test_a_run_that_forgets_the_optimiser_is_another_run(tmp_path, pixels):
    """The planted error: weights restored, Adam's memory not."""
    whole, path = train(pixels), tmp_path / "run.npz"
    train(pixels, path, 10)
    model = untrained(np.random.default_rng(1))
    blank = training._begin(model, TINY)
    data, labels = training._prepared(model, *pixels)
    described = training._described(model, data, labels, jax.random.key(0), TINY)
    state = checkpoint.load(path, blank, described)
    checkpoint.save(path, state._replace(optimiser=blank.optimiser), described)
    assert not same(train(pixels, path), whole)


def test_truncated_damaged_and_foreign_files_are_refused_by_name(tmp_path, pixels):
    path = tmp_path / "run.npz"
    train(pixels, path, 5)
    good = path.read_bytes()
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
    for bad in (good[:middle], good[:-1], b"", b"not a checkpoint", flipped):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"run\.npz is no whole checkpoint"):
            train(pixels, path)
    np.savez(path, a=np.arange(3))
    with pytest.raises(ValueError, match="no whole checkpoint"):
        train(pixels, path)
    np.savez(path, header=np.array([{"code": "runs"}], dtype=object))
    with pytest.raises(ValueError, match="no whole checkpoint"):
        train(pixels, path)


def test_every_flipped_byte_of_an_array_is_noticed(tmp_path):
    """Beyond zip's own checksum: a leaf replaced by another of its shape."""
    state, path = {"a": np.arange(6.0)}, tmp_path / "run.npz"
    checkpoint.save(path, state, {})
    with np.load(path) as arrays:
        parts = dict(arrays)
    parts["leaf_0"] = parts["leaf_0"] + 1e-12
    np.savez(path, **parts)
    with pytest.raises(ValueError, match="SHA-256 does not fit"):
        checkpoint.load(path, state)


def test_another_architecture_is_refused_with_the_array_that_differs(tmp_path, pixels):
    path = tmp_path / "run.npz"
    train(pixels, path, 5)
    with pytest.raises(
        ValueError, match=r"another architecture: expected .*W.*\(32, 6\).* found .*\(32, 8\)"
    ):
        train(pixels, path, width=6)
    with pytest.raises(ValueError, match="another architecture"):
        train(pixels, path, kind="conv")
    with pytest.raises(ValueError, match=r"another architecture|expected \d+ arrays"):
        train(pixels, path, depth=2)


def test_another_run_is_refused_with_the_settings_that_differ(tmp_path, pixels):
    path = tmp_path / "run.npz"
    train(pixels, path, 5)
    with pytest.raises(ValueError, match=r"differ in rate: expected \[0.01\], found \[0.002\]"):
        train(pixels, path, settings=TINY._replace(rate=0.01))
    with pytest.raises(ValueError, match="differ in data_and_start"):
        train((pixels[0][:20], pixels[1][:20]), path)


def test_a_write_that_fails_leaves_the_old_checkpoint_and_no_litter(tmp_path, monkeypatch):
    path, old, new = tmp_path / "run.npz", {"a": np.zeros(3)}, {"a": np.ones(3)}
    checkpoint.save(path, old, {})

    def full(*_args, **_kwargs):
        raise OSError("no space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.os, name, full)
            with pytest.raises(OSError, match="no space"):
                checkpoint.save(path, new, {})
        assert not checkpoint.load(path, old)["a"].any()
        assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]
    with pytest.raises(FileNotFoundError):
        checkpoint.load(tmp_path / "none.npz", old)


RUN = """
import sys
sys.path.insert(0, "tests")
import jax
jax.config.update("jax_enable_x64", True)
import numpy as np
from test_diffusion_checkpoint import train
from mcbook.diffusion.training import Settings
rng = np.random.default_rng(0)
pixels = rng.integers(0, 3, size=(30, 2, 2)), rng.integers(0, 2, size=30)
train(pixels, sys.argv[1], settings=Settings(steps=200_000, every=5, batch=8))
"""


def test_killed_without_warning_nothing_that_was_saved_is_lost(tmp_path, pixels):
    """SIGKILL in the middle of a run that saves all the time; what is left is whole, and the run goes on."""
    path = tmp_path / "run.npz"
    settings = Settings(steps=200_000, every=5, batch=8)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    process = subprocess.Popen([sys.executable, "-c", RUN, str(path)], env=env, cwd=ROOT)
    try:
        deadline = time.monotonic() + 120
        while not path.exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.exists()
    assert checkpoint.read(path)[0]["settings"]["steps"] == 200_000
    saved = train(pixels, path, 5, settings=settings).steps  # nothing beyond what was saved
    assert saved >= 5
    rest = train(pixels, path, saved + 10, settings=settings)
    whole = train(pixels, None, saved + 10, settings=settings)
    assert rest.steps == whole.steps == saved + 10
    assert same(rest, whole)
