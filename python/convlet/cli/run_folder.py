"""Where the files of a run go."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ..checkpoint import Checkpoint, save_checkpoint
from .failures import told

__all__ = ["CHECKPOINT", "RunFolder"]

CHECKPOINT = "checkpoint.safetensors"


class RunFolder:
    """The folder of a run, or a new one elsewhere once that takes no files any more.

    Args:
        path: that was asked for.

    Attributes:
        path: where the files are.
        failure: why that is not the folder which was asked for, or None.
        up_to_date: whether the checkpoint there is the run's last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure: OSError | None = None
        self.up_to_date = False

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint. A failure is told, and no more: the previous one is still there."""
        self.up_to_date = False
        try:
            save_checkpoint(self.path / CHECKPOINT, checkpoint)
            self.up_to_date = True
        except OSError as error:
            print(f"convlet: {told(error)}; the training goes on", file=sys.stderr, flush=True)

    def keep(self, write: Callable[[Path], object]) -> None:
        """Write what must not be lost into the folder, else into a new one where there is room.

        Args:
            write: what writes files into a folder, all that :attr:`path` is to have from then on.

        Raises:
            OSError: nowhere; the message names the first file that could not be written.
        """
        try:
            write(self.path)
            return
        except OSError as error:
            failure = error
        for place in _places():
            with contextlib.suppress(OSError):
                folder = Path(tempfile.mkdtemp(prefix="convlet-run-", dir=place))
                try:
                    write(folder)
                except BaseException:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise
                self.path, self.failure = folder, failure
                return
        places = ", ".join(map(str, _places()))
        raise OSError(failure.errno, f"{told(failure)}; nor can anything be written in {places}")

    def check(self, what: str) -> None:
        """Raise an ``OSError`` that says where something is, if not in the folder that was asked for."""
        if self.failure is not None:
            raise OSError(self.failure.errno, f"{told(self.failure)}; {what} is in {self.path} instead")


def _places() -> Iterator[Path]:
    """The disk for temporary files, the user's, this folder's, and memory."""
    for place in (tempfile.gettempdir, Path.home, Path.cwd, lambda: "/dev/shm"):
        with contextlib.suppress(OSError, RuntimeError):  # there is none
            yield Path(place())
