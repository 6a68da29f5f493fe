"""The field of least energy: its gradient, its orders, the solvers, and the adjoint's sensitivities."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook import calculus, ridge
from mcbook.ridge import multigrid
from mcbook.ridge.assembly import scatter
from mcbook.ridge.elements import reference_couplings, reference_mass
from mcbook.ridge.mesh import geometry
from tests.ridge_problems import crooked, meshes, uneven

KAPPA = 7.0


def pieces(mesh, rng):
    K, M = ridge.stiffness(mesh).toarray(), ridge.mass(mesh).toarray()
    n = len(mesh.nodes)
    return K, M, rng.normal(size=n), rng.normal(size=n)


# The energy


def test_the_gradient_and_the_hessian_are_right(rng):
    for mesh in (uneven(rng, degree=2), crooked(rng, n=2)):
        K, M, b, w = pieces(mesh, rng)

        def f(w, K=K, M=M, b=b):
            return ridge.energy(w, K, M, b, KAPPA)

        G = ridge.grad_energy_w(w, K, M, b, KAPPA)
        assert calculus.check_grad(f, G, w, reference=jax.grad(f), rng=rng)
        v = rng.normal(size=len(w))
        known = jax.jvp(jax.grad(f), (jnp.asarray(w),), (jnp.asarray(v),))[1]
        np.testing.assert_allclose(ridge.hvp_energy_w(v, K, M, KAPPA), known, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda K, M, b, w: K @ w + KAPPA * M @ w + b,  # the load's sign
        lambda K, M, b, w: 2 * K @ w + 2 * KAPPA * M @ w - b,  # the factor ½ lost
        lambda K, M, b, w: K @ w + KAPPA * w - b,  # I for M
        lambda K, M, b, w: K @ w + KAPPA * M.sum(1) * w - b,  # the lumped mass
        lambda K, M, b, w: K @ w + M @ w - b,
        lambda K, M, b, w: 1.001 * (K @ w) + KAPPA * M @ w - b,
    ],
)
def test_wrong_gradients_are_caught(wrong, rng):
    K, M, b, w = pieces(crooked(rng), rng)
    with pytest.raises(AssertionError):
        calculus.check_grad(lambda w: ridge.energy(w, K, M, b, KAPPA), wrong(K, M, b, w), w, rng=rng)


def test_the_solution_is_stationary_and_of_least_energy(rng):
    for mesh in meshes(rng):
        K, M, b, _ = pieces(mesh, rng)
        w = ridge.solve(mesh, b, kappa=KAPPA).w
        assert np.abs(ridge.grad_energy_w(w, K, M, b, KAPPA)).max() < 1e-11 * np.abs(b).max()
        least = ridge.energy(w, K, M, b, KAPPA)
        assert least == pytest.approx(-b @ w / 2, rel=1e-11)
        for _ in range(3):
            v = rng.normal(size=len(w))
            more = ridge.energy(w + v, K, M, b, KAPPA) - least
            assert more == pytest.approx(v @ ridge.hvp_energy_w(v, K, M, KAPPA) / 2, rel=1e-9)
            assert more > 0


def test_a_finer_mesh_has_less_energy(rng):
    """Galerkin: P1 fields of a mesh are among those of its refinement, and among P2's."""
    man = ridge.sines(KAPPA)
    least = []
    for n, p in ((4, 1), (8, 1), (8, 2)):
        mesh = ridge.mesh_square(n, degree=p)
        b = ridge.load(mesh, man.f, order=10)
        least.append(-b @ ridge.solve(mesh, b, kappa=KAPPA, fixed=mesh.boundary).w / 2)
    exact = -(2 * np.pi**2 + KAPPA) / 8
    assert least[0] > least[1] > least[2] > exact
    assert least[2] == pytest.approx(exact, rel=1e-3)


# Orders


@pytest.mark.parametrize("wave", [ridge.sines, ridge.cosines])
@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("d", [1, 2])
def test_orders_are_those_of_the_elements(d, degree, wave):
    """P1 2 and 1, P2 3 and 2, with held and with natural ends."""
    make = (ridge.mesh_interval, ridge.mesh_square)[d - 1]
    sizes = ((32, 64), (16, 32))[d - 1]
    man, L2, H1 = wave(KAPPA), [], []
    for n in sizes:
        mesh = make(n, degree=degree)
        fixed = mesh.boundary if wave is ridge.sines else ()
        found = ridge.solve(mesh, ridge.load(mesh, man.f), kappa=KAPPA, fixed=fixed)
        off = ridge.errors(mesh, found.w, man.u, man.grad_u)
        L2.append(off.L2), H1.append(off.H1)
    h = [1 / n for n in sizes]
    assert ridge.orders(L2, h)[0] == pytest.approx(degree + 1, abs=0.02)
    assert ridge.orders(H1, h)[0] == pytest.approx(degree, abs=0.01)


def test_the_wrong_mass_spoils_the_order():
    """A kappa 1 % off is a floor under the error: the order is gone."""
    man, L2 = ridge.sines(KAPPA), []
    for n in (16, 32):
        mesh = ridge.mesh_square(n, degree=2)
        w = ridge.solve(mesh, ridge.load(mesh, man.f), kappa=1.01 * KAPPA, fixed=mesh.boundary).w
        L2.append(ridge.errors(mesh, w, man.u, man.grad_u).L2)
    assert ridge.orders(L2, [1, 0.5])[0] < 1


def test_manufactured_solutions_solve_their_equation(rng):
    for wave in (ridge.sines, ridge.cosines):
        man = wave(KAPPA, a=1.3)
        for d in (1, 2):
            X, h = rng.random((3, d)), 1e-4
            for i in range(d):
                step = h * np.eye(d)[i]
                slope = (man.u(X + step) - man.u(X - step)) / (2 * h)
                np.testing.assert_allclose(man.grad_u(X)[:, i], slope, atol=1e-6)
            bend = sum(man.u(X + h * e) + man.u(X - h * e) - 2 * man.u(X) for e in np.eye(d)) / h**2
            np.testing.assert_allclose(man.f(X), -1.3 * bend + KAPPA * man.u(X), atol=1e-4)


def test_errors_of_a_known_field():
    """u = 0 against x: 1/√3 and 1, in both dimensions."""
    for mesh in (ridge.mesh_interval(3), ridge.mesh_square(3, degree=2)):
        d = mesh.nodes.shape[1]
        found = ridge.errors(
            mesh, 0 * mesh.nodes[:, 0], lambda X: X[:, 0], lambda X, d=d: 0 * X + np.eye(d)[0]
        )
        np.testing.assert_allclose(found, [1 / np.sqrt(3), 1], rtol=1e-14)


# Solvers


def test_held_values_and_the_elimination_equal_a_dense_solve(rng):
    for mesh in meshes(rng):
        n = len(mesh.nodes)
        A = ridge.operator(mesh, kappa=KAPPA).toarray()
        fixed, values, b = rng.permutation(n)[:3], rng.normal(size=3), rng.normal(size=n)
        found = ridge.solve(mesh, b, kappa=KAPPA, fixed=fixed, values=values)
        free = np.setdiff1d(np.arange(n), fixed)
        known = np.linalg.solve(A[np.ix_(free, free)], b[free] - A[np.ix_(free, fixed)] @ values)
        np.testing.assert_array_equal(found.w[fixed], values)
        np.testing.assert_allclose(found.w[free], known, rtol=1e-10, atol=1e-12)
        assert found.residual < 1e-12
        assert found.converged


def test_kappa_0_works_where_a_node_is_held(rng):
    """A string under a uniform load: x(L - x)/2 at the nodes, held at both ends; and free at one."""
    mesh = uneven(rng)
    x = mesh.nodes[:, 0] - mesh.nodes[0, 0]
    b = ridge.load(mesh, np.ones(len(x)))
    both = ridge.solve(mesh, b, kappa=0, fixed=mesh.boundary)
    np.testing.assert_allclose(both.w, x * (x[-1] - x) / 2, rtol=1e-12, atol=1e-14)
    one = ridge.solve(mesh, b, kappa=0, fixed=mesh.boundary[:1])
    np.testing.assert_allclose(one.w, x * (x[-1] - x / 2), rtol=1e-12, atol=1e-14)
    assert both.resolved


def test_multigrid_agrees_with_the_factorisation_whatever_the_mesh(rng):
    """Crooked P1 and P2 meshes, a jump of 10 in a, kappa varying: one solution."""
    for degree, n in ((1, 40), (2, 20)):
        mesh = crooked(rng, n=n, degree=degree)
        T = len(mesh.cells)
        a = np.where(mesh.nodes[mesh.cells[:, 0], 0] > 0.3, 10.0, 1.0)
        b = ridge.load(mesh, rng.normal(size=len(mesh.nodes)))
        settings = {"kappa": 1 + rng.random(T), "a": a, "fixed": mesh.boundary}
        found = ridge.solve(mesh, b, method="multigrid", **settings)
        known = ridge.solve(mesh, b, method="direct", **settings)
        assert found.converged
        assert 1 < found.iterations < 120
        assert np.linalg.norm(found.w - known.w) < 1e-9 * np.linalg.norm(known.w)
        assert known.iterations == 0


def test_multigrid_follows_a_mesh_that_is_finer_by_a_thousand_at_a_point(rng, monkeypatch):
    """Nodes in a fan, a thousand times closer at its tip: boxes that split in the crowd keep CG short."""
    flat = ridge.mesh_rectangle(120, 28)
    radius, angle = 1000 ** (flat.nodes[:, 0] - 1), np.pi / 2 * flat.nodes[:, 1]
    fan = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    mesh = ridge.mesh_triangles(fan, flat.cells)
    b = ridge.load(mesh, rng.normal(size=len(fan)))
    found = ridge.solve(mesh, b, kappa=KAPPA, fixed=mesh.boundary, method="multigrid")
    known = ridge.solve(mesh, b, kappa=KAPPA, fixed=mesh.boundary, method="direct")
    assert found.converged
    assert np.linalg.norm(found.w - known.w) < 1e-9 * np.linalg.norm(known.w)
    monkeypatch.setattr(multigrid, "CROWD", 10**9)
    even = ridge.solve(mesh, b, kappa=KAPPA, fixed=mesh.boundary, method="multigrid")
    assert found.iterations < 60 < even.iterations


def test_the_v_cycle_is_symmetric_positive_and_contracts(rng):
    mesh = ridge.mesh_square(32)
    A = ridge.operator(mesh, kappa=KAPPA)
    levels = multigrid.hierarchy(A, mesh.nodes, coarsest=50)
    assert len(levels.levels) >= 2
    x, y = rng.normal(size=(2, len(mesh.nodes)))
    left, right = y @ multigrid.v_cycle(levels, x), x @ multigrid.v_cycle(levels, y)
    assert left == pytest.approx(right, rel=1e-10)
    assert x @ multigrid.v_cycle(levels, x) > 0
    e = rng.normal(size=len(x))
    for _ in range(15):
        e = e - multigrid.v_cycle(levels, A @ e)
        e_norm, e = np.sqrt(e @ (A @ e)), e / np.sqrt(e @ (A @ e))
    assert e_norm < 0.85


def test_unresolved_lengths_are_reported_and_too_few_iterations_too(rng):
    mesh = ridge.mesh_interval(10)
    b = ridge.load(mesh, np.ones(11))
    assert ridge.solve(mesh, b, kappa=99).resolved
    rough = ridge.solve(mesh, b, kappa=1e4)
    assert not rough.resolved
    assert rough.h_over_length == pytest.approx(10)
    assert ridge.solve(mesh, b, kappa=1e4, a=1e3).h_over_length == pytest.approx(0.1 * np.sqrt(10))
    A = ridge.operator(ridge.mesh_square(32), kappa=1e-3)
    levels = multigrid.hierarchy(A, ridge.mesh_square(32).nodes, coarsest=100)
    assert not multigrid.conjugate_gradients(A, rng.normal(size=33**2), levels, rtol=1e-12, most=2).converged


def test_where_multigrid_gives_up_the_factorisation_takes_over(rng, monkeypatch):
    """And the iterations that were lost are told; multigrid alone reports that it did not converge."""
    mesh = ridge.mesh_square(52)  # more than DIRECT unknowns
    b = ridge.load(mesh, rng.normal(size=len(mesh.nodes)))
    known = ridge.solve(mesh, b, kappa=KAPPA, method="direct")

    def two_steps(A, b, h, *, rtol, most):
        return multigrid.conjugate_gradients(A, b, h, rtol=rtol, most=2)

    monkeypatch.setattr(sys.modules["mcbook.ridge.solve"], "conjugate_gradients", two_steps)
    found = ridge.solve(mesh, b, kappa=KAPPA)
    np.testing.assert_allclose(found.w, known.w, rtol=1e-9, atol=1e-12)
    assert (found.converged, found.iterations) == (True, 2)
    alone = ridge.solve(mesh, b, kappa=KAPPA, method="multigrid")
    assert not alone.converged
    assert alone.residual > 1e-6
    assert not ridge.vjp_solve(mesh, alone, b).converged


def test_a_mesh_held_everywhere_needs_no_solve():
    mesh = ridge.mesh_interval(1)
    found = ridge.solve(mesh, [1.0, 2.0], kappa=1, fixed=[1, 0], values=[3.0, 4.0])
    np.testing.assert_array_equal(found.w, [4.0, 3.0])
    assert found.converged
    assert found.residual == 0


def two_parts():
    """Two triangles that do not touch."""
    points = np.array([[0.0, 0], [1, 0], [0, 1], [5, 0], [6, 0], [5, 1]])
    return ridge.mesh_triangles(points, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kappa": -1}, "negative"),
        ({"kappa": 0}, "singular"),
        ({"kappa": 0, "fixed": [0]}, "part of the mesh"),
        ({"kappa": [1.0, 0.0]}, "part of the mesh"),
        ({"kappa": 1, "a": -2}, "zero or negative"),
        ({"kappa": np.nan}, "NaN"),
        ({"kappa": 1, "fixed": [9]}, "0 … 5"),
        ({"kappa": 1, "fixed": [1, 1]}, "twice"),
        ({"kappa": 1, "fixed": [0.5]}, "node numbers"),
        ({"kappa": 1, "fixed": [0, 1], "values": [1.0, 2, 3]}, "one per held node"),
        ({"kappa": 1, "method": "cholesky"}, "method"),
    ],
)
def test_bad_problems_are_named(settings, says):
    with pytest.raises(ValueError, match=says):
        ridge.solve(two_parts(), np.ones(6), **settings)


def test_bad_loads_are_named_and_a_field_of_springs_may_have_gaps():
    with pytest.raises(ValueError, match="NaN"):
        ridge.solve(two_parts(), [np.nan] * 6, kappa=1)
    with pytest.raises(ValueError, match="shape"):
        ridge.solve(two_parts(), np.ones(5), kappa=1)
    assert ridge.solve(two_parts(), np.ones(6), kappa=[1.0, 0.0], fixed=[4]).converged


# The adjoint


def functional(w):
    """Something that is not quadratic."""
    return (jnp.sin(w) * jnp.arange(1.0, len(w) + 1)).sum() / len(w) + 0.5 * (w**2).sum()


def dense_solution(mesh, kappa, a, b, fixed, values, lumped=False):
    """The solution in JAX, dense, from per-cell matrices: what automatic differentiation goes through."""
    d, n = mesh.nodes.shape[1], len(mesh.nodes)
    size, coupling = geometry(mesh)
    mass = reference_mass(d, mesh.degree)
    mass = np.diag(mass.sum(1)) if lumped else mass
    R = reference_couplings(d, mesh.degree)
    blocks = jnp.einsum("t,te,eij->tij", a, coupling, R) + jnp.einsum("t,t,ij->tij", kappa, size, mass)
    A = jnp.zeros((n, n)).at[mesh.cells[:, :, None], mesh.cells[:, None, :]].add(blocks)
    free = np.setdiff1d(np.arange(n), fixed)
    pull = b[free] - A[np.ix_(free, fixed)] @ values
    return jnp.zeros(n).at[fixed].set(values).at[free].set(jnp.linalg.solve(A[np.ix_(free, free)], pull))


@pytest.mark.parametrize(("kind", "lumped"), [(0, False), (1, True), (2, True), (3, False)])
def test_the_adjoint_gradient_is_the_automatic_one(kind, lumped, rng):
    mesh = meshes(rng)[kind]
    T, n = len(mesh.cells), len(mesh.nodes)
    fixed = rng.permutation(n)[:2]
    at = [5 + rng.random(T), 1 + rng.random(T), rng.normal(size=n), rng.normal(size=2)]

    def composed(kappa, a, b, values):
        return functional(dense_solution(mesh, kappa, a, b, fixed, values, lumped))

    known = jax.jit(jax.grad(composed, argnums=(0, 1, 2, 3)))(*map(jnp.asarray, at))
    found = ridge.solve(mesh, at[2], kappa=at[0], a=at[1], fixed=fixed, values=at[3], lumped=lumped)
    grads = ridge.vjp_solve(mesh, found, jax.grad(functional)(jnp.asarray(found.w)))
    assert grads.converged
    for name, G, R in zip(grads._fields, grads[:4], known, strict=False):
        assert np.shape(G) == np.shape(R), name
        assert np.linalg.norm(G - R) <= 1e-11 * np.linalg.norm(R), name


def test_one_number_for_all_cells_has_the_sum_of_their_gradients(rng):
    for mesh in meshes(rng):
        T, n = len(mesh.cells), len(mesh.nodes)
        b, w_bar = rng.normal(size=(2, n))
        one = ridge.vjp_solve(mesh, ridge.solve(mesh, b, kappa=5, a=1.5), w_bar)
        each = ridge.solve(mesh, b, kappa=np.full(T, 5.0), a=np.full(T, 1.5))
        all_cells = ridge.vjp_solve(mesh, each, w_bar)
        assert np.shape(one.kappa_bar) == np.shape(one.a_bar) == ()
        assert one.kappa_bar == pytest.approx(all_cells.kappa_bar.sum(), rel=1e-12)
        assert one.a_bar == pytest.approx(all_cells.a_bar.sum(), rel=1e-12)


@pytest.mark.parametrize("name", ["kappa", "a", "b"])
def test_the_adjoint_gradient_is_the_slope(name, rng):
    mesh = crooked(rng, degree=2)
    T, n = len(mesh.cells), len(mesh.nodes)
    at = {"kappa": 5 + rng.random(T), "a": 1 + rng.random(T), "b": rng.normal(size=n)}

    def solved(x):
        now = at | {name: x}
        return ridge.solve(
            mesh, now["b"], kappa=now["kappa"], a=now["a"], fixed=mesh.boundary[:2], values=0.1
        )

    found = solved(at[name])
    grads = ridge.vjp_solve(mesh, found, jax.grad(functional)(jnp.asarray(found.w)))
    G = getattr(grads, f"{name}_bar")
    f = lambda x: float(functional(solved(x).w))  # noqa: E731
    assert calculus.check_grad(f, G, at[name], rng=rng)
    wrong = {"sign": -G, "factor": 2 * G, "0.1 %": 1.001 * G}
    if name == "kappa":  # the primal field in the adjoint's place: right only where g is the energy
        wrong["self-adjoint"] = -geometry(mesh).size * np.einsum(
            "ti,ij,tj->t", found.w[mesh.cells], reference_mass(2, 2), found.w[mesh.cells]
        )
    for H in wrong.values():
        with pytest.raises(AssertionError):
            calculus.check_grad(f, H, at[name], rng=rng)


def test_a_functional_of_the_energy_needs_no_adjoint(rng):
    """For g = bᵀw the adjoint is the field itself: dg/dkappa = -wᵀMw, and g's derivative in b is 2w."""
    mesh = crooked(rng)
    b = rng.normal(size=len(mesh.nodes))
    found = ridge.solve(mesh, b, kappa=KAPPA)
    grads = ridge.vjp_solve(mesh, found, b)
    np.testing.assert_allclose(grads.b_bar, found.w, rtol=1e-12)
    assert grads.kappa_bar == pytest.approx(-found.w @ (ridge.mass(mesh) @ found.w), rel=1e-12)
    assert grads.a_bar == pytest.approx(-found.w @ (ridge.stiffness(mesh) @ found.w), rel=1e-12)
    assert grads.values_bar.shape == (0,)
    with pytest.raises(ValueError, match="w_bar"):
        ridge.vjp_solve(mesh, found, b[1:])


def test_the_scatter_is_the_sum_over_cells(rng):
    mesh = crooked(rng, n=2)
    blocks = rng.normal(size=(len(mesh.cells), 9))
    known = np.zeros((len(mesh.nodes),) * 2)
    for cell, block in zip(mesh.cells, blocks, strict=True):
        known[np.ix_(cell, cell)] += block.reshape(3, 3)
    np.testing.assert_allclose(scatter(mesh, blocks).toarray(), known, atol=1e-14)
