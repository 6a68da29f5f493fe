"""Images: the digits' split and scale, and folders in MNIST's format, good and bad."""

import gzip
import struct

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits

from mcbook.diffusion import images, labelled, training
from mcbook.diffusion import model as learned


def test_the_split_is_the_peers_and_shares_no_image():
    split, (X, y) = images.digits(), load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(X))
    np.testing.assert_array_equal(split.test.pixels.reshape(-1, 64), X[order[-360:]])
    np.testing.assert_array_equal(split.test.labels, y[order[-360:]])
    back = images.together(split.train, split.validation)
    np.testing.assert_array_equal(back.pixels.reshape(-1, 64), X[order[:-360]])
    assert [len(part.pixels) for part in split] == [1150, 287, 360]
    assert {part.levels for part in split} == {17}


def test_dequantised_pixels_stay_in_their_cells(rng):
    pixels = rng.integers(0, 17, size=(50, 8, 8))
    x = images.dequantise(pixels, 17, rng=rng)
    np.testing.assert_array_equal(images.to_pixels(x, 17), pixels)
    assert x.min() >= -1
    assert x.max() < 1
    np.testing.assert_allclose(x.mean(), images.centred(pixels, 17).mean(), atol=2e-3)
    edges = images.cell_edges(17)
    np.testing.assert_allclose(images.centred(np.arange(17), 17), (edges[:-1] + edges[1:]) / 2)
    np.testing.assert_array_equal(images.to_pixels([-1.3, 1.0, 2.0], 17), [0, 16, 16])


def test_bits_of_the_uniform_law_are_the_logarithm_of_the_levels():
    log_density = np.full(3, -64 * np.log(2.0))  # uniform on (-1, 1)^64
    np.testing.assert_allclose(images.bits_per_dimension(log_density, 64, 17), np.log2(17))
    cell = np.full(1, 64 * np.log(17 / 2))  # all in one cell: nothing to code
    np.testing.assert_allclose(images.bits_per_dimension(cell, 64, 17), 0, atol=1e-12)


def test_the_starting_point_has_the_dequantised_moments(rng):
    split = images.digits()
    base, found, sigma_data = images.starting_point(split.train, shrink=0.0)
    x = np.concatenate([images.dequantise(split.train.pixels, 17, rng=rng) for _ in range(20)]).reshape(
        -1, 64
    )
    y = np.tile(split.train.labels, 20)
    assert sigma_data == pytest.approx(x.std(), rel=1e-3)
    for k in (0, 7):
        C = base.mixture.axes[k] @ np.diag(base.mixture.variances[k]) @ base.mixture.axes[k].T
        np.testing.assert_allclose(C, np.cov(x[y == k].T, bias=True), atol=3e-3)
        np.testing.assert_allclose(base.mixture.means[k], x[y == k].mean(0), atol=5e-3)
    assert found.shares[0] > 0.4  # the background


def test_scaled_pixels_are_refused_as_grey_levels(rng):
    for bad in (rng.random((2, 8, 8)), np.full((2, 8, 8), 17), np.full((2, 8, 8), -1)):
        with pytest.raises(ValueError, match="whole grey levels 0 … 16"):
            images.dequantise(bad, 17, rng=rng)
    with pytest.raises(ValueError, match="rng must be a NumPy generator"):
        images.dequantise(np.zeros((1, 2)), 17, rng=0)


# Folders in MNIST's format


def idx(array) -> bytes:
    array = np.asarray(array, np.uint8)
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path, rng):
    pixels, labels = rng.integers(0, 256, (12, 28, 28)), np.arange(12) % 3
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(pixels))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path, pixels, labels


def test_a_folder_gzipped_or_not(folder):
    path, pixels, labels = folder
    found = images.idx_images(path)
    np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.levels == 256


def test_what_is_missing_is_named(folder):
    with pytest.raises(FileNotFoundError, match="lacks t10k-images-idx3-ubyte"):
        images.idx_images(folder[0], "test")
    with pytest.raises(ValueError, match="'train' or 'test'"):
        images.idx_images(folder[0], "validation")


def test_wrong_magic_truncated_and_too_long_are_refused_by_name(folder):
    path = folder[0] / "train-images-idx3-ubyte"
    good = path.read_bytes()
    for bad, words in (
        (b"\0\0\x0d" + good[3:], "magic number"),  # floats
        (b"\x89PNG" + good[4:], "magic number"),
        (b"", "magic number"),
        (good[:-1], "truncated or damaged"),
        (good[:10], "truncated or damaged"),
        (good + b"\0", "truncated or damaged"),
    ):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=rf"train-images-idx3-ubyte .*{words}"):
            images.idx_images(folder[0])


def test_a_truncated_gzip_file_is_refused_by_name(folder):
    path = folder[0] / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte\.gz is truncated or no gzip"):
        images.idx_images(folder[0])
    path.write_bytes(b"plain")
    with pytest.raises(ValueError, match="truncated or no gzip"):
        images.idx_images(folder[0])


def test_labels_must_be_as_many_as_images(folder):
    (folder[0] / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(5))))
    with pytest.raises(ValueError, match=r"\(12, 28, 28\) and \(5,\)"):
        images.idx_images(folder[0])


def test_the_same_code_trains_on_28_by_28(folder):
    """A few steps on the reader's folder: convolutions, 256 grey levels, a Gaussian for each class."""
    found = images.idx_images(folder[0])
    base, grey, sigma_data = images.starting_point(found)
    model = learned.init_model(
        jax.random.key(0),
        (28, 28),
        kind="conv",
        width=4,
        depth=2,
        classes=3,
        base=base,
        levels=grey,
        sigma_data=sigma_data,
    )
    settings = training.Settings(steps=4, every=2, batch=4)
    run = training.train(model, found.pixels, found.labels, key=jax.random.key(1), settings=settings)
    assert not run.diverged
    D = learned.denoise(
        run.model, images.dequantise(found.pixels[:2], 256, rng=np.random.default_rng(0)), 0.5, 1
    )
    assert D.shape == (2, 28, 28)
    assert np.isfinite(np.asarray(D)).all()
    cut = found.pixels[:, :27, :27]
    with pytest.raises(ValueError, match=r"divisible by 4, got shape \(27, 27\)"):
        training.train(model, cut, found.labels, key=jax.random.key(1), settings=settings)


def test_the_base_alone_tells_most_digits_apart():
    """Bayes with one Gaussian for each class, on the test digits: labels and pixels belong together."""
    split = images.digits()
    base, _, _ = images.starting_point(split.train)
    x = images.centred(split.test.pixels, 17).reshape(-1, 64)
    found = np.asarray(labelled.class_log_probability(x, 0.05, base)).argmax(1)
    assert (found == split.test.labels).mean() > 0.95
