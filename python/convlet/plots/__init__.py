"""Pictures of data, nets and trainings.

Every function returns a matplotlib figure of its own, which belongs to no window, needs no screen and shows
itself in a notebook, and saves it where ``path`` says so. Matplotlib is loaded when the first picture is
drawn; where it is missing, an ``ImportError`` says what to install.
"""

from .confusion_matrix import confusion_matrix
from .curves import curves
from .feature_maps import feature_maps
from .kernels import kernels
from .learning_rates import learning_rates
from .live_curves import LiveCurves
from .mistakes import mistakes
from .samples import samples
from .sweep import sweep

__all__ = [
    "LiveCurves",
    "confusion_matrix",
    "curves",
    "feature_maps",
    "kernels",
    "learning_rates",
    "mistakes",
    "samples",
    "sweep",
]
