"""PySCF behind a pipe: one question a line, one answer a line, JSON both.

    {"positions_angstrom": …, "method": "hf" or "pbe", "basis": "dz" or "tz", "hessian": true}
It runs under an interpreter that has PySCF (see `correction_live`), which need not be the book's own.
Hartree, Hartree/bohr, Hartree/bohr².
"""

import json
import sys

import numpy as np

from mcbook.data.make_surfaces import base, built


def main() -> None:
    for line in sys.stdin:
        ask = json.loads(line)
        here = built("water", np.array(ask["positions_angstrom"]), ask["basis"])
        print(json.dumps(base(here, ask["method"], hessian=ask["hessian"])), flush=True)


if __name__ == "__main__":
    main()
