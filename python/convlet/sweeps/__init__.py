"""Many nets, one for each seed and setting, trained side by side, and one table of what came out."""

from .job import Job, Result
from .run import sweep
from .table import Group, Table

__all__ = ["Group", "Job", "Result", "Table", "sweep"]
