"""Splice's networks beside JAX's automatic gradient and torch: time through time, memory, scanning speed.

python -m benchmarks.splice                     all of it, into results/splice.json
python -m benchmarks.splice --only bptt         one of bptt, memory, scan

bptt    gradient of the tanh network, H = 64, B = 32, float32: ours and peers, compiled beforehand, in turn
memory  temporary memory that the compiler plans, and peak resident memory in fresh processes, against T
scan    two directions, H = 64 each, in a fresh process on one core: bases a second
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.common import interleave, machine, record, spread, versions
from mcbook import splice
from mcbook.splice.networks import _loss_and_grad
from mcbook.splice.sequences import encode
from mcbook.splice.through_time import Plan

H, B, CLASSES = 64, 32, 3
PACKAGES = ("jax", "jaxlib", "numpy", "torch")


def problem(T: int, seed: int = 0, n: int = B):
    """Parameters (float32), X (n, T, 4) one-hot, y (n,): W_h a rotation, shrunk to radius 0.95."""
    rng = np.random.default_rng(seed)
    params = splice.init_rnn(rng, hidden=H, classes=CLASSES)
    params = params._replace(cell=params.cell._replace(W_h=0.95 * params.cell.W_h))
    X = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (n, T))]
    return jax.tree.map(partial(jnp.asarray, dtype=jnp.float32), params), X, rng.integers(0, CLASSES, n)


# Peers


def scan_loss(params, X, y, unroll=1):
    """The network as one writes it for automatic differentiation; X time first (T, n, d)."""
    (W_x, W_h, b), V, c = params

    def step(h, x):
        return jnp.tanh(x @ W_x.T + h @ W_h.T + b), None

    h = jax.lax.scan(step, jnp.zeros((X.shape[1], H), X.dtype), X, unroll=unroll)[0]
    log_p = jax.nn.log_softmax(h @ V.T + c)
    return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()


def torch_gradient(params, X, y) -> Callable[[], Any]:
    """torch.nn.RNN and a linear layer with the same weights: a call runs forward and backward."""
    import torch

    rnn: Any = torch.nn.RNN(4, H)
    linear: Any = torch.nn.Linear(H, CLASSES)
    values = [rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, linear.weight, linear.bias]
    with torch.no_grad():
        rnn.bias_hh_l0.zero_()
        for value, ours in zip(values, jax.tree.leaves(params), strict=True):
            value.copy_(torch.tensor(np.asarray(ours)))
    X, y = torch.tensor(np.ascontiguousarray(X.swapaxes(0, 1))), torch.tensor(y)

    def run():
        for value in [*rnn.parameters(), *linear.parameters()]:
            value.grad = None
        torch.nn.functional.cross_entropy(linear(rnn(X)[1][0]), y).backward()
        return [value.grad.numpy() for value in values]

    return run


# Sections


def bptt(repeats: int) -> dict:
    """Seconds for a gradient, T = 60, 500, 5000, and how far the sides agree."""
    times = {60: 10 * repeats, 500: 2 * repeats, 5000: max(5, repeats // 2)}
    return {f"T={T}": bptt_at(T, n) for T, n in times.items()}


def bptt_at(T: int, repeats: int) -> dict:
    params, X, y = problem(T)
    data, data_first, labels = jnp.asarray(X), jnp.asarray(X.swapaxes(0, 1)), jnp.asarray(y, jnp.int32)
    ours = jax.jit(splice.grad_loss)
    root = jax.jit(splice.checkpointed_grad_loss)
    auto = jax.jit(jax.grad(scan_loss))
    unrolled = jax.jit(jax.grad(partial(scan_loss, unroll=8)))
    sides: dict[str, tuple[Callable[[], Any], int]] = {
        "mcbook": (lambda: jax.block_until_ready(ours(params, data, labels)), repeats),
        "mcbook checkpointed": (lambda: jax.block_until_ready(root(params, data, labels)), repeats),
        "jax grad of scan": (lambda: jax.block_until_ready(auto(params, data_first, labels)), repeats),
        "jax grad, unroll 8": (lambda: jax.block_until_ready(unrolled(params, data_first, labels)), repeats),
    }
    if versions("torch")["torch"] != "absent":
        sides["torch RNN"] = (torch_gradient(params, X, y), max(5, repeats // 4))
    for run, _ in sides.values():
        run()  # compile, warm up
    seconds, last = interleave(sides)
    reference = jax.tree.leaves(last.pop("jax grad of scan"))
    others = [name for name in sides if name != "mcbook"]
    return {
        "seconds": seconds,
        "ratio": {name: seconds["mcbook"]["median"] / seconds[name]["median"] for name in others},
        "ratio_of_least": {name: seconds["mcbook"]["least"] / seconds[name]["least"] for name in others},
        "difference_to_jax": {name: difference(jax.tree.leaves(G), reference) for name, G in last.items()},
    }


def difference(G: list, R: list) -> float:
    """The largest ‖G - R‖/‖R‖ over the weights."""
    return max(float(np.linalg.norm(g - r) / np.linalg.norm(r)) for g, r in zip(G, R, strict=True))


LENGTHS = (1000, 3000, 10_000, 30_000, 100_000)


def memory(lengths: tuple[int, ...] = LENGTHS) -> dict:
    """Bytes of states held, kept and checkpointed, against T; slopes of log bytes against log T."""
    planned: dict[str, list[float]] = {"kept": [], "checkpointed": []}
    resident: dict[str, list[float]] = {"kept": [], "checkpointed": []}
    for T in lengths:
        for side in planned:
            code = f"from benchmarks.splice import peak; print(*peak({side!r}, {T}))"
            out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            plan, rss = map(float, out.stdout.split()[-2:])
            planned[side].append(plan / 1e6)
            resident[side].append(rss / 1e6)
    slope = {k: float(np.polyfit(np.log(lengths), np.log(v), 1)[0]) for k, v in planned.items()}
    agree, ratio = checkpoint_cost(10_000)
    return {
        "H": H,
        "n": B,
        "T": list(lengths),
        "input_mb": [B * T * 16 / 1e6 for T in lengths],
        "planned_mb": planned,
        "resident_above_data_mb": resident,
        "exponent_of_planned": slope,
        "difference_of_gradients": agree,
        "time_ratio_checkpointed_to_kept": ratio,
    }


def side_plan(side: str, T: int) -> Plan:
    return Plan() if side == "kept" else Plan(int(T**0.5), keep=False)


def peak(side: str, T: int) -> tuple[float, float]:
    """Temporary bytes that the compiler plans; growth of the peak resident memory while it runs."""
    params, X, y = problem(T)
    data, labels = jax.block_until_ready((jnp.asarray(X), jnp.asarray(y, jnp.int32)))
    compiled: Any = _loss_and_grad.lower(params, data, labels, None, 0, side_plan(side, T)).compile()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    jax.block_until_ready(compiled(params, data, labels, None))
    unit = 1 if sys.platform == "darwin" else 1024
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    return compiled.memory_analysis().temp_size_in_bytes, grown


def checkpoint_cost(T: int, repeats: int = 5) -> tuple[float, float]:
    """How far the two gradients differ (float32), and seconds checkpointed / kept, medians."""
    params, X, y = problem(T)
    data, labels = jnp.asarray(X), jnp.asarray(y, jnp.int32)

    def run(side):
        return jax.block_until_ready(_loss_and_grad(params, data, labels, None, 0, side_plan(side, T))[1])

    sides: dict[str, tuple[Callable[[], Any], int]] = {
        side: (partial(run, side), repeats) for side in ("kept", "checkpointed")
    }
    for call, _ in sides.values():
        call()
    seconds, last = interleave(sides)
    gap = difference(*(jax.tree.leaves(last[side]) for side in ("checkpointed", "kept")))
    return gap, seconds["checkpointed"]["median"] / seconds["kept"]["median"]


# Scanning, on one core


def scan(repeats: int) -> dict:
    """Megabases a second, float32 and bfloat16 products, beside torch's GRU; peak memory against length."""
    return {
        "hidden_per_direction": H,
        "flops_per_base": 2 * 2 * 3 * H * H,
        "speed": alone(f"speed({repeats})"),
        "accuracy": alone("accuracy()"),
        "resident_growth_mb": {f"{n} Mb": alone(f"resident({n})") for n in (10, 100)},
    }


def alone(call: str) -> Any:
    """What a call of this module returns in a fresh process with one core and one thread."""
    code = (
        "import os, sys\n"
        "hasattr(os, 'sched_setaffinity') and os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\n"
        f"import json, benchmarks.splice as s; print(json.dumps(s.{call}))"
    )
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    return json.loads(out.stdout.splitlines()[-1])


def genome(n: int, seed: int = 0) -> np.ndarray:
    """n letters A, C, G, T, each as likely as any other, as bytes."""
    return np.random.default_rng(seed).choice(np.frombuffer(b"ACGT", np.uint8), n)


def two_way():
    return splice.init_two_way(np.random.default_rng(0), hidden=H, classes=CLASSES)


def speed(repeats: int, megabases: int = 20) -> dict:
    """Bases a second from bytes to logits at every junction; wall and processor time, sides in turn."""
    letters, params = genome(megabases * 1_000_000), two_way()
    sides: dict[str, Callable[[], Any]] = {
        f"mcbook {p}": partial(drain, params, letters, p) for p in ("bfloat16", "float32")
    }
    if versions("torch")["torch"] != "absent":
        for kind in ("float32", "bfloat16"):
            sides[f"torch GRU {kind}"] = partial(torch_scan(params, kind), letters[: 4 << 18])
    clocks: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for k in range(repeats + 1):
        for name, run in sides.items():
            wall, own = time.perf_counter(), time.process_time()
            bases = run()
            both = (time.perf_counter() - wall, time.process_time() - own)
            if k:  # the first compiles
                clocks[name].append((bases / both[0] / 1e6, bases / both[1] / 1e6))
    return {
        name: {
            "megabases_per_second": spread([wall for wall, _ in rates]),
            "megabases_per_processor_second": spread([own for _, own in rates]),
        }
        for name, rates in clocks.items()
    }


def drain(params, letters, precision: str) -> int:
    """Scan and drop what comes out: the number of letters."""
    for _ in splice.stream(params, letters, precision=precision, overlap=64):
        pass
    return len(letters)


def torch_scan(params, kind: str) -> Callable[[np.ndarray], int]:
    """torch.nn.GRU, both directions, and a linear layer, the same weights; blocks of 4096, 64 at a time."""
    import torch

    torch.set_num_threads(1)
    gru: Any = torch.nn.GRU(4, H, bidirectional=True, batch_first=True)
    linear: Any = torch.nn.Linear(2 * H, CLASSES)
    with torch.no_grad():
        for cell, end in ((params.forward, ""), (params.backward, "_reverse")):
            for name, value in zip(("weight_ih", "weight_hh", "bias_ih"), cell, strict=True):
                getattr(gru, f"{name}_l0{end}").copy_(torch.tensor(np.asarray(value)))
            getattr(gru, f"bias_hh_l0{end}").zero_()
        linear.weight.copy_(torch.tensor(np.asarray(params.V)))
        linear.bias.copy_(torch.tensor(np.asarray(params.c)))
    dtype = getattr(torch, kind)
    gru, linear = gru.to(dtype), linear.to(dtype)
    code = np.zeros(256, np.int64)
    code[list(b"ACGT")] = range(4)
    one_hot = torch.eye(4, dtype=dtype)

    def run(letters: np.ndarray) -> int:
        with torch.no_grad():
            for blocks in code[letters].reshape(-1, 64, 4096):
                linear(gru(one_hot[torch.as_tensor(blocks)])[0])
        return letters.size

    return run


def accuracy(T: int = 100_000) -> dict:
    """Blocks and rounding against the whole sequence at once in float32: differences of the logits."""
    letters, params = genome(T, 1), two_way()
    single = jax.tree.map(partial(jnp.asarray, dtype=jnp.float32), params)
    exact = np.asarray(splice.junction_logits(single, encode(letters.tobytes().decode())[None]))[0]
    found: dict[str, Any] = {"spread_of_logits": float(exact.std())}
    for precision in ("float32", "bfloat16"):
        for overlap in (32, 64, 128):
            got = splice.scan(params, letters, overlap=overlap, precision=precision, batch=32)
            found[f"{precision}, overlap {overlap}"] = {
                "largest": float(np.abs(got - exact).max()),
                "rms": float(np.sqrt(np.mean((got - exact) ** 2))),
                "class_changed": float((got.argmax(1) != exact.argmax(1)).mean()),
            }
    return found


def resident(megabases: int) -> float:
    """Growth of the peak resident memory in MB while a sequence that is made as it is read is scanned."""
    params = two_way()
    drain(params, genome(1 << 16), "bfloat16")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in splice.stream(params, (genome(1_000_000, k) for k in range(megabases)), precision="bfloat16"):
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections = {
        "bptt": lambda a: bptt(a.repeats),
        "memory": lambda a: memory(),
        "scan": lambda a: scan(max(2, a.repeats // 4)),
    }
    parser.add_argument("--only", choices=sections)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    for name, section in sections.items():
        if args.only in (None, name):
            before = machine()
            record("splice", name, section(args) | {"machine": before, "versions": versions(*PACKAGES)})


if __name__ == "__main__":
    main()
