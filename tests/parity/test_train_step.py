"""Losses and whole training iterations equal the official numbers, up to the factors that Adam hides.

The official loss divides its adversarial terms once more by the micro-batch b, but not its CLIP term (spec D3), and adds
the rounds of an accumulation up before it multiplies by their number. So with n rounds the official gradient is n^2 / b
times ours, and our clip_weight is the official one times b.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from stylegan_t_fixtures import below, error, load_case
from torch import Tensor

from t2igan.convert.stylegan_t import load_discriminator, load_generator
from t2igan.losses.adversarial import hinge_fake, hinge_generator, hinge_real, spherical_distance
from t2igan.losses.base import PhaseModule, StepInputs
from t2igan.losses.config import ProjectedGANConfig
from t2igan.losses.projected_gan import Guide, ProjectedGANLoss
from t2igan.recipe.schema import AdamConfig, TrainConfig
from t2igan.text.config import HashingConfig
from t2igan.text.hashing import Hashing
from t2igan.train.ema import Ema, ema_beta
from t2igan.train.optim import build_adam
from t2igan.train.state import TrainState
from t2igan.types import Condition

# The logits of train_step_acc2 lie on kinks of leaky ReLUs: noise of 1e-6 on its inputs moves gradients of D by 3e-3, and after Adam's
# first step, which is +-lr for any size of gradient, those of G by 4e-2. A factor or a group forgotten is off by more.
GRAD_ERROR = {"train_step": {"D": 1e-4, "G": 1e-4}, "train_step_acc2": {"D": 1e-2, "G": 0.1}}
NORM_ERROR = {"train_step": 1e-3, "train_step_acc2": 0.1}
CASES = list(GRAD_ERROR)
BEFORE_BATCH_NORM = ("main.0.0.bias", "main.1.fn.0.bias")  # their gradient is zero but for rounding


@pytest.mark.parametrize(
    ("term", "logits", "expected"),
    [
        (hinge_fake, "fake_logits", "d_fake"),
        (hinge_real, "real_logits", "d_real"),
        (hinge_generator, "fake_logits", "g"),
    ],
)
def test_hinge_terms_are_the_official_ones_times_the_micro_batch(term, logits: str, expected: str):
    case = load_case("losses")
    x = case.inputs[logits]
    assert float(term(x).mean()) == pytest.approx(float(case.outputs[expected]) * len(x), rel=1e-6)


def test_the_spherical_distance_and_its_gradient_are_the_official_ones():
    case = load_case("losses")
    x = case.inputs["x"].requires_grad_()
    distance = spherical_distance(x, case.inputs["y"])
    distance.mean().backward()
    assert x.grad is not None
    assert error(distance, case.outputs["spherical"]) < 1e-6  # arcsin of half the chord against arccos
    assert error(x.grad, case.outputs["spherical_grad_x"]) < 1e-5


class Iterations:
    """Our loss, networks, optimisers and average, driven phase by phase with the fixture's latents."""

    def __init__(self, name: str) -> None:
        self.case = load_case(name)
        self.meta = self.case.meta
        weights = self.case.weights
        G = load_generator(below(weights, "G"), self.meta).train()
        D = load_discriminator(below(weights, "D"), self.meta).train()
        D.config = D.config.model_copy(update={"augment": "none"})
        self.rounds = self.meta["n_acc"]
        self.piece = self.meta["batch"] // self.rounds
        config = ProjectedGANConfig(
            blur_init_sigma=self.meta["blur_init_sigma"],
            blur_fade_kimg=self.meta["blur_fade_kimg"],
            clip_weight=self.meta["clip_weight"] * self.piece,
            noise_mode=self.meta["noise_mode"],
        )
        networks = {"G": G, "D": D}
        loss = ProjectedGANLoss(config, networks, guide=stub_guide(weights["clip_proj"]))
        self.factor = (
            self.rounds**2 / self.piece
        )  # official gradient / ours; Adam hides it if eps is scaled as well
        eps = self.meta["eps"] / self.factor
        adam = AdamConfig(learning_rate=self.meta["lr"], betas=self.meta["betas"], eps=eps)
        params = {
            k: {n: p for n, p in net.named_parameters() if p.requires_grad} for k, net in networks.items()
        }
        self.state = TrainState(
            config=TrainConfig(ema_kimg=self.meta["ema_kimg"], ema_rampup=self.meta["ema_rampup"]),
            networks=networks,
            params=params,
            loss=loss,
            phases=[(phase, PhaseModule(phase, networks[phase.trains])) for phase in loss.phases],
            optimizers={key: build_adam(params[key], adam) for key in networks},
            rates={"G": adam, "D": adam},
            conditioner=Hashing(HashingConfig(), {}),
            ema={"G": Ema(G)},
            device=torch.device("cpu"),
            dtype=torch.float32,
            z_dim=G.z_dim,
            resolution=G.img_resolution,
            nimg=self.meta["start_nimg"],
        )
        self.grads: dict[str, Tensor] = {}  # of the last iteration, in the official scale
        self.scores: dict[str, dict[str, float]] = {}  # of the last iteration: phase -> means

    def __iter__(self) -> Iterator[int]:
        """Run the iterations, one at a time."""
        for i in range(len(self.meta["iterations"])):
            self.state.loss.before_step(self.state.nimg)
            seen = [
                self._phase(i, number, phase.name, module)
                for number, (phase, module) in enumerate(self.state.phases)
            ]
            self.state.loss.after_step(self.case.inputs["z"][i, 1], seen[-1])
            self.state.advance(self.meta["batch"])
            yield i

    def _phase(self, i: int, number: int, name: str, module: PhaseModule) -> StepInputs:
        c = Condition(embed=self.case.inputs["c"][i])
        inputs = StepInputs(
            real=self.case.inputs["real"][i],
            c=c,
            c_wrong=c,
            z=self.case.inputs["z"][i, number],
            u=torch.full((self.meta["batch"], self.state.loss.num_uniforms), 0.5),
            coin=torch.tensor(0.5),
        )
        with self.state.training(name):
            for piece in inputs.split(self.piece):
                outcome = module(piece)
                (outcome.loss.sum() / self.meta["batch"]).backward()
                self.state.loss.scores.add(outcome.scores)
        for key, param in self.state.params[name].items():
            assert param.grad is not None, key
            self.grads[f"{name}.{key}"] = param.grad * self.factor
        self.scores[name] = self.state.loss.scores.read()
        self.state.apply_gradients(name)
        return inputs

    def tensors(self) -> dict[str, Tensor]:
        """All tensors now, under the fixture's names."""
        networks = {**self.state.networks, "G_ema": self.state.ema["G"].network}
        return {f"{key}.{name}": v for key, net in networks.items() for name, v in net.state_dict().items()}


def stub_guide(projection: Tensor) -> Guide:
    """The fixture's stand-in for the CLIP image tower: 8x8 means of the 224-px image, projected."""

    def embed(images: Tensor) -> Tensor:
        at_224 = F.interpolate(images, size=(224, 224), mode="area")
        return F.normalize(F.adaptive_avg_pool2d(at_224, 8).flatten(1) @ projection.T, dim=1)

    return embed


def official(run: Iterations, group: str) -> dict[str, Tensor]:
    """The fixture's tensors `group`/NETWORK.NAME."""
    found = {k.removeprefix(f"{group}/"): v for k, v in run.case.outputs.items() if k.startswith(f"{group}/")}
    assert found
    return found


@pytest.mark.parametrize("name", CASES)
def test_accumulated_gradients_are_the_official_ones(name: str):
    run = Iterations(name)
    next(iter(run))
    for key, grad in official(run, "it0_grad").items():
        if grad.abs().max() > 1e-7:  # below, it is zero but for rounding
            assert error(run.grads[key].reshape(grad.shape), grad) < GRAD_ERROR[name][key[0]], key


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_norm_of_every_parameter_is_the_official_one(name: str):
    run = Iterations(name)
    next(iter(run))
    for phase in ("D", "G"):
        norms = run.meta["iterations"][0][phase]["grad_norms_before_sync"]
        assert {f"{phase}.{key}" for key in norms} == {k for k in run.grads if k.startswith(f"{phase}.")}
        for key, norm in norms.items():
            if not key.endswith(BEFORE_BATCH_NORM):
                mine = float(run.grads[f"{phase}.{key}"].norm()) / run.rounds
                assert mine == pytest.approx(norm, rel=NORM_ERROR[name], abs=1e-7), key


@pytest.mark.parametrize("name", CASES)
def test_tensors_after_each_iteration_are_the_official_ones(name: str):
    run = Iterations(name)
    for i in run:
        mine = run.tensors()
        for key, tensor in official(run, f"it{i}_after").items():
            # Adam's first steps are +-lr whatever the gradient's size, so rounding of tiny gradients shows.
            assert float((mine[key].reshape(tensor.shape) - tensor).abs().max()) < 1e-3, (i, key)


@pytest.mark.parametrize("name", CASES)
def test_scores_of_each_iteration_are_the_official_ones(name: str):
    run = Iterations(name)
    for i in run:
        theirs = {phase: run.meta["iterations"][i][phase]["stats"] for phase in ("D", "G")}
        pairs = [
            (run.scores["D"]["D/fake"], theirs["D"]["Loss/scores/fake"]),
            (run.scores["D"]["D/real"], theirs["D"]["Loss/scores/real"]),
            (-run.scores["G"]["G/adversarial"], theirs["G"]["Loss/scores/fake"]),
        ]
        if run.meta["clip_weight"]:
            pairs.append((run.scores["G"]["G/guidance"], theirs["G"]["Loss/G/clip_loss"]))
        for mine, pieces in pairs:
            assert mine == pytest.approx(sum(pieces) / len(pieces), abs=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_the_average_follows_at_the_official_rate(name: str):
    meta = load_case(name).meta
    for iteration in meta["iterations"]:
        beta = ema_beta(
            meta["batch"], iteration["cur_nimg"], half_life_kimg=meta["ema_kimg"], rampup=meta["ema_rampup"]
        )
        assert beta == pytest.approx(iteration["ema_beta"], abs=1e-12)
