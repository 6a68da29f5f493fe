"""Figures that follow the page: inline SVG in the reader's text colour, with an alternative in words.

A figure is drawn in two sentinel colours, `INK` and `MUTED`. `figure` turns the first into the page's
`currentColor` and the second into a grey that reads on white and on the dark theme, so one file serves both.
Text stays text (half the weight of outlines, and it can be selected). No colour stands alone: every
line has its own dash, every group its own marker.

    fig = plots.waveforms(X, rate_hz=8000, names=["Ada", "Ben"])
    plots.figure(fig, alt="Two recordings over three seconds; both carry both voices.")
"""

from mcbook.plots.chapters import CHAPTERS, Gallery, gallery
from mcbook.plots.correction import clouds
from mcbook.plots.diffusion import sprites, swarms
from mcbook.plots.downhill import bowls
from mcbook.plots.drawings import convergence, matrix, scatter_pair, spectrogram, waveforms
from mcbook.plots.identities import IdentityTable, LayoutTable, identities, layouts
from mcbook.plots.kernels import fits, landscape, learning_curves, molecules
from mcbook.plots.logo import sequence_logo
from mcbook.plots.miniatures import miniature
from mcbook.plots.palette import COLOURS, DASHES, INK, MARKERS, MUTED, rasterise, style
from mcbook.plots.protein import protein_map
from mcbook.plots.ridge import pictures, profiles, scales
from mcbook.plots.schedules import intervals, step_values
from mcbook.plots.strands import Strands, strands
from mcbook.plots.svg import Figure, figure
from mcbook.plots.symmetry import time_courses

__all__ = [
    "CHAPTERS",
    "COLOURS",
    "DASHES",
    "INK",
    "MARKERS",
    "MUTED",
    "Figure",
    "Gallery",
    "IdentityTable",
    "LayoutTable",
    "Strands",
    "bowls",
    "clouds",
    "convergence",
    "figure",
    "fits",
    "gallery",
    "identities",
    "intervals",
    "landscape",
    "layouts",
    "learning_curves",
    "matrix",
    "miniature",
    "molecules",
    "pictures",
    "profiles",
    "protein_map",
    "rasterise",
    "scales",
    "scatter_pair",
    "sequence_logo",
    "spectrogram",
    "sprites",
    "step_values",
    "strands",
    "style",
    "swarms",
    "time_courses",
    "waveforms",
]
