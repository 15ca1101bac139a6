"""Every check of tests/fixtures/eval: values of independent implementations on seeded feature sets (seed 20240601).

Peers: clean-fid 0.1.35, torch-fidelity 0.4.0, dgm-eval, prdc 0.2, scikit-learn 1.9.1, mpmath with 40 digits, and
independent numpy code by other routes. SciPy 1.17.1, torch 2.15.0, float64 on a CPU.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from t2igan.metrics.clip_score import clip_score, cosines
from t2igan.metrics.cmmd import cmmd
from t2igan.metrics.fid import frechet_distance, frechet_distance_of_features
from t2igan.metrics.inception_score import inception_score
from t2igan.metrics.kid import kernel_distance, mmd2_unbiased
from t2igan.metrics.prc import precision_recall
from t2igan.metrics.stats import FeatureStats

FOLDER = Path(__file__).parent.parent / "fixtures" / "eval"
ARRAYS = np.load(FOLDER / "metrics.npz")
EXPECTED = {
    k: v for k, v in json.loads((FOLDER / "expected.json").read_text()).items() if not k.startswith("_")
}
FEATURE_CASES = [name for name, entry in EXPECTED.items() if "fid" in entry]
PRDC_OPTIONS = {
    "torchfidelity_leq": {"comparison": "<="},
    "torchfidelity_leq_batched128": {"comparison": "<="},
    "dgm_eval_strict": {"comparison": "<"},
    "prdc_pkg_strict": {"comparison": "<"},
    "independent_leq": {"comparison": "<="},
    "independent_strict": {"comparison": "<"},
    "stylegan_style_fp16_leq": {"comparison": "<=", "precision": "half"},
}
FID_KNOWN_WRONG = "cleanfid_on_float32_input"  # shows what raw float32 moments lose: 5.6e-7 here


def sets(case: str) -> tuple[Tensor, Tensor]:
    """The features of a case, real and generated; equal ones are stored once."""
    generated = f"{case}__gen" if f"{case}__gen" in ARRAYS else f"{case}__real"
    return torch.from_numpy(ARRAYS[f"{case}__real"]), torch.from_numpy(ARRAYS[generated])


def peers(metric: str) -> list[tuple[str, str]]:
    """(case, peer) of every value of one metric."""
    return [
        (case, peer) for case in FEATURE_CASES for peer in EXPECTED[case][metric] if peer != FID_KNOWN_WRONG
    ]


def close(value: float, expected: float, *, rel: float, floor: float = 0.0) -> bool:
    """|value - expected| <= rel * max(floor, |expected|)."""
    return abs(value - expected) <= rel * max(floor, abs(expected))


@cache
def fid(case: str, ddof: int) -> tuple[float, float]:
    """By statistics gathered in two uneven parts, and by features."""
    stats = []
    for features in sets(case):
        parts = [FeatureStats("fixture", features.shape[1]) for _ in range(2)]
        parts[0].add(features[:37])
        parts[1].add(features[37:])
        parts[0].merge(parts[1])
        stats.append(parts[0])
    return frechet_distance(*stats, ddof=ddof), frechet_distance_of_features(*sets(case), ddof=ddof)


@pytest.mark.parametrize(("case", "peer"), peers("fid"))
def test_the_frechet_distance_equals_that_of(case: str, peer: str):
    expected = float(EXPECTED[case]["fid"][peer])
    # sqrtm, eigvals and eigh peers are themselves off by up to 4.1e-6 where n < d; the SVD is exact.
    is_rough = case == "rank_deficient" and peer != "svd_nuclear_norm"
    for value in fid(case, 0 if peer.endswith("ddof0") else 1):
        assert close(value, expected, rel=1e-5 if is_rough else 1e-9, floor=1.0)


def test_the_frechet_distance_of_identical_sets_is_zero():
    for value in fid("identical", 1):
        assert abs(value) < 1e-12


def test_a_tiny_distance_equals_forty_digits_to_1e_11():
    expected = float(EXPECTED["tiny_shift"]["fid"]["mpmath_40_digits"])  # 3.2e-5
    for value in fid("tiny_shift", 1):
        assert abs(value - expected) < 1e-11


@cache
def kid(case: str, seed: int) -> tuple[float, float]:
    """Mean and standard deviation of 50 subsets of 100."""
    result = kernel_distance(*sets(case), subsets=50, subset_size=100, seed=seed)
    return result.mean, result.std


@pytest.mark.parametrize(("case", "peer"), peers("kid"))
def test_the_kernel_distance_equals_that_of(case: str, peer: str):
    expected = EXPECTED[case]["kid"][peer]
    if peer.startswith("torchfidelity_subsets"):
        mean, std = kid(case, 2020)
        assert close(mean, expected["mean"], rel=1e-9)
        assert close(std, expected["std"], rel=1e-9)
    elif peer.startswith("cleanfid_subsets"):
        assert close(kid(case, 0)[0], expected, rel=1e-9)
    else:
        assert close(mmd2_unbiased(*sets(case)), expected, rel=1e-9)


@cache
def prdc(case: str, k: int, peer: str) -> dict[str, float]:
    """The four numbers."""
    return vars(precision_recall(*sets(case), k=k, k_density=k, **PRDC_OPTIONS[peer]))


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize(("case", "peer"), peers("prdc_k3"))
def test_precision_recall_density_and_coverage_equal_those_of(case: str, peer: str, k: int):
    expected = EXPECTED[case][f"prdc_k{k}"][peer]
    ours = prdc(case, k, peer)
    # Peers store float32 means. offset_f32 in half precision is all ties, which the BLAS's own rounding breaks:
    # ten images of 500 may flip.
    atol = 0.02 if case == "offset_f32" and "fp16" in peer else 1e-7
    assert {name: ours[name] for name in expected} == pytest.approx(expected, rel=1e-6, abs=atol)


@pytest.mark.parametrize("peer", EXPECTED["logits_1000x50"])
@pytest.mark.parametrize("case", ["logits_1000x50", "logits_1003x20"])
def test_the_inception_score_equals_that_of(case: str, peer: str):
    logits = torch.from_numpy(ARRAYS[case])
    if "floor_split" in peer:  # dgm-eval drops the rows beyond a multiple of ten
        order = torch.from_numpy(np.random.RandomState(2020).permutation(len(logits)))
        mean, std = inception_score(logits[order][:1000], shuffle_seed=None)
    else:
        splits = 1 if peer.endswith("splits1") else 10
        mean, std = inception_score(logits, splits=splits, shuffle_seed=None if "noshuffle" in peer else 2020)
    expected = EXPECTED[case][peer]
    assert (mean, std) == pytest.approx((expected["mean"], expected["std"]), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("peer", ["cosine_mean_numpy", "cosine_mean_torch", "cosine_mean_sklearn"])
def test_the_clip_score_equals_the_mean_cosine_of(peer: str):
    score = clip_score(*(torch.from_numpy(ARRAYS[f"clip_{side}_raw"]) for side in ("image", "text")))
    assert score.value == pytest.approx(EXPECTED["clip"][peer], abs=1e-12)
    assert score.low < score.value < score.high


@pytest.mark.parametrize(
    ("peer", "factor", "clamp"),
    [("x100", 100, False), ("x100_clamped_at_0", 100, True), ("hessel_2p5_clamped", 2.5, True)],
)
def test_other_conventions_follow_from_our_cosines(peer: str, factor: float, clamp: bool):
    values = cosines(*(torch.from_numpy(ARRAYS[f"clip_{side}_raw"]) for side in ("image", "text")))
    values = values.clamp(min=0) if clamp else values
    assert factor * float(values.mean()) == pytest.approx(EXPECTED["clip"][peer], rel=1e-12)


@pytest.mark.parametrize("peer", ["biased_sklearn", "biased_direct", "unbiased"])
def test_cmmd_equals_that_of(peer: str):
    real, gen = (torch.from_numpy(ARRAYS[f"clip_{side}_raw"]) for side in ("refimage", "image"))
    value = cmmd(real, gen, estimator="unbiased" if peer == "unbiased" else "biased")
    assert value == pytest.approx(EXPECTED["cmmd"][peer], rel=1e-9)
