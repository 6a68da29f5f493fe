"""Elements, meshes and assembly: closed forms against quadrature, patch tests, and what bad meshes say."""

from math import factorial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import ridge
from mcbook.ridge import elements
from mcbook.ridge.mesh import geometry, slopes_of_coordinates
from tests.ridge_problems import area, crooked, meshes, uneven

KINDS = [(1, 1), (1, 2), (2, 1), (2, 2)]


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("order", [1, 2, 4, 5, 6, 8, 11])
def test_quadrature_is_exact_to_its_degree(d, order):
    bary, weights = elements.quadrature(d, order)
    np.testing.assert_allclose(bary.sum(1), 1, atol=1e-15)
    for i in range(order + 1):
        for j in range(order + 1 - i):
            powers = (i, j) if d == 1 else (i, j, order - i - j)
            mean = np.prod(bary ** np.array(powers), axis=1) @ weights
            top = np.prod([float(factorial(p)) for p in powers]) * factorial(d)
            assert mean == pytest.approx(top / factorial(d + sum(powers)), rel=2e-13), powers
            if d == 1:
                assert mean == pytest.approx(elements.mean_of_monomial(powers), rel=2e-13)


@pytest.mark.parametrize(("d", "degree"), KINDS)
def test_shapes_are_a_nodal_basis_with_the_stated_slopes(d, degree, rng):
    vertices = np.eye(d + 1)
    nodes = vertices
    if degree == 2:
        nodes = np.concatenate([vertices, [(vertices[a] + vertices[b]) / 2 for a, b in elements.edges(d)]])
    np.testing.assert_allclose(elements.shapes(nodes, degree), np.eye(len(nodes)), atol=1e-15)
    bary = rng.dirichlet(np.ones(d + 1), size=3)
    np.testing.assert_allclose(elements.shapes(bary, degree).sum(1), 1, atol=1e-15)
    if degree == 2:

        def columns(b):
            return jnp.concatenate(
                [b * (2 * b - 1), jnp.stack([4 * b[i] * b[j] for i, j in elements.edges(d)])]
            )

        for b, slopes in zip(bary, elements.shape_slopes(bary, 2), strict=True):
            np.testing.assert_allclose(slopes, jax.jacobian(columns)(jnp.asarray(b)), atol=1e-14)


@pytest.mark.parametrize(("d", "degree"), KINDS)
def test_closed_forms_equal_quadrature(d, degree):
    bary, weights = elements.quadrature(d, 4)
    phi, slopes = elements.shapes(bary, degree), elements.shape_slopes(bary, degree)
    by_points = np.einsum("q,qi,qj->ij", weights, phi, phi)
    np.testing.assert_allclose(elements.reference_mass(d, degree), by_points, atol=1e-15)
    for (a, b), R in zip(elements.edges(d), elements.reference_couplings(d, degree), strict=True):
        along = slopes[:, :, a] - slopes[:, :, b]
        np.testing.assert_allclose(R, np.einsum("q,qi,qj->ij", weights, along, along), atol=1e-14)


def test_known_element_matrices():
    """The textbook ones: intervals, and the right-angled triangle."""
    interval = ridge.mesh_interval(1, length=0.5)
    np.testing.assert_allclose(ridge.stiffness(interval).toarray(), [[2, -2], [-2, 2]], atol=1e-15)
    np.testing.assert_allclose(ridge.mass(interval).toarray() * 12, [[2, 1], [1, 2]], atol=1e-15)
    triangle = ridge.mesh_triangles([[0, 0], [1, 0], [0, 1]], [[0, 1, 2]])
    K = [[1, -0.5, -0.5], [-0.5, 0.5, 0], [-0.5, 0, 0.5]]
    np.testing.assert_allclose(ridge.stiffness(triangle).toarray(), K, atol=1e-15)
    np.testing.assert_allclose(ridge.mass(triangle).toarray() * 24, np.eye(3) + 1, atol=1e-14)


def test_couplings_are_half_the_facing_cotangents(rng):
    mesh = crooked(rng)
    P = mesh.nodes[mesh.cells]
    for e, (a, b) in enumerate(elements.edges(2)):
        c = 3 - a - b
        u, v = P[:, a] - P[:, c], P[:, b] - P[:, c]
        cross = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        cotangent = (u * v).sum(1) / np.abs(cross)
        np.testing.assert_allclose(geometry(mesh).coupling[:, e], cotangent / 2, rtol=1e-12)


def test_stiffness_forgets_constants_and_mass_weighs_the_domain(rng):
    for mesh in meshes(rng):
        K, M, one = ridge.stiffness(mesh), ridge.mass(mesh), np.ones(len(mesh.nodes))
        assert np.abs(K @ one).max() < 1e-13 * abs(K).max()
        assert one @ (M @ one) == pytest.approx(area(mesh), rel=1e-14)
        for X in (K, M):
            assert abs(X - X.T).max() < 1e-15 * abs(X).max() * 4
        assert np.linalg.eigvalsh(M.toarray())[0] > 0
        mu = np.linalg.eigvalsh(K.toarray())
        assert abs(mu[0]) < 1e-12 * mu[-1] < mu[1]


def test_patch_tests(rng):
    """A linear field has energy ½|g|²·area and no force inside; P2 does as much for a quadratic one."""
    for mesh in meshes(rng):
        d, n = mesh.nodes.shape[1], len(mesh.nodes)
        g = np.array([1.7, -0.6])[:d]
        w = mesh.nodes @ g + 0.3
        K = ridge.stiffness(mesh)
        assert w @ (K @ w) == pytest.approx(g @ g * area(mesh), rel=1e-12)
        inside = np.setdiff1d(np.arange(n), mesh.boundary)
        assert np.abs((K @ w)[inside]).max() < 1e-12
        np.testing.assert_allclose(ridge.gradient(mesh, w), np.tile(g, (len(mesh.cells), 1)), atol=1e-12)
        if mesh.degree == 2:
            Q = np.array([[1.0, 0.4], [0.4, -0.7]])[:d, :d]
            q = np.einsum("ni,ij,nj->n", mesh.nodes, Q, mesh.nodes)
            b = ridge.load(mesh, lambda X, Q=Q: np.full(len(X), -2 * np.trace(Q)))
            np.testing.assert_allclose((K @ q)[inside], b[inside], atol=1e-12)  # -Δq = f
            u = ridge.solve(mesh, b, kappa=0, fixed=mesh.boundary, values=q[mesh.boundary])
            np.testing.assert_allclose(u.w, q, atol=1e-12)


def test_a_wrong_stiffness_fails_the_patch_test(rng):
    """One coupling off by 0.1 %: the linear field feels a force inside."""
    mesh = crooked(rng)
    K = ridge.stiffness(mesh, 1 + 1e-3 * (np.arange(len(mesh.cells)) == 9))
    w = mesh.nodes @ np.array([1.7, -0.6])
    inside = np.setdiff1d(np.arange(len(mesh.nodes)), mesh.boundary)
    assert np.abs((K @ w)[inside]).max() > 1e-5


def test_the_operator_is_the_sum_and_takes_coefficients_by_cell(rng):
    for mesh in meshes(rng):
        T = len(mesh.cells)
        a, kappa = 0.5 + rng.random(T), rng.random(T)
        A = ridge.operator(mesh, kappa=kappa, a=a)
        assert abs(A - ridge.stiffness(mesh, a) - ridge.mass(mesh, kappa)).max() < 1e-13 * abs(A).max()
        assert abs(ridge.stiffness(mesh, np.full(T, 3.0)) - 3 * ridge.stiffness(mesh)).max() < 1e-12
        one = np.zeros(T)
        one[2] = 1
        inside = ridge.mass(mesh, one) @ np.ones(len(mesh.nodes))
        assert inside.sum() == pytest.approx(geometry(mesh).size[2], rel=1e-14)


def test_lumping_keeps_the_row_sums(rng):
    for mesh in meshes(rng)[:3]:
        L, M = ridge.lumped_mass(mesh), ridge.mass(mesh)
        assert (L - np.diag(L.diagonal())).max() == 0
        np.testing.assert_allclose(L.diagonal(), M.sum(1), rtol=1e-13)
        lumped = ridge.operator(mesh, kappa=2.0, lumped=True)
        assert abs(lumped - ridge.stiffness(mesh) - 2 * L).max() < 1e-13 * abs(lumped).max()
    with pytest.raises(ValueError, match="P2 triangles"):
        ridge.lumped_mass(crooked(rng, degree=2))


def test_loads_are_exact_for_polynomials_and_nodal_values_go_through_the_mass(rng):
    for mesh in meshes(rng):
        p = mesh.degree
        nodal = mesh.nodes.sum(1) ** p
        b = ridge.load(mesh, nodal)
        np.testing.assert_allclose(b, ridge.mass(mesh) @ nodal, rtol=1e-14)
        np.testing.assert_allclose(ridge.load(mesh, lambda X, p=p: X.sum(1) ** p), b, rtol=1e-12, atol=1e-14)


def test_units_scale(rng):
    """Lengths times s: K times s^(d-2), M times s^d; with kappa / s² everything times s^(d-2)."""
    for f in (uneven, crooked):
        mesh = f(rng, degree=2)
        d, s = mesh.nodes.shape[1], 1000.0
        large = mesh._replace(nodes=mesh.nodes * s)
        near = 1e-12 * abs(ridge.stiffness(mesh)).max()
        assert abs(ridge.stiffness(large) * s ** (2 - d) - ridge.stiffness(mesh)).max() < near
        assert abs(ridge.mass(large) / s**d - ridge.mass(mesh)).max() < near
        A, B = ridge.operator(mesh, kappa=3.0), ridge.operator(large, kappa=3.0 / s**2)
        assert abs(B * s ** (2 - d) - A).max() < near


def test_coordinates_rise_from_0_to_1(rng):
    for mesh in meshes(rng):
        v = mesh.nodes.shape[1] + 1
        G, P = slopes_of_coordinates(mesh), mesh.nodes[mesh.cells[:, :v]]
        rises = np.einsum("tad,tbd->tab", G, P - P[:, :1])
        np.testing.assert_allclose(
            rises, np.tile(np.eye(v)[:, :] - np.eye(v)[:, :1], (len(P), 1, 1)), atol=1e-12
        )


def test_interpolation_reproduces_the_element_and_finds_its_cell(rng):
    for mesh in meshes(rng):
        centres = mesh.nodes[mesh.cells[:, : mesh.nodes.shape[1] + 1]].mean(1)
        X = np.concatenate([centres, mesh.nodes])
        N = ridge.interpolation(mesh, X)
        g = X.sum(1) ** mesh.degree
        np.testing.assert_allclose(N @ (mesh.nodes.sum(1) ** mesh.degree), g, atol=1e-12)
        np.testing.assert_allclose(N.sum(1), 1, atol=1e-13)
        with pytest.raises(ValueError, match="outside the mesh"):
            ridge.interpolation(mesh, X + 100)


def test_meshes_have_the_nodes_that_they_should():
    mesh = ridge.mesh_rectangle(3, 2, width=6.0, height=1.0, degree=2)
    assert mesh.cells.shape == (12, 6)
    assert mesh.nodes.shape == (7 * 5, 2)  # P2's nodes are those of a mesh twice as fine
    assert len(mesh.boundary) == 2 * (6 + 4)
    on_rim = (np.isin(mesh.nodes[:, 0], [0, 6])) | (np.isin(mesh.nodes[:, 1], [0, 1]))
    np.testing.assert_array_equal(np.sort(mesh.boundary), np.flatnonzero(on_rim))
    assert ridge.mesh_size(mesh) == pytest.approx(np.hypot(2, 0.5))
    assert ridge.mesh_size(ridge.mesh_interval(5, length=2.0)) == pytest.approx(0.4)
    np.testing.assert_allclose(ridge.mesh_points([0, 1, 3.0], degree=2).nodes[:, 0], [0, 1, 3, 0.5, 2])


POINTS = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
PAIR = np.array([[0, 1, 2], [1, 3, 2]])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ridge.mesh_triangles(POINTS, [[0, 1, 2], [1, 2, 3]]), "triangle 1.*clockwise"),
        (lambda: ridge.mesh_triangles(POINTS, [[0, 1, 2], [1, 3, 4]]), "triangle 1.*from 0 to 3"),
        (lambda: ridge.mesh_triangles(POINTS, [[0, 1, 2], [-1, 3, 2]]), "from 0 to 3"),
        (lambda: ridge.mesh_triangles(POINTS, PAIR[:1]), "1 point.*no triangle.*3"),
        (lambda: ridge.mesh_triangles(POINTS * [1, 0], PAIR), "degenerate"),
        (lambda: ridge.mesh_triangles(POINTS, [[0, 1, 1], [1, 3, 2]]), "degenerate"),
        (lambda: ridge.mesh_triangles(POINTS, [*PAIR, PAIR[0], PAIR[0]]), "at most 2"),
        (lambda: ridge.mesh_triangles(POINTS, PAIR * 1.0), "whole numbers"),
        (lambda: ridge.mesh_triangles(POINTS.T, PAIR), r"\(v, 2\)"),
        (lambda: ridge.mesh_triangles(POINTS * np.nan, PAIR), "NaN"),
        (lambda: ridge.mesh_triangles(POINTS, PAIR, degree=3), "degree"),
        (lambda: ridge.mesh_points([0, 2, 1]), "increase"),
        (lambda: ridge.mesh_points([0.0]), "cells"),
        (lambda: ridge.mesh_interval(0), "at least 1"),
        (lambda: ridge.mesh_interval(2.5), "whole number"),
        (lambda: ridge.mesh_interval(2, length=-1), "positive"),
        (lambda: ridge.mass(ridge.mesh_interval(2), -1.0), "negative.*minimum"),
        (lambda: ridge.mass(ridge.mesh_interval(2), [1.0, 2, 3]), r"\(2,\)"),
        (lambda: ridge.stiffness(ridge.mesh_interval(2), 0), "zero or negative"),
        (lambda: ridge.load(ridge.mesh_interval(2), [1, np.nan, 2]), "NaN"),
        (lambda: ridge.load(ridge.mesh_interval(2), lambda X: X), "must take points"),
        (lambda: ridge.load(ridge.mesh_interval(2), lambda X: X[:, 0] * np.inf), "quadrature points"),
        (lambda: ridge.load(ridge.mesh_interval(2), ["a", "b", "c"]), "real numbers"),
        (lambda: ridge.gradient(ridge.mesh_interval(2), [1.0]), "shape"),
    ],
)
def test_bad_meshes_and_coefficients_are_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
