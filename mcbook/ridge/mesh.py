"""Meshes: intervals and triangles with straight sides, and nodes on them.

Symbols    nodes (n, d) coordinates, rows are nodes; cells (T, k) node numbers, in the order of
           `elements`: vertices, then the middles of the edges (P2); h the longest edge
Geometry   |T| and c_e = -|T| ∇λ_a·∇λ_b per cell: all that stiffness and mass need
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from mcbook.ridge._checks import degree_of, positive, reals, whole
from mcbook.ridge.elements import edges, shape_slopes, shapes

Array = Any
FLAT = 1e-10  # a triangle's height over its longest edge below which it counts as degenerate


class Mesh(NamedTuple):
    """A mesh and its nodes; make one with `mesh_interval`, `mesh_points`, `mesh_square`, `mesh_triangles`."""

    nodes: np.ndarray  # (n, d)
    cells: np.ndarray  # (T, k)
    degree: int  # 1 or 2
    boundary: np.ndarray  # (nb,), the nodes on the boundary


class Geometry(NamedTuple):
    """Per cell: its length or area (T,), and c_e for its edges (T, 1) or (T, 3)."""

    size: np.ndarray
    coupling: np.ndarray


def mesh_points(x: Any, *, degree: Any = 1) -> Mesh:
    """The interval cut at x (n + 1,), strictly increasing, in the unit of x.

    Raises ValueError when x does not increase, is too short, or holds NaN.
    """
    x, degree = reals(x, "x"), degree_of(degree)
    if x.ndim != 1 or len(x) < 2:
        raise ValueError(f"x must be (n + 1,) with n ≥ 1 cells, got shape {x.shape}.")
    gaps = np.diff(x)
    if not (gaps > FLAT * (x[-1] - x[0])).all():
        raise ValueError(f"x must increase strictly; cell {int(np.argmin(gaps))} has length {gaps.min()}.")
    left = np.arange(len(x) - 1)
    cells = np.column_stack([left, left + 1])
    if degree == 2:
        cells = np.column_stack([cells, left + len(x)])
        x = np.concatenate([x, (x[1:] + x[:-1]) / 2])
    return Mesh(x[:, None], cells, degree, np.array([0, len(left)]))


def mesh_interval(n: Any, *, length: Any = 1.0, degree: Any = 1) -> Mesh:
    """[0, length] in n equal cells."""
    n, length = whole(n, "n"), positive(length, "length")
    return mesh_points(np.linspace(0.0, length, n + 1), degree=degree)


def mesh_square(n: Any, *, degree: Any = 1) -> Mesh:
    """The unit square in n x n squares of two triangles each, as `mesh_rectangle` cuts them."""
    return mesh_rectangle(n, n, degree=degree)


def mesh_rectangle(columns: Any, rows: Any, *, width: Any = 1.0, height: Any = 1.0, degree: Any = 1) -> Mesh:
    """[0, width] x [0, height]: rectangles, each cut from its right lower to its left upper corner.

    Vertices are numbered along x first: vertex (i, j) is number j (columns + 1) + i.
    """
    columns, rows = whole(columns, "columns"), whole(rows, "rows")
    x = np.linspace(0.0, positive(width, "width"), columns + 1)
    y = np.linspace(0.0, positive(height, "height"), rows + 1)
    points = np.column_stack([np.tile(x, rows + 1), np.repeat(y, columns + 1)])
    corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    above = corner + columns + 1
    low = np.column_stack([corner, corner + 1, above])
    high = np.column_stack([corner + 1, above + 1, above])
    return mesh_triangles(points, np.stack([low, high], 1).reshape(-1, 3), degree=degree)


def mesh_triangles(points: Any, triangles: Any, *, degree: Any = 1) -> Mesh:
    """Any triangulation: points (v, 2), triangles (T, 3) of point numbers, counter-clockwise.

    Raises ValueError for indices out of range, points that no triangle uses, triangles that are degenerate
    or clockwise, and edges with more than two triangles; each names the first offender.
    """
    degree, points = degree_of(degree), reals(points, "points")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must be (v, 2), rows are points; got shape {points.shape}.")
    triangles = _numbers(triangles, len(points))
    _upright(points, triangles)
    v = len(points)
    pairs = np.concatenate([triangles[:, [a, b]] for a, b in edges(2)])
    keys = pairs.min(1) * v + pairs.max(1)
    found, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    ends = np.column_stack([found // v, found % v])
    if counts.max() > 2:
        a, b = ends[np.argmax(counts)]
        raise ValueError(
            f"the edge between points {a} and {b} has {counts.max()} triangles, at most 2 can meet there; "
            "drop duplicated or overlapping triangles."
        )
    rim = counts == 1
    if degree == 1:
        return Mesh(points, triangles, 1, np.unique(ends[rim]))
    nodes = np.concatenate([points, (points[ends[:, 0]] + points[ends[:, 1]]) / 2])
    middles = v + inverse.reshape(3, -1).T
    boundary = np.concatenate([np.unique(ends[rim]), v + np.flatnonzero(rim)])
    return Mesh(nodes, np.column_stack([triangles, middles]), 2, boundary)


def _numbers(triangles: Any, v: int) -> np.ndarray:
    """triangles (T, 3) as integers in range that use every point."""
    triangles = np.asarray(triangles)
    if triangles.ndim != 2 or triangles.shape[1] != 3 or not len(triangles):
        raise ValueError(f"triangles must be (T, 3), point numbers, T ≥ 1; got shape {triangles.shape}.")
    if triangles.dtype.kind not in "iu":
        raise ValueError(f"triangles must hold whole numbers, got dtype {triangles.dtype}.")
    bad = (triangles < 0) | (triangles >= v)
    if bad.any():
        row = int(np.flatnonzero(bad.any(1))[0])
        raise ValueError(f"triangle {row} is {triangles[row]}, but point numbers go from 0 to {v - 1}.")
    unused = np.flatnonzero(np.bincount(triangles.ravel(), minlength=v) == 0)
    if len(unused):
        raise ValueError(
            f"{len(unused)} point(s) belong to no triangle, the first is {unused[0]}; drop them."
        )
    return triangles.astype(np.int64)


def _upright(points: np.ndarray, triangles: np.ndarray) -> None:
    corners = points[triangles]
    longest = np.max([((corners[:, a] - corners[:, b]) ** 2).sum(1) for a, b in edges(2)], axis=0)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    twice_area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    flat = np.abs(twice_area) <= FLAT * longest
    if flat.any():
        row = int(np.argmax(flat))
        raise ValueError(
            f"triangle {row}, points {triangles[row]}, is degenerate: its corners lie on a line."
        )
    if (twice_area < 0).any():
        row = int(np.argmax(twice_area < 0))
        raise ValueError(
            f"triangle {row}, points {triangles[row]}, runs clockwise (inverted); swap two of its points, or "
            "look whether a moved point has turned it over."
        )


def corners(mesh: Mesh) -> Float[Array, "v T d"]:
    """The coordinates of the cells' vertices, vertex by vertex."""
    d = mesh.nodes.shape[1]
    return mesh.nodes[mesh.cells[:, : d + 1].T]


def geometry(mesh: Mesh) -> Geometry:
    """Sizes and edge couplings of all cells."""
    P = corners(mesh)
    if len(P) == 2:
        h = (P[1] - P[0])[:, 0]
        return Geometry(h, 1 / h[:, None])
    facing = [P[2] - P[1], P[0] - P[2], P[1] - P[0]]  # the edge that faces vertex a; ∇λ_a is it, turned
    twice = facing[2][:, 0] * -facing[1][:, 1] + facing[2][:, 1] * facing[1][:, 0]
    coupling = [-np.einsum("td,td->t", facing[a], facing[b]) / (2 * twice) for a, b in edges(2)]
    return Geometry(twice / 2, np.column_stack(coupling))


def slopes_of_coordinates(mesh: Mesh) -> Float[Array, "T v d"]:
    """∇λ_a on every cell."""
    P = corners(mesh)
    if len(P) == 2:
        slope = 1 / (P[1] - P[0])
        return np.stack([-slope, slope], 1)
    facing = np.stack([P[2] - P[1], P[0] - P[2], P[1] - P[0]], 1)
    turned = np.stack([-facing[..., 1], facing[..., 0]], -1)
    return turned / (2 * geometry(mesh).size[:, None, None])


def mesh_size(mesh: Mesh) -> float:
    """h, the longest edge."""
    return float(cell_diameters(mesh).max())


def cell_diameters(mesh: Mesh) -> Float[Array, " T"]:
    """The longest edge of every cell."""
    P = corners(mesh)
    return np.max([np.linalg.norm(P[a] - P[b], axis=1) for a, b in edges(len(P) - 1)], axis=0)


def gradient(mesh: Mesh, w: Any) -> Float[Array, "T d"]:
    """∇u at the centre of every cell, u the function with nodal values w (n,)."""
    w = reals(w, "w", shape=(len(mesh.nodes),))
    v = mesh.nodes.shape[1] + 1
    slopes = shape_slopes(np.full((1, v), 1 / v), mesh.degree)[0]  # (k, v)
    return np.einsum("tk,ka,tad->td", w[mesh.cells], slopes, slopes_of_coordinates(mesh))


def interpolation(mesh: Mesh, X: Any) -> sp.csr_array:
    """N (m, n): N @ w is u at the points X (m, d), or (m,) on an interval.

    Raises ValueError naming the first point outside the mesh.
    """
    d = mesh.nodes.shape[1]
    X = reals(X, "X")
    X = X[:, None] if X.ndim == 1 and d == 1 else X
    if X.ndim != 2 or X.shape[1] != d:
        raise ValueError(f"X must be (m, {d}), rows are points; got shape {X.shape}.")
    cell, bary = _locate(mesh, X)
    rows = np.repeat(np.arange(len(X)), mesh.cells.shape[1])
    values = shapes(bary, mesh.degree).ravel()
    return sp.csr_array((values, (rows, mesh.cells[cell].ravel())), shape=(len(X), len(mesh.nodes)))


def _locate(mesh: Mesh, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cell of every point, and the point's barycentric coordinates there."""
    G, origin = slopes_of_coordinates(mesh), corners(mesh)[0]
    cell, best = np.zeros(len(X), dtype=np.int64), np.empty((len(X), G.shape[1]))
    for i, x in enumerate(X):
        bary = np.einsum("tad,td->ta", G, x - origin)
        bary[:, 0] += 1
        cell[i] = np.argmax(bary.min(1))
        best[i] = bary[cell[i]]
    outside = best.min(1) < -1e-9
    if outside.any():
        i = int(np.argmax(outside))
        raise ValueError(f"point {i}, {X[i]}, lies outside the mesh.")
    return cell, best
