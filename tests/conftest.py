"""What every test shares: 64-bit JAX on the CPU, strict ranks, a generator seeded from the test's name."""

import zlib

import jax
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator that is the same in every run and different in every test."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def one_blas_thread():
    """Small matrices on a busy machine: threads that wait for one another cost more than they save."""
    with threadpool_limits(1, "blas"):
        yield
