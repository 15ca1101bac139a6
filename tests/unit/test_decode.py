"""Strict YAML and JSON: what users must see, and what must come back."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from t2igan.config import Config
from t2igan.decode import decode_json, decode_yaml
from t2igan.encode import to_json, to_yaml
from t2igan.errors import RecipeError


class Adam(Config):
    learning_rate: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.0, 0.99)


class Optim(Config):
    G: Adam = Adam()


class Hinge(Config):
    kind: Literal["hinge"] = "hinge"
    margin: float = 1.0


class Wgan(Config):
    kind: Literal["wgan"] = "wgan"
    """Kind."""
    penalty: float
    """Weight of the gradient penalty."""


class Tower(Config):
    kind: Literal["tower"] = "tower"
    file: str = "x"


class Guide(Config):
    model: str = "ViT"


class Train(Config):
    batch: int = 8
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    is_shuffled: bool = True


class Stage(Config):
    kimg: float = Field(gt=0)


class Model(Config):
    name: str
    optim: Optim = Optim()
    loss: Annotated[Hinge | Wgan, Field(discriminator="kind")] = Hinge()
    guide: Tower | Guide | None = None
    train: Train = Train()
    stages: tuple[Stage, ...] = Field(default=(Stage(kimg=1),), min_length=1)
    classes: dict[str, int] = Field(default_factory=dict)


def decode(text: str, *sets: str) -> Model:
    return decode_yaml(text, Model, source="a.yaml", overrides=sets)


def lines(text: str, *sets: str) -> list[str]:
    """The error lines that a text causes."""
    with pytest.raises(RecipeError) as caught:
        decode(text, *sets)
    return str(caught.value).splitlines()


def test_decode_names_the_nearest_key_when_one_is_misspelt():
    assert lines("name: x\noptim:\n  G:\n    lerning_rate: 1") == [
        "a.yaml:4: optim.G: unknown key 'lerning_rate'; did you mean 'learning_rate'?"
    ]


def test_decode_lists_the_known_keys_when_none_is_near():
    assert lines("name: x\ntrain: {zzzzzz: 1}") == [
        "a.yaml:2: train: unknown key 'zzzzzz'; known: batch, precision, is_shuffled"
    ]


def test_a_key_set_twice_is_an_error_on_the_line_of_the_second():
    assert lines("name: x\ntrain:\n  batch: 1\n  batch: 2") == ["a.yaml:4: train: 'batch' is set twice"]


def test_a_wrong_choice_names_the_choices_and_the_nearest():
    assert lines("name: x\ntrain: {precision: fp61}") == [
        "a.yaml:2: train.precision: 'fp61' is not one of fp32, bf16, fp16; did you mean 'fp16'?"
    ]


def test_a_wrong_tag_names_the_known_tags_and_the_nearest():
    assert lines("name: x\nloss: {kind: hing}") == [
        "a.yaml:2: loss.kind: 'hing' is not one of hinge, wgan; did you mean 'hinge'?"
    ]


def test_a_missing_tag_names_the_known_tags():
    assert lines("name: x\nloss: {margin: 2}") == [
        "a.yaml:2: loss: key 'kind' is missing; it is one of hinge, wgan"
    ]


def test_a_missing_key_is_reported_with_its_meaning_at_its_section():
    assert lines("name: x\nloss:\n  kind: wgan") == [
        "a.yaml:2: loss: key 'penalty' is missing (Weight of the gradient penalty)"
    ]


def test_all_errors_come_at_once_in_the_order_of_the_file():
    text = "train: {batch: many}\nname: 5\nloss: {kind: hinge, margn: 1}\nstages: []"
    assert lines(text) == [
        "a.yaml:1: train.batch: must be an integer, not 'many'",
        "a.yaml:2: name: must be text, not 5; put it in quotes",
        "a.yaml:3: loss: unknown key 'margn'; did you mean 'margin'?",
        "a.yaml:4: stages: has 0 entries, needs at least 1",
    ]


def test_a_broken_list_entry_is_named_by_its_number_and_not_also_as_a_short_list():
    assert lines("name: x\nstages:\n  - {kimg: -1}") == [
        "a.yaml:3: stages.0.kimg: must be greater than 0, not -1"
    ]


def test_a_union_without_tags_reports_only_the_branch_that_was_meant():
    assert lines("name: x\nguide: {kind: tower, flie: y}") == [
        "a.yaml:2: guide: unknown key 'flie'; did you mean 'file'?"
    ]
    assert lines("name: x\nguide: {model: 3}") == [
        "a.yaml:2: guide.model: must be text, not 3; put it in quotes"
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("1E4", 1e4), ("2", 2.0), (".5", 0.5), ("-1.", -1.0), ("+3e+2", 300.0)],
)
def test_every_way_to_write_a_float_is_a_float(text: str, value: float):
    assert decode(f"name: x\nloss: {{kind: wgan, penalty: {text}}}").loss.penalty == value


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "off", "True", "010", "0x1f", "1:30", "2024-01-01", "1_000", "-", "<<", "=", ".inf"],
)
def test_yaml_1_1_surprises_are_plain_text(text: str):
    assert (
        decode(f"name: {text!r}").name == decode(f"name: {text}" if text != "-" else "name: '-'").name == text
    )


@pytest.mark.parametrize("text", ["no", "True", "1", "'true'"])
def test_only_true_and_false_are_bools(text: str):
    assert "must be true or false" in lines(f"name: x\ntrain: {{is_shuffled: {text}}}")[0]


@pytest.mark.parametrize("text", ["010", "true", "1.0", "'8'", "1e3", "null"])
def test_an_integer_is_never_guessed(text: str):
    assert "train.batch: must be an integer" in lines(f"name: x\ntrain: {{batch: {text}}}")[0]


def test_integers_become_floats_where_floats_are_asked_for():
    betas = decode("name: x\noptim: {G: {betas: [0, 1]}}").optim.G.betas
    assert [type(beta) for beta in betas] == [float, float]


def test_keys_that_look_like_numbers_stay_text():
    assert decode("name: x\nclasses: {1: 2, no: 3, null: 4}").classes == {"1": 2, "no": 3, "null": 4}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "a.yaml:1: the file is empty; expected `key: value` lines"),
        ("# only a comment\n", "a.yaml:1: the file is empty; expected `key: value` lines"),
        ("- name: x", "a.yaml:1: the top level is a list; expected `key: value` lines"),
        ("name", "a.yaml:1: the top level is a single value; expected `key: value` lines"),
        ("name: x\ntrain:\n\tbatch: 1", "a.yaml:3: a tab cannot indent YAML; use spaces"),
        ("name: x\ntrain: \x07", "a.yaml:2: character U+0007 is not allowed"),
        ("x" * 1_000_001, "a.yaml: 1,000,001 characters; a recipe has at most 1,000,000"),
    ],
)
def test_text_that_is_no_recipe_gets_one_clear_line(text: str, line: str):
    assert lines(text) == [line]


@pytest.mark.parametrize(
    ("text", "number", "why"),
    [
        ("name: x\ntrain: *t", 2, "aliases are not allowed"),
        ("a: &a [1]\nb: *a", 1, "aliases are not allowed"),
        ("name: x\ntrain: {00..3}.tar", 2, "need quotes"),
        ("name: x\n---\nname: y", 2, "single document"),
        ("name: x\ntrain: " + "[" * 1000, 2, "levels deep"),
        ("name: 'x\n", 2, "unexpected end"),
        ("name: x: y", 1, "mapping values are not allowed"),
    ],
)
def test_yaml_that_cannot_be_read_names_its_line(text: str, number: int, why: str):
    (line,) = lines(text)
    assert line.startswith(f"a.yaml:{number}: ")
    assert why in line


def test_a_tag_cannot_run_code():
    (line,) = lines("name: x\nguide: !!python/object/apply:os.system [ls]")
    assert line == "a.yaml:2: guide: the tag '!!python/object/apply:os.system' is not allowed"


@pytest.mark.parametrize("text", ["1e999", "9" * 5000])
def test_numbers_without_end_are_refused(text: str):
    (line,) = lines(f"name: x\ntrain: {{batch: {text}}}")
    assert line.startswith("a.yaml:2: train.batch: the number ")
    assert line.endswith(" is too large or not finite")


def test_set_takes_the_path_of_the_file_and_its_errors_name_the_option():
    assert lines("name: x", "train.bach=5") == [
        "--set train.bach: train: unknown key 'bach'; did you mean 'batch'?"
    ]
    assert lines("name: x", "trian.batch=5") == [
        "--set trian.batch: unknown key 'trian'; did you mean 'train'?"
    ]
    assert lines("name: x", "train.batch=a") == [
        "--set train.batch: train.batch: must be an integer, not 'a'"
    ]


def test_set_changes_values_list_entries_and_whole_sections():
    text = "name: x\nstages: [{kimg: 1}, {kimg: 2}]\ntrain: {precision: fp16}"
    model = decode(
        text, "stages.1.kimg=5", "train.batch=3", "loss={kind: wgan, penalty: 1e1}", "optim.G.betas=[0, 0.5]"
    )
    assert [stage.kimg for stage in model.stages] == [1, 5]
    assert model.train == Train(batch=3, precision="fp16")
    assert model.loss == Wgan(penalty=10)
    assert model.optim.G.betas == (0.0, 0.5)


def test_the_last_of_two_settings_of_a_key_wins():
    assert decode("name: x", "train.batch=3", "train.batch=4").train.batch == 4


def test_set_mends_a_value_of_the_file_that_is_wrong():
    assert decode("name: x\ntrain: {batch: 1e999}", "train.batch=4").train.batch == 4


@pytest.mark.parametrize(
    ("assignment", "why"),
    [
        ("train.batch", "write --set KEY=VALUE"),
        ("=5", "write --set KEY=VALUE"),
        ("train..batch=5", "write --set KEY=VALUE"),
        ("name.x=5", "name is a plain value and has no key 'x' to set"),
        ("stages.2.kimg=5", "stages is a list and has no entry '2'; its entries are 0 to 0"),
        ("stages.-1.kimg=5", "stages is a list and has no entry '-1'"),
        ("name={a", "not valid YAML"),
        ("name=", "must be text, not null"),
    ],
)
def test_a_wrong_set_says_how_to_write_it(assignment: str, why: str):
    (line,) = lines("name: x\nstages: [{kimg: 1}]", assignment)
    assert line.startswith(f"--set {assignment.split('=')[0]}")
    assert why in line


def test_json_is_as_strict_as_yaml():
    assert decode_json('{"name": "x", "train": {"batch": 3}}', Model, source="m") == Model(
        name="x", train=Train(batch=3)
    )
    for text, line in (
        ('{"name": "x", "train": {"bach": 3}}', "m: train: unknown key 'bach'; did you mean 'batch'?"),
        ('{"name": "x", "name": "y"}', "m: 'name' is set twice"),
        ('{"name": "x", "train": {"batch": 3.0}}', "m: train.batch: must be an integer, not 3.0"),
    ):
        with pytest.raises(RecipeError) as caught:
            decode_json(text, Model, source="m")
        assert str(caught.value) == line


@pytest.mark.parametrize("text", ["", "{", '{"a": NaN}', "[" * 100_000, '{"a": 1e999}', "\x00"])
def test_text_that_is_no_json_is_one_line(text: str):
    with pytest.raises(RecipeError, match=r"^m: not valid JSON: .*$"):
        decode_json(text, Model, source="m")


@pytest.mark.parametrize(
    "name",
    [
        "1e-4",
        "no",
        "true",
        "null",
        "~",
        "",
        " x",
        "a: b",
        "# x",
        "*x",
        "1:30",
        "ä 😀",
        "two\nlines",
        "\t",
        "0x1f",
        "x" * 300,
    ],
)
def test_a_written_model_reads_back_equal_whatever_its_text(name: str):
    model = Model(name=name, loss=Wgan(penalty=1e-30), guide=Guide(model=name), classes={"a": 1, "1": 2})
    assert decode(to_yaml(model)) == model
    assert decode_json(to_json(model), Model, source="m") == model


def test_written_yaml_has_every_key_in_the_order_of_the_fields():
    keys = [line.split(":")[0] for line in to_yaml(Model(name="x")).splitlines() if line[0].isalpha()]
    assert keys == list(Model.model_fields)
    assert "betas: [0.0, 0.99]" in to_yaml(Model(name="x"))
