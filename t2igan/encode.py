"""pydantic models -> YAML or JSON text that decodes back to an equal model. Torch-free; writes no files."""

from __future__ import annotations

import re
from typing import Any

import yaml
from pydantic import BaseModel

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")  # never a number; PyYAML itself quotes true, no, null


class _Dumper(yaml.SafeDumper):
    """Block style, short lists on one line, and quotes around any text that a YAML reader might take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, value: str) -> yaml.Node:
    is_plain = _PLAIN.fullmatch(value)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if is_plain else '"')


def _represent_list(dumper: _Dumper, value: list[Any]) -> yaml.Node:
    is_short = not any(isinstance(item, dict | list) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=is_short)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(list, _represent_list)


def to_yaml(model: BaseModel) -> str:
    """Every key of a model, defaults included, in the order of its fields."""
    data = model.model_dump(mode="json")
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def to_json(model: BaseModel) -> str:
    """Every key of a model on one line, in the order of its fields: for headers and result files."""
    return model.model_dump_json()
