"""Runs a command and prints its seconds, its peak of resident memory in bytes and its exit status.

    python -I -S launch.py OUTPUT COMMAND...

The command's standard output goes into the file OUTPUT. A process starts with its parent's peak of memory to
its name, so a parent of many libraries would be measured in place of its child; this one has none.
"""

import os
import sys
import time


def main() -> None:
    output, *command = sys.argv[1:]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    begin = time.perf_counter()
    child = os.posix_spawnp(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, output, flags, 0o600)]
    )
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - begin
    unit = 1 if sys.platform == "darwin" else 1024
    print(seconds, usage.ru_maxrss * unit, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
