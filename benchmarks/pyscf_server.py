"""PySCF behind a pipe: one question a line, one answer a line, JSON both.

    {"positions_angstrom": …, "method": "hf" or "pbe", "basis": "dz" or "tz", "hessian": true}
    {"positions_angstrom": …, "method": "hf", "pbe" or "ccsd_t", "basis": "dz" or "tz", "seconds": true}
It runs under an interpreter that has PySCF (see `correction_live`), which need not be the book's own.
Hartree, Hartree/bohr, Hartree/bohr².

The orbitals are converged further than for the data: an energy is right to the square of their error, a
gradient only to its first power, and here the two are held against each other.
"""

import json
import sys
import time
from typing import Any

import numpy as np

from mcbook.data.make_surfaces import base, built, coupled_cluster, mean_field

TIGHT = {"conv_tol": 1e-13, "conv_tol_grad": 1e-9, "max_cycle": 100}


def answer(molecule: Any, method: str, *, hessian: bool) -> dict[str, Any]:
    """Energy, gradient (with the response of the grid) and, if asked, the analytic Hessian."""
    field = mean_field(molecule, method)
    density = field.make_rdm1()
    for name, value in TIGHT.items():
        setattr(field, name, value)
    field.kernel(dm0=density)
    slope = field.nuc_grad_method()
    if method == "pbe":
        slope.grid_response = True
    found = {"energy": float(field.e_tot), "gradient": slope.kernel().tolist()}
    if hessian:
        found["hessian"] = field.Hessian().kernel().transpose(0, 2, 1, 3).tolist()
    return found


def seconds(molecule: Any, method: str) -> dict[str, float]:
    """Processor time of an energy with its gradient, as the data were computed."""
    start = time.process_time()
    if method == "ccsd_t":
        coupled_cluster(molecule, gradient=True)
    else:
        base(molecule, method)
    return {"seconds": time.process_time() - start}


def main() -> None:
    for line in sys.stdin:
        ask = json.loads(line)
        here = built("water", np.array(ask["positions_angstrom"]), ask["basis"])
        timed = ask.get("seconds", False)
        found = seconds(here, ask["method"]) if timed else answer(here, ask["method"], hessian=ask["hessian"])
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
