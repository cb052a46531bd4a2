"""By how much this build is slower than one for use: seconds that tests promise or wait are multiplied by it.

`scripts/check_sanitizers.sh` sets `TESTS_SLOWER`; without it every promise is tested as it is given.
"""

from __future__ import annotations

import os

SLOWER = float(os.environ.get("TESTS_SLOWER", "1"))
SANITIZED = "TESTS_SLOWER" in os.environ
"""Whether a sanitizer is in the process, which takes terabytes of addresses and ends it for want of more."""
