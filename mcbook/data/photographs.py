"""Photographs that ship with scikit-learn."""

import numpy as np

PHOTOGRAPHS = ("china", "flower")


def photograph(name: str = "china") -> np.ndarray:
    """A photograph, (427, 640, 3): rows from the top, red, green, blue in 0 … 1.

    "china" (a palace) or "flower".  They come with scikit-learn, CC BY 2.0: "china" by Daniel Büchele,
    "flower" by vultilion on Flickr (as scikit-learn's addresses name them).

    Raises
    ------
    ValueError : another name; ImportError : scikit-learn or Pillow is not installed.
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(f"name must be one of {PHOTOGRAPHS}, got {name!r}.")
    from sklearn.datasets import load_sample_image

    return load_sample_image(f"{name}.jpg") / 255.0
