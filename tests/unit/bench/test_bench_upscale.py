"""What `bench upscale` prints follows from what it timed."""

from __future__ import annotations

from typing import Any

import pytest

from t2igan.bench.upscale import bench_upscale
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
