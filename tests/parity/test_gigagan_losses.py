"""GigaGAN's terms equal those that were written independently from the paper's equations, gradients included."""

from __future__ import annotations

import pytest
import torch
from gigagan_fixtures import Case, assert_near, load_case
from torch import Tensor
from torch.nn import functional as F

from t2igan.losses.adversarial import logistic_fake, logistic_generator, logistic_real
from t2igan.losses.contrastive import image_to_text
from t2igan.losses.gigagan import weigh
from t2igan.losses.penalties import r1_penalty
from t2igan.models.gigagan.discriminator import Verdicts

GRAD = 1e-4
TERMS = {
    "d_ns": lambda t: logistic_fake(t["logits_fake"]) + logistic_real(t["logits_real"]),
    "g_ns": lambda t: logistic_generator(t["logits_fake"]),
    "d_match": lambda t: (
        logistic_fake(t["logits_real_mismatched"]) + logistic_fake(t["logits_fake_mismatched"])
    ),
    "g_match": lambda t: logistic_generator(t["logits_fake_mismatched"]),
    "clip_contrastive_image_to_text": lambda t: image_to_text(
        t["clip_image_embeds"],
        t["clip_text_embeds"],
        t["clip_text_embeds"],
        scale=float(t["clip_logit_scale_log"].detach().exp()),
    ),
}


def check_gradients(case: Case, key: str, leaves: dict[str, Tensor]) -> int:
    """Compare with every gradient that the file has of a term; how many there are."""
    found = [name for name in leaves if f"paper/{key}/grad/{name}" in case.outputs]
    for name in found:
        grad = leaves[name].grad
        assert grad is not None
        assert_near(grad, case.outputs[f"paper/{key}/grad/{name}"], GRAD)
    return len(found)


@pytest.mark.parametrize("key", TERMS)
def test_a_term_and_its_gradients_are_the_papers(key: str):
    case = load_case("losses")
    leaves = {
        name: value.requires_grad_() for name, value in case.inputs.items() if value.is_floating_point()
    }
    term = TERMS[key](leaves).mean()
    assert_near(term, case.outputs[f"paper/{key}"])
    term.backward()
    assert check_gradients(case, key, leaves) > 0


def test_logits_of_two_hundred_give_finite_terms_and_gradients():
    case = load_case("losses")
    logits = case.inputs["logits_extreme"].requires_grad_()
    term = logistic_fake(logits[None]).mean()
    term.backward()
    assert term.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


class TinyD(torch.nn.Module):
    """The discriminator of the file: two convolutions, a mean, a linear layer."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.w = torch.nn.ParameterDict(
            {k.replace(".", "_"): torch.nn.Parameter(v) for k, v in weights.items()}
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N] logits."""
        x = F.leaky_relu(F.conv2d(x, self.w["c1_weight"], self.w["c1_bias"], padding=1), 0.2)
        x = F.avg_pool2d(x, 2)
        x = F.leaky_relu(F.conv2d(x, self.w["c2_weight"], self.w["c2_bias"], padding=1), 0.2)
        return F.linear(x.mean(dim=(2, 3)), self.w["h1_weight"], self.w["h1_bias"])[:, 0]


def test_r1_and_its_second_derivative_are_the_references():
    case = load_case("losses")
    D, images = TinyD(case.weights), case.inputs["gp_images"].requires_grad_()
    assert_near(D(images), case.outputs["tiny_d/logit"])
    penalty = r1_penalty(D(images), [images])
    assert_near(penalty, case.outputs["r1/per_sample_sqnorm"])
    weighed = 16 * 2.048 / 2 * penalty.mean()
    assert_near(weighed, case.outputs["paper/r1_gamma2.048_interval16"])
    weighed.backward()
    for name in ("c1", "c2"):
        grad = D.w[f"{name}_weight"].grad
        assert grad is not None
        assert_near(grad, case.outputs[f"paper/r1_gamma2.048_interval16/grad/weights/{name}.weight"], GRAD)


def test_sizes_and_depths_are_weighed_as_in_equation_six():
    case = load_case("losses")
    logits = {name: v.requires_grad_() for name, v in case.inputs.items() if name.startswith("msio/logits")}
    exits = []
    for depth in (1, 2, 3):  # [sizes, 1 image, prompts, pixels]
        rows = [logits[f"msio/logits_{size}_{depth}"].flatten(1) for size in range(depth)]
        exits.append(torch.stack(rows)[:, None])
    term = weigh(Verdicts(exits), logistic_generator, full=2.0, early=0.01, vision=0.0).mean()
    assert_near(term, case.outputs["paper/msio_g_ns"])
    term.backward()
    assert check_gradients(case, "msio_g_ns", logits) == len(logits)
