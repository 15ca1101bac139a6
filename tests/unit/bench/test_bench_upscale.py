"""What `bench upscale` prints follows from what it timed."""

from __future__ import annotations

from typing import Any

import pytest

from t2igan.bench.upscale import bench_upscale
from t2igan.cli.app import main
from t2igan.cli.bench_tables import show_upscale
from t2igan.errors import UsageError


def test_rates_and_shares_follow_from_times_and_flops(capsys: pytest.CaptureFixture[str]):
    found = bench_upscale(sides=(16, 32), precisions=("fp32",), repeats=3, device="cpu")
    small, large = found["rows"]
    for row in (small, large):
        seconds = row["latency_ms"]["p50"] / 1000
        assert row["megapixels_per_s"] == pytest.approx((4 * row["side"]) ** 2 / 1e6 / seconds)
        assert row["share_of_peak"] == pytest.approx(
            row["gflop"] / seconds / found["matmul_gflops"]["float32"]
        )
        assert row["repeats"] == 3
    assert large["gflop"] == pytest.approx(4 * small["gflop"], rel=0.05)  # but for what z costs
    assert found["scale"] == 4
    show_upscale(found)
    assert "409,761 parameters, x 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sides": ()}, "at least 1"),
        ({"sides": (0,)}, "at least 1"),
        ({"repeats": 0}, "at least 1"),
        ({"precisions": ("int4",)}, "--precision int4: one or more of fp32, bf16, fp16"),
        ({"untrained": "stylegan_t"}, "known are aura_sr, gigagan_upsampler"),
        ({"untrained": "aura_sr", "model": "a.safetensors"}, "one of the two"),
    ],
)
def test_what_cannot_be_measured_is_refused(change: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        bench_upscale(**change)


@pytest.mark.parametrize(
    ("option", "word", "message"),
    [
        ("--tile", "9" * 31, "--tile: give at most 65,536 pixels, or auto"),
        ("--tile", "big", "--tile big: give a whole number of pixels, or auto"),
        ("--side", f"64, {'9' * 5000}", "--side: give at most 65,536 pixels"),
        ("--side", "64,", "--side : give a whole number of pixels"),
    ],
)
def test_sides_that_no_tensor_can_have_are_one_line(
    capsys: pytest.CaptureFixture[str], option: str, word: str, message: str
):
    assert main(["bench", "upscale", option, word]) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {message}."]
