"""Several processes that train one net together, one on each host or processor, over MPI.

>>> from mpi4py import MPI
>>> trainer = Trainer(net, optimizer, loss, communicator=MPI.COMM_WORLD)

under ``mpiexec -n 4 python program.py``; with ``device="cuda"`` the processes take a GPU each. :class:`Team`
says what the processes do in common, and :class:`Communicator` what it takes to connect them in another way
than by mpi4py.
"""

from .communicator import Communicator
from .mpi import world
from .team import BACKENDS, Team, team_of

__all__ = ["BACKENDS", "Communicator", "Team", "team_of", "world"]
