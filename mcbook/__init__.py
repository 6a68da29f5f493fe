"""The package behind *Matrix Calculus at Work*: tested derivatives, and the applications they drive.

Importing it has no side effects and does not import JAX; `import mcbook.unmixing` and its sisters do.
"""

__version__ = "0.1.0"
