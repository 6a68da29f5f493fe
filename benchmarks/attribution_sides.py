"""The peers of benchmarks.sensitivity: Captum's methods on torch twins that carry our networks' weights."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from captum import attr

from mcbook import sensitivity as se

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def tensor(a: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(a, dtype=float))


class Twin(torch.nn.Module):
    """A `se.Network` whose blocks, in the order of `names`, lie side by side: x (n, d) → (n,)."""

    def __init__(self, params: se.Network, activation: str, names: Iterable[str]) -> None:
        super().__init__()
        first = np.concatenate([np.asarray(params.first[name]) for name in names], axis=1)
        phi: Any = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU, "softplus": torch.nn.Softplus}[activation]
        (h, d), k = first.shape, len(params.v)
        self.layers: Any = torch.nn.Sequential(
            torch.nn.Linear(d, h), phi(), torch.nn.Linear(h, k), phi(), torch.nn.Linear(k, 1)
        )
        values = [
            first,
            params.b1,
            params.W2,
            params.b2,
            np.asarray(params.v)[None],
            np.asarray(params.c)[None],
        ]
        with torch.no_grad():
            for value, ours in zip(self.layers.parameters(), values, strict=True):
                value.copy_(tensor(ours))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)[:, 0]


def captum_methods(
    twin: Twin,
    X: np.ndarray,
    baselines: dict[str, np.ndarray],
    sites: np.ndarray,
    blocks: np.ndarray,
    sigma: float,
) -> dict[str, Callable[[], np.ndarray]]:
    """Every method, a call each, giving (n, d); those that perturb groups repeat a group's value.

    baselines: sets (m, d), for the one method that takes a set, by what is to stand behind its name; the
    others take the mean, the origin of the standardised features. sites, blocks (d,): the groups that the
    perturbation methods perturb together.
    """
    x, zero = tensor(X).requires_grad_(), torch.zeros(1, X.shape[1])
    masks = {"sites": torch.tensor(sites)[None], "blocks": torch.tensor(blocks)[None]}
    calls: dict[str, Callable[[], torch.Tensor]] = {
        "Saliency": lambda: attr.Saliency(twin).attribute(x, abs=False),
        "InputXGradient": lambda: attr.InputXGradient(twin).attribute(x),
        "IntegratedGradients": lambda: attr.IntegratedGradients(twin).attribute(x, zero, n_steps=50),
        "NoiseTunnel": lambda: attr.NoiseTunnel(attr.Saliency(twin)).attribute(
            x, nt_type="smoothgrad", nt_samples=25, stdevs=sigma, abs=False
        ),
        "DeepLift": lambda: attr.DeepLift(twin).attribute(x, zero),
    }
    for name, B in baselines.items():
        calls[f"GradientShap{name}"] = partial(
            attr.GradientShap(twin).attribute, x, tensor(B), n_samples=max(50, len(B)), stdevs=0.0
        )
    for name, mask in masks.items():
        calls[f"FeatureAblation, {name}"] = partial(
            attr.FeatureAblation(twin).attribute, x, zero, feature_mask=mask
        )
        calls[f"ShapleyValueSampling, {name}"] = partial(
            attr.ShapleyValueSampling(twin).attribute, x, zero, feature_mask=mask, n_samples=25
        )
    return {name: partial(_numpy, call) for name, call in calls.items()}


def _numpy(call: Callable[[], torch.Tensor]) -> np.ndarray:
    return call().detach().numpy()
