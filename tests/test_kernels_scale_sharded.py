"""Many devices: the answer on one, on eight simulated ones and in two processes; padding, and refusals."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from mcbook import kernels

ROOT = Path(__file__).parents[1]
N, TILE = 83, 8  # 83 rows: no multiple of 8 devices, of 2 processes, or of the tile

# Every process runs this: the fit, the product and the sums, on all devices that it sees.
WORKER = f"""
import sys
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
processes, process, port, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
if processes > 1:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{{port}}", processes, process, initialization_timeout=60)
from mcbook import kernels
rng = np.random.default_rng(7)
X, Y = rng.uniform(-1, 1, ({N}, 3)), rng.normal(size=({N}, 2))
mesh = kernels.device_mesh()
settings = dict(mesh=mesh, tile={TILE})
fit = kernels.fit_sharded(X, Y, sigma=0.8, lam=0.05, Z=X[:20], P=np.ones(({N}, 1)), tol=1e-12, **settings)
sums = kernels.add_up_sharded(kernels.nystroem_basis(X[:20], sigma=0.8), X, Y, **settings)
shards = kernels.shard_rows(X, sigma=[0.5, 1.0, 2.0], **settings)
product = kernels.sharded_product(shards, Y, kernel="matern52")
if process == 0:
    np.savez(out, alpha=fit.model.alpha, beta=fit.model.beta, converged=fit.run.converged,
             gram=sums.gram, moment=sums.moment, square=sums.square, product=product,
             devices=mesh.size, processes=jax.process_count())
"""


def problem():
    rng = np.random.default_rng(7)
    return rng.uniform(-1, 1, (N, 3)), rng.normal(size=(N, 2))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run_workers(out: Path, *, processes: int, devices: int) -> str:
    """Runs WORKER in so many processes of so many simulated devices each; what went wrong, or ''."""
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    port = str(free_port())
    commands = [
        [sys.executable, "-c", WORKER, str(processes), str(i), port, str(out)] for i in range(processes)
    ]
    running = [
        subprocess.Popen(c, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for c in commands
    ]
    try:
        said = [p.communicate(timeout=180)[1] for p in running]
    finally:
        for p in running:
            p.kill()
    return "".join(text for p, text in zip(running, said, strict=True) if p.returncode)


@pytest.mark.parametrize(("processes", "devices"), [(1, 8), (2, 1)])
def test_the_answer_does_not_depend_on_the_devices(processes, devices, tmp_path):
    out = tmp_path / "answer.npz"
    wrong = run_workers(out, processes=processes, devices=devices)
    if wrong and processes > 1:  # another program may have taken the port between asking and binding
        wrong = run_workers(out, processes=processes, devices=devices)
    assert not wrong
    X, Y = problem()
    with np.load(out, allow_pickle=False) as answer:
        assert answer["devices"] == processes * devices
        assert answer["processes"] == processes
        assert answer["converged"]
        exact = kernels.fit(X, Y, sigma=0.8, lam=0.05, P=np.ones((N, 1)))
        np.testing.assert_allclose(answer["alpha"], exact.alpha, rtol=0, atol=1e-8)
        np.testing.assert_allclose(answer["beta"], exact.beta, rtol=0, atol=1e-8)
        K = kernels.kernel_matrix(X, kernel="matern52", sigma=[0.5, 1.0, 2.0])
        np.testing.assert_allclose(answer["product"], K @ Y, rtol=0, atol=1e-12)
        sums = kernels.add_up(kernels.nystroem_basis(X[:20], sigma=0.8), kernels.stream_rows(X, Y))
        for name in ("gram", "moment", "square"):
            np.testing.assert_allclose(answer[name], getattr(sums, name), rtol=0, atol=1e-11)


@pytest.fixture(scope="module")
def mesh():
    return kernels.device_mesh()


def test_one_device_gives_the_exact_answer_with_and_without_a_preconditioner(mesh):
    X, Y = problem()
    exact = kernels.fit(X, Y, sigma=0.8, lam=0.05)
    plain, helped = (
        kernels.fit_sharded(X, Y, mesh=mesh, sigma=0.8, lam=0.05, Z=Z, tol=1e-12, tile=TILE)
        for Z in (None, X[:20])
    )
    for fit in (plain, helped):
        assert fit.run.converged, fit.run.message
        np.testing.assert_allclose(fit.model.alpha, exact.alpha, rtol=0, atol=1e-8)
        assert fit.run.residuals.shape == (fit.run.iterations + 1, 2)
    assert helped.run.iterations < plain.run.iterations
    np.testing.assert_allclose(kernels.predict(helped.model, X[:5]), kernels.predict(exact, X[:5]), atol=1e-8)


def test_padding_carries_no_weight(mesh):
    """The same rows in tiles that fit exactly and in tiles that leave rows over."""
    X, Y = problem()
    one, two = (
        kernels.sharded_product(kernels.shard_rows(X, sigma=0.8, mesh=mesh, tile=t), Y) for t in (83, 8)
    )
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-12)
    shards = kernels.shard_rows(X, sigma=0.8, mesh=mesh, tile=TILE)
    assert len(shards.A) == 88
    assert float(shards.live.sum()) == N


def test_running_out_of_steps_is_data(mesh):
    X, Y = problem()
    fit = kernels.fit_sharded(X, Y, mesh=mesh, sigma=0.8, lam=0.05, Z=X[:20], max_iter=2, tile=TILE)
    assert not fit.run.converged
    assert fit.run.iterations == 2
    assert "NOT converged" in fit.run.message


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda X, Y, mesh: kernels.device_mesh([]), "at least one device"),
        (lambda X, Y, mesh: kernels.shard_rows(X, sigma=1.0, mesh=mesh, tile=0), "tile ≥ 1"),
        (lambda X, Y, mesh: kernels.shard_rows(X, sigma=-1.0, mesh=mesh), "positive"),
        (lambda X, Y, mesh: kernels.fit_sharded(X, Y, mesh=mesh, sigma=1.0, lam=0.0), "lam > 0"),
        (lambda X, Y, mesh: kernels.fit_sharded(X, Y[:5], mesh=mesh, sigma=1.0, lam=1.0), "every sample"),
        (lambda X, Y, mesh: kernels.fit_sharded(X * np.nan, Y, mesh=mesh, sigma=1.0, lam=1.0), "NaN"),
        (
            lambda X, Y, mesh: kernels.sharded_product(kernels.shard_rows(X, sigma=1.0, mesh=mesh), Y[:5]),
            "every sample",
        ),
        (
            lambda X, Y, mesh: kernels.add_up_sharded(
                kernels.nystroem_basis(X[:4], sigma=1.0), X[:, :2], Y, mesh=mesh
            ),
            "3 features",
        ),
    ],
)
def test_bad_input_is_refused(call, says, mesh):
    with pytest.raises(ValueError, match=says):
        call(*problem(), mesh)


def test_one_device_here():
    assert len(jax.devices()) == 1  # the tests above rely on the workers for more
