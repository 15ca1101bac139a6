"""Mean and covariance of features, gathered in a stream: mergeable over batches, files and ranks. Not a distance."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from t2igan import dist
from t2igan.errors import DataError, T2IGanError
from t2igan.files import write_atomic

FORMAT = "1"


class FeatureStats:
    """Count, mean and sum of squared deviations in float64 on the CPU.

    Chan's pairwise merge keeps features with a large offset exact: sums of float32 squares lose 8e-4 of a FID where
    this loses 3e-16 (fixture offset_f32).
    """

    def __init__(self, extractor: str, dim: int, *, protocol: str = "", data: str = "") -> None:
        """Start empty.

        Args:
            extractor: name of the feature network; statistics of two extractors never mix.
            dim: length of a feature.
            protocol: how images were prepared (crop, resize); statistics of two protocols never mix either.
            data: which images these are, for the file's reader; free to differ between two that are compared.
        """
        self.extractor = extractor
        self.protocol = protocol
        self.data = data
        self.count = 0
        self.mean = torch.zeros(dim, dtype=torch.float64)
        self.scatter = torch.zeros(dim, dim, dtype=torch.float64)  # sum of (x - mean)(x - mean)^T

    @property
    def dim(self) -> int:
        """Length of a feature."""
        return len(self.mean)

    def add(self, features: Tensor) -> None:
        """Take in [N, dim] features of any float type, on any device.

        Raises:
            T2IGanError: if the shape is another or a value is not finite.
        """
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise T2IGanError(
                f"features of shape {list(features.shape)} given to statistics of {self.extractor!r}, "
                f"which need [N, {self.dim}]. Use the extractor that the statistics were made with."
            )
        if len(features) == 0:
            return
        rows = features.detach().to("cpu", torch.float64)
        if not rows.isfinite().all():
            raise T2IGanError(
                f"features of {self.extractor!r} are not finite. The images or the extractor's weights are broken."
            )
        mean = rows.mean(dim=0)
        centred = rows - mean
        self._combine(len(rows), mean, centred.T @ centred)

    def merge(self, other: FeatureStats) -> None:
        """Take in everything that `other` has seen.

        Raises:
            T2IGanError: if `other` comes from another extractor or protocol.
        """
        self.check_same_source(other)
        self._combine(other.count, other.mean, other.scatter)

    def _combine(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        if count == 0:
            return
        total = self.count + count
        step = mean - self.mean
        self.scatter = self.scatter + scatter + torch.outer(step, step) * (self.count * count / total)
        self.mean = self.mean + step * (count / total)
        self.count = total

    def reduce(self, *, device: str | torch.device = "cpu") -> FeatureStats:
        """The statistics of all ranks together, the same on every rank; a copy when alone.

        Args:
            device: where the process group communicates ("cuda" for nccl).
        """
        count = torch.tensor([self.count], dtype=torch.float64)
        packed = torch.cat([count, self.mean, self.scatter.flatten()]).to(device)
        together = FeatureStats(self.extractor, self.dim, protocol=self.protocol, data=self.data)
        for part in dist.all_gather(packed):
            count, mean, scatter = part.cpu().split([1, self.dim, self.dim * self.dim])
            together._combine(int(count), mean, scatter.view(self.dim, self.dim))
        return together

    def cov(self, *, ddof: int = 1) -> Tensor:
        """[dim, dim] float64 covariance; ddof 1 is np.cov's, 0 is StyleGAN-T's.

        Raises:
            T2IGanError: if fewer than two features were seen.
        """
        if self.count < 2:
            raise T2IGanError(
                f"a covariance needs at least 2 images, {self.count} were given. Raise the number of images."
            )
        return self.scatter / (self.count - ddof)

    def check_same_source(self, other: FeatureStats) -> None:
        """Refuse statistics of another extractor, feature length or protocol.

        Raises:
            T2IGanError: naming both sources.
        """
        mine, theirs = ((s.extractor, s.dim, s.protocol) for s in (self, other))
        if mine != theirs:
            raise T2IGanError(
                f"statistics of {mine} and {theirs} (extractor, length, protocol) cannot be compared. "
                "Make both with the same extractor and protocol."
            )

    def save(self, path: str | Path) -> None:
        """Write a safetensors file whose header names extractor, protocol, data and count.

        Raises:
            T2IGanError: if the file cannot be written.
        """
        header = {
            "t2igan.stats": FORMAT,
            "extractor": self.extractor,
            "protocol": self.protocol,
            "data": self.data,
            "count": str(self.count),
        }
        write_atomic(path, save({"mean": self.mean, "scatter": self.scatter}, header))

    @classmethod
    def load(cls, path: str | Path) -> FeatureStats:
        """Read what `save` wrote.

        Raises:
            DataError: if the file is missing, truncated, no statistics file or of another format.
        """
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a dict)
        except (OSError, SafetensorError) as error:
            raise DataError(f"{path}: cannot be read as statistics ({error}). Make it again.") from error
        if header.get("t2igan.stats") != FORMAT or set(tensors) != {"mean", "scatter"}:
            found = header.get("t2igan.stats")
            raise DataError(
                f"{path}: not feature statistics of format {FORMAT} (found {found!r}). Make it again."
            )
        source = {"protocol": header["protocol"], "data": header.get("data", "")}
        stats = cls(header["extractor"], len(tensors["mean"]), **source)
        stats.count, stats.mean, stats.scatter = int(header["count"]), tensors["mean"], tensors["scatter"]
        return stats
