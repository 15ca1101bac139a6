"""The commands `data shapes` and `data import`."""

import json

from PIL import Image
from typer.testing import CliRunner

from t2igan.cli.data import app


def invoke(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_shapes_writes_shards_and_prints_json(tmp_path):
    text = invoke("shapes", "--n", 7, "--resolution", 16, "--per-shard", 4, "--out", tmp_path / "a", "--json")
    assert json.loads(text) == {
        "out": str(tmp_path / "a"),
        "samples": 7,
        "shards": 2,
        "bytes": sum(path.stat().st_size for path in (tmp_path / "a").glob("*.tar")),
    }


def test_import_prints_a_table_with_what_was_skipped(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (20, 20)).save(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "a.txt").write_text("a square")
    text = invoke("import", tmp_path / "in", "--out", tmp_path / "out", "--size", 16)
    assert "no caption: 1" in text
    assert (tmp_path / "out" / "00000.tar").is_file()


def test_every_command_has_an_example_in_its_help():
    for command in ("shapes", "import", "download", "fluent-emoji"):
        assert f"t2igan data {command}" in invoke(command, "--help")
