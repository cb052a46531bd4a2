"""Optimizers and learning-rate schedules, with PyTorch's arguments, formulas and checks."""

from .adam import Adam, AdamW
from .optimizer import Optimizer
from .schedules import Constant, Cosine, LinearWarmup, Schedule, StepDecay
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Constant", "Cosine", "LinearWarmup", "Optimizer", "Schedule", "StepDecay"]
