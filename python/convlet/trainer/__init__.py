"""Training: epochs of batches in an order drawn from a seed, and a row of figures for each."""

from .case import Data
from .epoch import Progress, epoch_order
from .trainer import Trainer

__all__ = ["Data", "Progress", "Trainer", "epoch_order"]
