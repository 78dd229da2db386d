"""A process that passes one input after another to one target.

    python -m benchmarks.fuzz.child TARGET

Reads inputs from standard input, each preceded by its length, and writes a line of JSON for each.
Its memory limit is 512 MiB above what it uses when ready.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import resource
import struct
import sys
import time
from pathlib import Path

from benchmarks.fuzz.runner import MEMORY

RAW = re.compile(
    r"Traceback|(?<!urn:openregister:problem:)\b[A-Z]\w*(?:Error|Exception)\b|<class |object at 0x"
    r"|\[SQL|sqlalche|Stage\.|RowProblem|Value error,|invalid literal for|codec can't|NoneType"
    r"|object has no|not subscriptable|unsupported operand|positional argument"
)
"""Must not appear in a message: names of Python and of ours, statements, representations."""


def main(name: str) -> None:
    from benchmarks.fuzz.targets import TARGETS, Refused

    faulthandler.enable()
    source, out = sys.stdin.buffer, os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of a target must not mix with answers
    target = TARGETS[name]()
    ceiling = _address_space() + MEMORY
    _, hard = resource.getrlimit(resource.RLIMIT_AS)  # whoever started it may have set one
    if hard != resource.RLIM_INFINITY:
        ceiling = min(ceiling, hard)
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps({"ready": True}), file=out, flush=True)
    while size := source.read(4):
        given = source.read(struct.unpack(">I", size)[0])
        finding, outcome = "", "read"
        ready = _most_memory(anew=True)
        began = time.process_time()
        try:
            said = target(given)
        except Refused as refused:
            outcome, said = "refused", [str(refused)]
        except MemoryError:
            finding, said = "more memory than allowed", []
        except Exception as error:
            finding, said = f"not foreseen: {type(error).__name__}: {str(error)[:200]}", []
        spent = time.process_time() - began
        raw = next((found for text in said if (found := RAW.search(text))), None)
        if raw and not finding and raw[0].encode() not in given:
            finding = f"a raw name in a message: {raw.string[:200]}"
        needed = _most_memory() - ready
        answer = {"outcome": outcome, "seconds": spent, "memory": needed, "finding": finding}
        print(json.dumps(answer), file=out, flush=True)


def _most_memory(*, anew: bool = False) -> int:
    """Peak memory in bytes since it was last reset."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main(sys.argv[1])
