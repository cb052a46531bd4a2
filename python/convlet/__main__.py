"""``python -m convlet`` is the command ``convlet``."""

import sys

from .cli import main

sys.exit(main())
