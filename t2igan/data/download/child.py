"""The child process: `python -m t2igan.data.download.child PARENT JSON` runs img2dataset. Never imported by others.

img2dataset starts its workers with `spawn`, which imports this module in each of them as `__mp_main__`; so what stands at
the top happens there, too.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time

if __name__ in ("__main__", "__mp_main__"):
    from t2igan.data.download.client import install

    sys.modules["torch"] = None  # type: ignore[assignment] # webdataset imports it if it can, for 2 s a process
    install()


def _end_with(parent: int) -> None:
    """End all processes of this group once the one that started them is gone; it may have been killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def main(parent: int, arguments: str) -> None:
    """Call img2dataset's `download` with arguments given as JSON."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    from img2dataset import download  # optional, and 1.4 s

    download(**json.loads(arguments))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
