"""What a run may do on its way: stop early, keep the best net, write its figures, say what is wrong.

>>> from convlet.callbacks import CSVLogger, EarlyStopping
>>> callbacks = [EarlyStopping(patience=5), CSVLogger("run.csv")]
>>> trainer.fit(train, validation=0.1, epochs=100, callbacks=callbacks)
"""

from ..trainer import Callback, StopTraining
from .best_checkpoint import BestCheckpoint
from .csv_logger import CSVLogger
from .early_stopping import EarlyStopping
from .plateau_doctor import Diagnosis, PlateauDoctor
from .tensorboard_logger import TensorBoardLogger

__all__ = [
    "BestCheckpoint",
    "CSVLogger",
    "Callback",
    "Diagnosis",
    "EarlyStopping",
    "PlateauDoctor",
    "StopTraining",
    "TensorBoardLogger",
]
