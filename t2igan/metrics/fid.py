"""The Frechet distance between two Gaussians, in float64. Not a feature network and not a protocol.

No matrix square root of a product is taken (scipy's sqrtm is off by 4e-6 on rank-deficient sets and its interface keeps
changing). Written with factors S = F F^T, tr (S1 S2)^1/2 is the nuclear norm of F1^T F2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from t2igan.metrics.stats import FeatureStats


def frechet_distance(a: FeatureStats, b: FeatureStats, *, ddof: int = 1) -> float:
    """|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^1/2; symmetric, tiny negatives are reported as they are.

    Args:
        a: statistics of one set.
        b: statistics of the other, of the same extractor and protocol.
        ddof: of the covariances; 1 is np.cov's, 0 is StyleGAN-T's.

    Raises:
        T2IGanError: if the sources differ or a set has fewer than two images.

    Source: Heusel et al. 2017; checked against eight implementations in tests/parity/test_metrics_fixtures.py.
    """
    a.check_same_source(b)
    cov_a, cov_b = a.cov(ddof=ddof), b.cov(ddof=ddof)
    if min(a.count, b.count) <= a.dim:
        root_trace = torch.linalg.svdvals(_factor(cov_a, a.count - 1).T @ _factor(cov_b, b.count - 1)).sum()
    else:
        # F1^T S2 F1 has the eigenvalues of S1 S2, and needs no vectors: an eighth of the time of the line above at 2048.
        factor = _triangle(cov_a)
        root_trace = torch.linalg.eigvalsh(factor.T @ cov_b @ factor).clamp(min=0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum() + cov_a.trace() + cov_b.trace() - 2 * root_trace
    return float(distance)


def _factor(cov: Tensor, rank: int) -> Tensor:
    """F [d, r] with F F^T = cov, r <= rank: a set of n images spans n - 1 directions, the rest is rounding noise."""
    values, vectors = torch.linalg.eigh(cov)
    kept = values[-rank:].clamp(min=0)
    return vectors[:, -rank:] * kept.sqrt()


def _triangle(cov: Tensor) -> Tensor:
    """F [d, d] with F F^T = cov, of full rank: Cholesky's, unless a feature hardly varies or repeats another."""
    triangle, failed = torch.linalg.cholesky_ex(cov)
    return _factor(cov, cov.shape[0]) if failed else triangle


def frechet_distance_of_features(x: Tensor, y: Tensor, *, ddof: int = 1) -> float:
    """The same from features [N, d] and [M, d]: no covariance is formed, so no precision is lost in squaring.

    Args:
        x: features of one set, N >= 2.
        y: features of the other, M >= 2.
        ddof: of the covariances.
    """
    assert min(len(x), len(y)) >= 2
    x, y = x.to(torch.float64), y.to(torch.float64)
    x_factor, y_factor = (_centred_factor(rows, ddof) for rows in (x, y))
    root_trace = torch.linalg.svdvals(x_factor @ y_factor.T).sum()
    means = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    return float(means + x_factor.square().sum() + y_factor.square().sum() - 2 * root_trace)


def _centred_factor(rows: Tensor, ddof: int) -> Tensor:
    """R [min(n, d), d] with R^T R = cov(rows)."""
    centred = (rows - rows.mean(dim=0)) / (len(rows) - ddof) ** 0.5
    if len(centred) <= centred.shape[1]:
        return centred
    return torch.linalg.qr(centred, mode="r").R
