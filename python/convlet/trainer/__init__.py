"""Training: epochs of batches in an order drawn from a seed, and a row of figures for each."""

from .callback import Callback, StopTraining
from .case import Data
from .epoch import Progress, epoch_order
from .trainer import PRECISIONS, Trainer

__all__ = ["PRECISIONS", "Callback", "Data", "Progress", "StopTraining", "Trainer", "epoch_order"]
