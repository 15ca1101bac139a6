"""What enlarging to 4K takes beside the network: a band of floats, not the image. In a process of its own, whose peak is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LIMIT_MIB = 250  # measured: 150; the image as floats alone would be 95, and several copies of it more
SCRIPT = """
import resource, torch
from tiny_upsamplers import Nearest, picture, upscaler
from t2igan.data.photo import Photo, enlarged
from t2igan.images import save_png

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

Nearest.img_resolution = 64
model = upscaler(Nearest(multiple=8, noise_gain=0.1))
model.upscale(picture(8, 8))
low, before = picture(540, 960), peak()
save_png("large.png", enlarged(Photo(low, None, None, ()), model.upscale(low)))
print(peak() - before)
"""


def test_4k_takes_no_more_than_the_stated_memory(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parent.parent), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < LIMIT_MIB
