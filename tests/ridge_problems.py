"""Meshes that the tests of the ridge chapter share."""

import numpy as np

from mcbook import ridge


def crooked(rng, n=4, degree=1):
    """A triangulation without symmetry: a square's inner vertices moved, all of it turned and stretched."""
    straight = ridge.mesh_square(n)
    points = straight.nodes.copy()
    inside = np.setdiff1d(np.arange(len(points)), straight.boundary)
    points[inside] += 0.15 / n * rng.normal(size=(len(inside), 2)).clip(-1.5, 1.5)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    return ridge.mesh_triangles(points @ turn.T * [1.3, 0.7], straight.cells, degree=degree)


def uneven(rng, n=6, degree=1):
    """An interval cut at uneven places."""
    return ridge.mesh_points(np.cumsum(0.1 + rng.random(n + 1)), degree=degree)


def meshes(rng):
    """All four kinds of element."""
    return [f(rng, degree=p) for f in (uneven, crooked) for p in (1, 2)]


def area(mesh):
    """The domain's length or area, from its corners alone (the shoelace formula)."""
    P = mesh.nodes
    if P.shape[1] == 1:
        return np.ptp(P)
    x, y = np.moveaxis(P[mesh.cells[:, :3]], -1, 0)
    return np.abs((x * (np.roll(y, -1, 1) - np.roll(y, 1, 1))).sum(1)).sum() / 2
