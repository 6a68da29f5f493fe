"""A learned diffusion of digits beside Gaussian mixtures: bits, samples, guidance, copies; learned scores.

python -m benchmarks.diffusion_digits                    all of it, into results/diffusion_digits.json
python -m benchmarks.diffusion_digits --only density     one of those below

Split       of 1797 digits 1150 train, 287 validate (all choices), 360 test (used once); once chosen, every
            side is fitted again to the 1437. `--seeds` networks are trained where `--folder` lacks them
density     bits per dimension of the test digits, five uniform dequantisations, exact divergence
two_sample  1-nearest-neighbour accuracy of 360 samples against the 360 test digits, ½ is ideal
guidance    a support vector machine recognises class-conditional samples
scores      the learned score of a mixture in the plane against the exact one
ablation    the likelihood's bound after 300 steps without the closed forms that the network starts from
copying     nearest training images of samples and of test digits
"""

import argparse
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy import stats
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC

from benchmarks.common import machine, record, versions
from mcbook.diffusion import bits, guidance, images, judging, labelled, matching, mixtures, trained, training
from mcbook.diffusion import model as learned
from mcbook.diffusion.grids import log_sigmas
from mcbook.diffusion.images import Images
from mcbook.diffusion.likelihood import gaussian_log_prior
from mcbook.diffusion.model import Model
from mcbook.diffusion.samplers import sample

PACKAGES = ("scikit-learn", "jax", "jaxlib", "numpy", "optax")
L, D = 17, 64
COMPONENTS, REGULARISATIONS = (1, 10, 20, 40), (1e-4, 1e-3, 4e-3)  # in the peer's units, pixels 0 … 1
SHRINKS = (0.05, 0.1, 0.2, 0.3)
EVALUATIONS = 24  # of the flow and its divergence, for the bits
LEVELS: dict[str, Any] = {"sigma_min": 0.005, "sigma_max": 10.0}
STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


def parts() -> tuple[Images, Images, Images, Images]:
    """Train, validation, both, test."""
    split = images.digits()
    return split.train, split.validation, images.together(split.train, split.validation), split.test


def networks(seeds: int, folder: Path) -> list[Model]:
    """The networks of the seeds, trained on the 1437 digits; seed 0 is the one that ships with the book."""
    both = parts()[2]
    found = [trained.trained_digits()]
    for seed in range(1, seeds):
        path = folder / f"digits-{seed}.npz"
        found.append(trained.fit(both, settings=trained.SETTINGS, seed=seed, path=path).model)
    return found


def draws(part: Images, seed: int, repeats: int) -> np.ndarray:
    """(repeats, n, 64) dequantised images."""
    rng = np.random.default_rng(seed)
    return np.stack([images.dequantise(part.pixels, L, rng=rng).reshape(-1, D) for _ in range(repeats)])


def bits_of(log_density: Any) -> float:
    return float(images.bits_per_dimension(log_density, D, L).mean())


# Density


def sklearn_mixture(part: Images, components: int, reg: float, seed: int = 0) -> GaussianMixture:
    """Full covariances by EM on three dequantisations, as the peer did; reg is for pixels from 0 to 1."""
    mix = GaussianMixture(components, reg_covar=4 * reg, random_state=seed, max_iter=60)
    return mix.fit(draws(part, 10 + seed, 3).reshape(-1, D))


@lru_cache
def chosen_mixtures() -> dict[int, dict[str, Any]]:
    """For each number of components the regularisation with the best validation bits."""
    train, validation, _, _ = parts()
    V, found = draws(validation, 1, 5).reshape(-1, D), dict[int, dict[str, Any]]()
    for k in COMPONENTS:
        scores = {reg: bits_of(sklearn_mixture(train, k, reg).score_samples(V)) for reg in REGULARISATIONS}
        best = min(scores, key=lambda reg: scores[reg])
        found[k] = {"reg": best, "validation_bits": scores[best]}
    return found


def chosen_shrink() -> dict[str, float]:
    """Of the closed form, one Gaussian for each class."""
    train, validation, _, _ = parts()
    V = draws(validation, 1, 5).reshape(-1, D)
    found = {}
    for shrink in SHRINKS:
        base = images.starting_point(train, shrink=shrink)[0]
        found[shrink] = bits_of(labelled.log_density_labelled(V, base))
    best = min(found, key=lambda shrink: found[shrink])
    return {"shrink": best, "validation_bits": found[best]}


def density(seeds: int, folder: Path, repeats: int = 5) -> dict[str, Any]:
    _, _, both, test = parts()
    T = draws(test, 2, repeats)
    result: dict[str, Any] = {"mixtures": chosen_mixtures(), "ten_gaussians": chosen_shrink()}
    for k, row in result["mixtures"].items():
        mix = sklearn_mixture(both, k, row["reg"])
        row["test_bits"] = bits_of(mix.score_samples(T.reshape(-1, D)))
        row["test_bits_other_seeds"] = [
            bits_of(sklearn_mixture(both, k, row["reg"], seed).score_samples(T.reshape(-1, D)))
            for seed in (1, 2)
        ]
    chosen = min(result["mixtures"], key=lambda k: result["mixtures"][k]["validation_bits"])
    result["chosen_mixture"] = {"components": chosen, **result["mixtures"][chosen]}
    base = images.starting_point(both, shrink=result["ten_gaussians"]["shrink"])[0]
    base_density = np.stack([np.asarray(labelled.log_density_labelled(x, base)) for x in T])
    result["ten_gaussians"]["test_bits"] = bits_of(base_density)
    result["network"] = [
        network_bits(model, T if seed == 0 else T[:1], test, seed)
        for seed, model in enumerate(networks(seeds, folder))
    ]
    found = [row["test_bits"] for row in result["network"]]
    result["network_test_bits"] = {"mean": float(np.mean(found)), "least": min(found), "most": max(found)}
    return result


def network_bits(model: Model, T: np.ndarray, test: Images, seed: int) -> dict[str, Any]:
    """Exact bits of the flow on the draws T; the integration's error on 24 images; the bound."""
    start = time.process_time()
    x = T.reshape(*T.shape[:2], 8, 8)
    each = np.stack([_flow(model, one, EVALUATIONS, "float32") for one in x])
    per_image = images.bits_per_dimension(each, D, L)
    seconds = time.process_time() - start
    error = (each[0, :24] - _flow(model, x[0, :24], 4 * EVALUATIONS, "float32")) / (D * np.log(2))
    gained = matching.gain(model, test.pixels, key=jax.random.key(seed), draws=256, **LEVELS)
    base = labelled.log_density_labelled(T.reshape(-1, D), learned.base_of(model), sigma=LEVELS["sigma_min"])
    over_images = per_image.mean(axis=0)
    return {
        "seed": seed,
        "test_bits": float(per_image.mean()),
        "by_draw": per_image.mean(axis=1).tolist(),
        "standard_error_over_images": float(over_images.std(ddof=1) / np.sqrt(len(over_images))),
        "evaluations": EVALUATIONS,
        "integration_error_24_images": float(error.mean()),
        "integration_error_median": float(np.median(np.abs(error))),
        "bound_bits": bits_of(base) - gained.bits,
        "gain_bits": gained.bits,
        "gain_standard_error": gained.standard_error,
        "cpu_seconds": seconds,
    }


def _flow(model: Model, x: np.ndarray, evaluations: int, precision: str) -> np.ndarray:
    return bits.flow_density(model, x, evaluations=evaluations, precision=precision, **LEVELS).log_density


# Samples


def drawn(model: Model, n: int, seed: int, *, levels: int = 36, denoise: Any = None) -> np.ndarray:
    """n samples (n, 8, 8) by the third-order multistep sampler, a call of the denoiser for each level."""
    rng = np.random.default_rng(seed)
    sigmas = log_sigmas(levels, **LEVELS)
    start = (sigmas[0] * rng.standard_normal((n, 8, 8))).astype(np.float32)
    denoise = denoise or learned.learned_denoiser(model)
    return np.asarray(sample(denoise, start, sigmas, data_scale=float(model.sigma_data)).x, dtype=float)


def as_images(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """To grey levels and back: clipped, quantised, dequantised anew."""
    return images.dequantise(images.to_pixels(x, L), L, rng=rng)


def two_sample(seeds: int, folder: Path, repeats: int = 10) -> dict[str, Any]:
    """Every side twice: its samples as they are (the peer's protocol), and brought to grey levels first."""
    _, _, both, test = parts()
    n, chosen = len(test.pixels), chosen_mixtures()
    sides = {
        "train": lambda s: images.dequantise(
            both.pixels[np.random.default_rng(s).permutation(len(both.pixels))[:n]],
            L,
            rng=np.random.default_rng(s),
        )
    }
    for k in COMPONENTS:
        mix = sklearn_mixture(both, k, chosen[k]["reg"])
        sides[f"mixture_{k}"] = _mixture_sampler(mix, n)
    base = images.starting_point(both, shrink=trained.SHRINK)[0]
    sides["ten_gaussians"] = lambda s: mixtures.sample_mixture(
        base.mixture, n, np.random.default_rng(s)
    ).reshape(-1, 8, 8)
    for i, model in enumerate(networks(seeds, folder)):
        sides[f"network_{i}"] = partial(drawn, model, n)
    result: dict[str, Any] = {}
    for name, side in sides.items():
        raw, grey = [], []
        for seed in range(repeats):
            x, rng = side(seed), np.random.default_rng(100 + seed)
            T = images.dequantise(test.pixels, L, rng=rng)
            raw.append(judging.two_sample_accuracy(T, x))
            grey.append(judging.two_sample_accuracy(T, as_images(x, rng)))
        result[name] = {"as_drawn": _spread(raw), "grey_levels": _spread(grey)}
    return result


def _mixture_sampler(mix: GaussianMixture, n: int) -> Any:
    def side(seed: int) -> np.ndarray:
        mix.random_state = seed
        return mix.sample(n)[0].reshape(-1, 8, 8)

    return side


def _spread(values: list[float]) -> dict[str, Any]:
    v = np.array(values)
    return {
        "mean": float(v.mean()),
        "sd": float(v.std(ddof=1)),
        "least": float(v.min()),
        "most": float(v.max()),
        "seeds": len(v),
    }


# Guidance


def judge(part: Images) -> SVC:
    """An independent classifier of grey levels."""
    return SVC(C=10.0).fit(part.pixels.reshape(-1, D), part.labels)


def recognised(model: Model, strength: float, classifier: SVC, seed: int, each: int) -> float:
    """Share of class-conditional samples that the classifier gives the class they were drawn for."""
    y = np.repeat(np.arange(10), each)
    x = drawn(model, len(y), seed, denoise=guidance.guided_denoiser(model, y, strength))
    return float((classifier.predict(images.to_pixels(x, L).reshape(-1, D)) == y).mean())


def guided(seeds: int, folder: Path, each: int = 20, repeats: int = 5) -> dict[str, Any]:
    """The least strength with ≥ 99 % by a classifier fitted to the validation digits, and then, at it,
    the verdict of another, fitted to the training digits, which the choice never saw.
    """
    train, validation, _, test = parts()
    chooser, final = judge(validation), judge(train)
    result: dict[str, Any] = {
        "classifier_on_test": float(final.score(test.pixels.reshape(-1, D), test.labels)),
        "chooser_on_test": float(chooser.score(test.pixels.reshape(-1, D), test.labels)),
    }
    for i, model in enumerate(networks(seeds, folder)):
        chosen_by = {s: recognised(model, s, chooser, 1000, each) for s in STRENGTHS}
        good = [s for s in STRENGTHS if chosen_by[s] >= 0.99]
        strength = good[0] if good else max(STRENGTHS, key=lambda s: chosen_by[s])
        result[f"network_{i}"] = {
            "by_chooser": chosen_by,
            "strength": strength,
            "by_strength": {s: recognised(model, s, final, 0, each) for s in STRENGTHS},
            "recognised": _spread(
                [recognised(model, strength, final, seed, 2 * each) for seed in range(repeats)]
            ),
            "variety": variety(model, train, each),
        }
    return result


def variety(model: Model, train: Images, each: int) -> dict[float, float]:
    """Mean distance between samples of one class over that between training digits of one class."""
    y = np.repeat(np.arange(10), each)
    real = np.mean([_pairs(images.centred(train.pixels[train.labels == k][:each], L)) for k in range(10)])
    found = {}
    for s in STRENGTHS[1:]:
        x = drawn(model, len(y), 2000, denoise=guidance.guided_denoiser(model, y, s))
        found[s] = float(np.mean([_pairs(x[y == k]) for k in range(10)]) / real)
    return found


def _pairs(x: np.ndarray) -> float:
    flat = x.reshape(len(x), -1)
    gaps = np.sqrt(((flat[:, None] - flat[None]) ** 2).sum(-1))
    return float(gaps.sum() / (len(x) * (len(x) - 1)))


# Learned scores


def scores(steps: int = 3000) -> dict[str, Any]:
    """A perceptron trained on 20 000 points of the five spots: its score against the exact one."""
    mix = mixtures.five_spots()
    x = mixtures.sample_mixture(mix, 20_000, np.random.default_rng(0))
    fresh = mixtures.sample_mixture(mix, 4000, np.random.default_rng(1))
    s = float(x.std())
    model = learned.init_model(jax.random.key(0), (2,), width=128, depth=3, sigma_data=s)
    settings = training.Settings(
        steps=steps, every=500, batch=256, rate=3e-3, dropout=0.0, decay=0.0, sigma_min=0.02, sigma_max=20.0
    )
    start = time.process_time()
    run = training.train(model, x, key=jax.random.key(1), settings=settings)
    result: dict[str, Any] = {"cpu_seconds": time.process_time() - start, "steps": steps, "by_sigma": {}}
    noise = np.random.default_rng(2).standard_normal(fresh.shape)
    for sigma in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0):
        at = fresh + sigma * noise
        exact = np.asarray(mixtures.score(at, mixtures.noised(mix, sigma)))
        found = (np.asarray(learned.denoise(learned.precise(run.model), at, sigma)) - at) / sigma**2
        round_one = (s**2 / (s**2 + sigma**2) - 1) * at / sigma**2
        size = np.sqrt((exact**2).mean())
        result["by_sigma"][sigma] = {
            "network": float(np.sqrt(((found - exact) ** 2).mean()) / size),
            "round_gaussian": float(np.sqrt(((round_one - exact) ** 2).mean()) / size),
        }
    return result


# What each closed form is worth


def ablation(steps: int = 300) -> dict[str, Any]:
    """Validation bits of the bound after equally many steps, with and without the closed forms."""
    conv: dict[str, Any] = trained.SIZES | {"width": 32}
    mlp: dict[str, Any] = {"kind": "mlp", "width": 256, "depth": 2}
    sides = {
        "convolutional": conv,
        "convolutional, one round Gaussian": {**conv, "base": None},
        "convolutional, no grey levels": {**conv, "levels": None},
        "convolutional, neither": {**conv, "base": None, "levels": None},
        "perceptron": mlp,
        "perceptron, no grey levels": {**mlp, "levels": None},
    }
    return {"steps": steps, "sides": {name: _after(steps, changes) for name, changes in sides.items()}}


def _after(steps: int, changes: dict[str, Any]) -> dict[str, float]:
    """Without levels nothing dequantises in training: such a model gets twenty dequantisations instead."""
    train, validation, _, _ = parts()
    model, start = trained.untrained(train, **changes), time.process_time()
    copies, V = draws(train, 5, 20), draws(validation, 1, 5).reshape(-1, D)
    plain = model.levels is None
    data = copies.reshape(-1, 8, 8) if plain else train.pixels
    labels = np.tile(train.labels, 20) if plain else train.labels
    settings = trained.PAGE._replace(steps=steps, every=steps)
    run = training.train(model, data, labels, key=jax.random.key(1), settings=settings)
    held_out = V.reshape(-1, 8, 8) if plain else np.tile(validation.pixels, (5, 1, 1))
    found = matching.gain(run.model, held_out, key=jax.random.key(0), draws=32, **LEVELS)
    before = bits_of(_start_density(model, V))
    return {
        "start_bits": before,
        "bound_bits": before - found.bits,
        "gain_standard_error": found.standard_error,
        "cpu_seconds": time.process_time() - start,
    }


def _start_density(model: Model, x: np.ndarray) -> Any:
    if model.base is not None:
        return labelled.log_density_labelled(x, learned.base_of(model), sigma=LEVELS["sigma_min"])
    return gaussian_log_prior(float(np.hypot(float(model.sigma_data), LEVELS["sigma_min"])))(x)


# Copying


def copying(seeds: int, folder: Path) -> dict[str, Any]:
    """Distances to the nearest training image, in units of x, of test digits and of samples' grey levels."""
    _, _, both, test = parts()
    references = images.centred(both.pixels, L)
    result: dict[str, Any] = {"test": _distances(images.centred(test.pixels, L), references)}
    distances = judging.nearest(images.centred(test.pixels, L), references).distance
    for i, model in enumerate(networks(seeds, folder)):
        x = images.centred(images.to_pixels(drawn(model, len(test.pixels), 7), L), L)
        mine = judging.nearest(x, references).distance
        test_of_order = stats.mannwhitneyu(mine, distances)
        row = _distances(x, references)
        row["probability_of_being_nearer_than_a_test_digit"] = float(
            1 - test_of_order.statistic / (len(mine) * len(distances))
        )
        row["exact_copies"] = int((mine == 0).sum())
        result[f"network_{i}"] = row
    return result


def _distances(x: np.ndarray, references: np.ndarray) -> dict[str, float]:
    d = judging.nearest(x, references).distance
    return {
        name: float(v)
        for name, v in zip(
            ("least", "5%", "median", "95%", "most"), np.quantile(d, [0, 0.05, 0.5, 0.95, 1]), strict=True
        )
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections: dict[str, Callable[..., dict[str, Any]]] = {
        "density": density,
        "two_sample": two_sample,
        "guidance": guided,
        "copying": copying,
    }
    alone: dict[str, Callable[[], dict[str, Any]]] = {"scores": scores, "ablation": ablation}
    parser.add_argument("--only", choices=[*sections, *alone])
    parser.add_argument("--seeds", type=int, default=3, help="networks, the shipped one first")
    parser.add_argument("--folder", type=Path, default=Path("."), help="where further networks are kept")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    for name in [options.only] if options.only else [*sections, *alone]:
        result = alone[name]() if name in alone else sections[name](options.seeds, options.folder)
        record("diffusion_digits", name, {**result, "machine": machine(), "versions": versions(*PACKAGES)})


if __name__ == "__main__":
    main()
