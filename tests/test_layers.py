"""The layering of the package, from the syntax tree, and that importing it changes nothing."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mcbook"
BASE = {"calculus", "data", "ledger"}  # and small helpers, whose names begin with an underscore
SCREEN = {"plots": 1, "questions": 1, "widgets": 2, "notebook": 2, "exercises": 3}
CALCULUS_MAY = {"mcbook", "numpy", "jaxtyping"}


def imports(path: Path, root: Path = ROOT) -> set[str]:
    """The dotted names that a file imports, wherever in the file; relative imports are made absolute."""
    package = path.relative_to(root).parent.as_posix().replace("/", ".")
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*parents, node.module or ""]).strip(".") if node.level else node.module or ""
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def part(name: str) -> str:
    """mcbook.unmixing.solve → unmixing; "" for the package itself and for anything outside it."""
    pieces = name.split(".")
    return pieces[1] if pieces[0] == "mcbook" and len(pieces) > 1 else ""


def faults(path: Path, parts: set[str], root: Path = ROOT) -> list[str]:
    """What a file of mcbook imports and may not."""
    me = part(".".join(path.relative_to(root).with_suffix("").parts))
    found = []
    for name in sorted(imports(path, root)):
        other = part(name)
        if name.split(".")[0] in ("tests", "benchmarks"):
            found.append(f"{me} imports {name}")
        elif me == "calculus" and name.split(".")[0] not in CALCULUS_MAY | sys.stdlib_module_names:
            found.append(f"calculus imports {name}: NumPy only")
        elif other in parts and other != me and not _may(me, other):
            found.append(f"{me or 'mcbook'} imports {name}: imports go strictly downward")
    return found


def _may(me: str, other: str) -> bool:
    """Whether `me` may import `other`: base → chapters → plots, questions → widgets, notebook → exercises."""
    if other.startswith("_"):
        return me != ""
    if me in SCREEN:
        return SCREEN.get(other, 0) < SCREEN[me]
    chapter = me not in BASE and me != "" and not me.startswith("_")
    return chapter and other in BASE - {"calculus"}


def package_parts(package: Path) -> set[str]:
    return {path.stem for path in package.iterdir() if path.suffix == ".py" or path.is_dir()} - {"__init__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_go_strictly_downward(path):
    assert faults(path, package_parts(PACKAGE)) == []


@pytest.mark.parametrize(
    ("module", "line", "wrong"),
    [
        ("calculus/check.py", "import jax", True),
        ("calculus/check.py", "def f():\n    from scipy import linalg", True),
        ("calculus/check.py", "import numpy\nfrom mcbook.calculus import inputs", False),
        ("unmixing/solve.py", "from mcbook.calculus import check_grad", True),
        ("unmixing/solve.py", "from mcbook import kernels", True),
        ("unmixing/solve.py", "from .. import plots", True),
        ("unmixing/solve.py", "from ..plots import figure", True),
        ("unmixing/solve.py", "from . import density\nfrom mcbook.data import voices\nimport jax", False),
        ("plots.py", "from mcbook import widgets", True),
        ("plots.py", "from mcbook import unmixing", False),
        ("notebook.py", "from mcbook import plots, calculus", False),
        ("widgets.py", "import benchmarks.unmixing", True),
        ("__init__.py", "from mcbook import calculus", True),
        ("data/cache.py", "from mcbook.unmixing import fit", True),
    ],
)
def test_planted_imports_are_found(tmp_path, module, line, wrong):
    path = tmp_path / "mcbook" / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line + "\n", encoding="utf-8")
    parts = {"calculus", "data", "ledger", "unmixing", "kernels", "plots", "widgets", "notebook"}
    assert bool(faults(path, parts, tmp_path)) is wrong


def run(script: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["mcbook", "mcbook.calculus", "mcbook.ledger"])
def test_light_imports_stay_light(module):
    heavy = "{'jax', 'scipy', 'matplotlib', 'sklearn', 'IPython', 'pooch'}"
    assert run(f"import sys, {module}; print(*sorted({heavy} & set(sys.modules)))") == ""


SIDE_EFFECTS = """
import importlib, os, pkgutil, random, warnings
import numpy as np, jax, matplotlib
import matplotlib.pyplot

def state():
    kind, keys, *rest = np.random.get_state()
    return {
        "np.random": (kind, keys.tolist(), rest), "random": random.getstate(),
        "jax_enable_x64": jax.config.jax_enable_x64, "jax_platforms": jax.config.jax_platforms,
        "rcParams": dict(matplotlib.rcParams), "errstate": np.geterr(),
        "printoptions": str(np.get_printoptions()), "environ": dict(os.environ), "directory": os.getcwd(),
    }

import mcbook
names = [m.name for m in pkgutil.walk_packages(mcbook.__path__, "mcbook.") if not m.name.endswith("__main__")]
before, filters = state(), {}
libraries = {"mcbook"}
for name in names:
    known = list(warnings.filters)
    importlib.import_module(name)
    filters[name] = [f for f in warnings.filters if f not in known]
after = state()
print(*[key for key in before if before[key] != after[key]])
"""


def test_importing_any_module_changes_nothing():
    """Not the random state, the precision of JAX, the style of figures, the environment or the directory."""
    assert run(SIDE_EFFECTS) == ""


def test_no_module_touches_warning_filters_or_global_seeds():
    """From the syntax tree, since third-party imports set filters of their own."""
    forbidden = {"simplefilter", "filterwarnings", "seed"}
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [
            n
            for statement in tree.body
            if not isinstance(statement, ast.FunctionDef | ast.ClassDef)
            for n in ast.walk(statement)
            if isinstance(n, ast.Call)
        ]
        names = {
            n.func.attr if isinstance(n.func, ast.Attribute) else getattr(n.func, "id", "") for n in calls
        }
        assert not names & forbidden, f"{path.name} changes global state when it is imported"
