"""FeatureStats on two gloo ranks equal those of one process, on every rank."""

from pathlib import Path

import torch
import torch.distributed as td
import torch.multiprocessing as mp

from t2igan.metrics.stats import FeatureStats


def features() -> torch.Tensor:
    return torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) + 30


def reduce_on(rank: int, folder: str) -> None:
    """Rank 0 sees 17 features, rank 1 the other 33; each writes the reduced statistics."""
    td.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    stats = FeatureStats("net", 6)
    stats.add(features()[:17] if rank == 0 else features()[17:])
    stats.reduce().save(Path(folder) / f"{rank}.safetensors")
    td.destroy_process_group()


def test_two_ranks_give_the_statistics_of_one_process(tmp_path: Path):
    mp.spawn(reduce_on, args=(str(tmp_path),), nprocs=2)
    whole = FeatureStats("net", 6)
    whole.add(features())
    both = [FeatureStats.load(tmp_path / f"{rank}.safetensors") for rank in (0, 1)]
    assert torch.equal(both[0].scatter, both[1].scatter)
    assert both[0].count == 50
    torch.testing.assert_close(both[0].mean, whole.mean, rtol=1e-14, atol=0)
    torch.testing.assert_close(both[0].cov(), whole.cov(), rtol=1e-12, atol=1e-14)
