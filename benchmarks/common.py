"""What the benchmarks share: interleaved timing, the machine, and one small JSON per chapter."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

RESULTS = Path(__file__).parent / "results"


def interleave(sides: dict[str, tuple[Callable[[], Any], int]]) -> tuple[dict[str, dict], dict[str, Any]]:
    """Run the sides in turn, each as often as asked: seconds (as `spread`) and what each returned last."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    last: dict[str, Any] = {}
    for k in range(max(repeats for _, repeats in sides.values())):
        for name, (run, repeats) in sides.items():
            if k < repeats:
                start = time.perf_counter()
                last[name] = run()
                seconds[name].append(time.perf_counter() - start)
    return {name: spread(values) for name, values in seconds.items()}, last


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least, most and count."""
    return {
        "median": statistics.median(values),
        "least": min(values),
        "most": max(values),
        "repeats": len(values),
    }


def machine() -> dict[str, Any]:
    """Processor, load, BLAS kernels and threads: nothing that names the host."""
    blas = [
        f"{i['internal_api']} {i.get('architecture', '?')} x{i['num_threads']}" for i in threadpool_info()
    ]
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [round(x, 1) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "blas": sorted(set(blas)),
        "python": platform.python_version(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions(*packages: str) -> dict[str, str]:
    """Installed versions; 'absent' for what is not there."""

    def one(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "absent"

    return {package: one(package) for package in packages}


def rounded(value: Any, digits: int = 4) -> Any:
    """Numbers to `digits` significant digits, through lists and dictionaries."""
    if isinstance(value, dict):
        return {k: rounded(v, digits) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v, digits) for v in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def record(chapter: str, section: str, result: dict[str, Any]) -> None:
    """Put one section's result into results/<chapter>.json, leave the others as they are, and print it."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{chapter}.json"
    document = json.loads(path.read_text()) if path.exists() else {}
    document[section] = rounded(result)
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    print(f"{section}:", json.dumps(document[section], indent=1), flush=True)
