from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from t2igan.curate.measures.heads import load_head
from t2igan.errors import WeightsError

WIDTHS = (768, 1024, 128, 64, 16, 1)


class Predictor(nn.Module):
    """The published V2 network, without or with ReLUs, and with its dropouts."""

    def __init__(self, *, relu: bool) -> None:
        super().__init__()
        dropouts: tuple[float | None, ...] = (0.2, 0.2, 0.1, None, None)
        layers: list[nn.Module] = []
        for n, dropout in enumerate(dropouts):
            layers.append(nn.Linear(WIDTHS[n], WIDTHS[n + 1]))
            layers += [nn.ReLU()] if relu and n < 4 else []
            layers += [nn.Dropout(dropout)] if dropout is not None else []
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def embeddings(dim: int = 768, count: int = 40) -> Tensor:
    return F.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(1)), dim=1)


def save(state: Mapping[str, object], path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file({k: v.contiguous() for k, v in state.items() if isinstance(v, Tensor)}, str(path))
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("dim", [768, 512])
def test_v1_is_its_linear(tmp_path, suffix, dim):
    torch.manual_seed(0)
    linear = nn.Linear(dim, 1)
    head = load_head(save(linear.state_dict(), tmp_path / f"sa_0_4_vit_l_14_linear{suffix}"), dim=dim)
    expected = linear(embeddings(dim))[:, 0]
    torch.testing.assert_close(head(embeddings(dim)), expected, atol=1e-6, rtol=0)
    assert (head.name, head.dim, head.kind) == ("v1", dim, "aesthetic")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(("relu", "name"), [(False, "v2"), (True, "v2-relu")])
def test_v2_folded_is_v2_unfolded(tmp_path, suffix, relu, name):
    torch.manual_seed(0)
    network = Predictor(relu=relu).eval()
    numbers = {int(key.split(".")[1]) for key in network.state_dict()}
    assert numbers == ({0, 3, 6, 9, 11} if relu else {0, 2, 4, 6, 7})  # those of the published files
    head = load_head(save(network.state_dict(), tmp_path / f"sac+logos+ava1-l14-linearMSE{suffix}"), dim=768)
    expected = network(embeddings())[:, 0]
    torch.testing.assert_close(head(embeddings()), expected.detach(), atol=1e-5, rtol=0)
    assert (head.name, len(head.linears)) == (name, 5 if relu else 1)


def test_relus_are_not_folded_away(tmp_path):
    torch.manual_seed(0)
    network = Predictor(relu=True)
    plain = Predictor(relu=False)
    for own, other in zip(plain.parameters(), network.parameters(), strict=True):
        own.data.copy_(other)
    a, b = (load_head(save(n.state_dict(), tmp_path / f"{i}.pth")) for i, n in enumerate((network, plain)))
    assert (a(embeddings()) - b(embeddings())).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["watermark", "nsfw"])
def test_watermark_and_nsfw_are_probabilities(tmp_path, kind):
    torch.manual_seed(0)
    linear = nn.Linear(768, 1)
    linear.weight.data.mul_(30)
    path = save({"head.weight": linear.weight.data, "head.bias": linear.bias.data}, tmp_path / "probe.pt")
    head = load_head(path, kind=kind, dim=768)
    torch.testing.assert_close(
        head(embeddings()), linear(embeddings())[:, 0].sigmoid().detach(), atol=1e-6, rtol=0
    )
    assert (head.name, head.kind) == (kind, kind)


def test_a_training_checkpoints_wrapper_and_prefix_do_not_matter(tmp_path):
    torch.manual_seed(0)
    state = nn.Linear(768, 1).state_dict()
    wrapped = {"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 3}
    plain = load_head(save(state, tmp_path / "plain.pth"))
    found = load_head(save(wrapped, tmp_path / "wrapped.pth"))
    assert torch.equal(found(embeddings()), plain(embeddings()))
    assert found.weights == plain.weights
    assert len(plain.weights) == 16


def test_other_weights_have_another_hash_and_another_format_the_same(tmp_path):
    state = nn.Linear(768, 1).state_dict()
    first, same = (load_head(save(state, tmp_path / name)) for name in ("a.pth", "b.safetensors"))
    other = load_head(save({k: v + 1 for k, v in state.items()}, tmp_path / "c.pth"))
    assert first.weights == same.weights != other.weights


def test_half_precision_weights_are_read(tmp_path):
    state = nn.Linear(768, 1).half().state_dict()
    assert load_head(save(state, tmp_path / "half.pth"))(embeddings()).dtype == torch.float32


def test_a_score_does_not_depend_on_its_batch(tmp_path):
    head = load_head(save(Predictor(relu=True).state_dict(), tmp_path / "a.pth"))
    one_by_one = torch.cat([head(row[None]) for row in embeddings()])
    assert torch.equal(head(embeddings()), one_by_one)
    assert head(embeddings(count=0)).shape == (0,)


def test_a_head_for_another_clip_is_refused_with_both_numbers(tmp_path):
    path = save(nn.Linear(768, 1).state_dict(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"768.*512"):
        load_head(path, dim=512)


def broken(**changes: Tensor) -> dict[str, Tensor]:
    return Predictor(relu=False).state_dict() | {k.replace("_", "."): v for k, v in changes.items()}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"fc1.weight": torch.zeros(4, 768), "fc2.weight": torch.zeros(1, 4)}, [r"fc1\.weight \[4, 768\]", r"layers\."]),
        ({"weight": torch.zeros(2, 768), "bias": torch.zeros(2)}, [r"weight \[2, 768\]", "one number"]),
        ({"weight": torch.zeros(768), "bias": torch.zeros(1)}, [r"weight \[768\]"]),
        ({"weight": torch.zeros(1, 768)}, [r"Found weight \[1, 768\]"]),
        ({}, ["Found nothing"]),
        (broken(layers_2_weight=torch.zeros(128, 1000)), [r"layers\.2\.weight \[128, 1000\]"]),
        (broken(layers_4_bias=torch.zeros(3)), [r"layers\.4\.bias \[3\]"]),
        ({f"visual.{n}.weight": torch.zeros(1) for n in range(300)}, [r", \.\.\.;"]),
    ],
)  # fmt: skip
def test_another_network_is_refused_with_what_it_holds_and_what_was_expected(tmp_path, state, words):
    path = save(state, tmp_path / "odd.pth")
    for word in ["expected one Linear", *words]:
        with pytest.raises(WeightsError, match=word):
            load_head(path)


def test_numbers_that_are_none_are_refused(tmp_path):
    state = {"weight": torch.full((1, 768), float("nan")), "bias": torch.zeros(1)}
    with pytest.raises(WeightsError, match="finite"):
        load_head(save(state, tmp_path / "nan.pth"))


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_damaged_and_missing_files_are_one_line(tmp_path, name):
    with pytest.raises(WeightsError, match="no such file"):
        load_head(tmp_path / name)
    (tmp_path / name).write_bytes(b"<html>not found</html>")
    with pytest.raises(WeightsError, match="Fetch it again"):
        load_head(tmp_path / name)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("evil.pth").write_bytes(pickle.dumps(Evil()))
    torch.save({"weight": Evil()}, "evil.pt")
    for name in ("evil.pth", "evil.pt"):
        with pytest.raises(WeightsError):
            load_head(name)
    assert not Path("ran").exists()


def test_a_list_is_no_state_dict(tmp_path):
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match="holds list"):
        load_head(tmp_path / "list.pt")
