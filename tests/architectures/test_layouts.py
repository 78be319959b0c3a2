"""Files that lay out a tensor in another way under the same name."""

import json
from pathlib import Path

from hub import shapes

import verify
from verify.evidence import meta
from verify.verification import Verdict

Values = dict[str, object]


def _write(folder: Path, values: Values, *, turned: bool) -> str:
    """A checkpoint with the module's tensors, its experts turned or not."""
    tensors = meta.read(values, model="tiny").tensors
    shapes.write_repository(
        folder,
        json.loads(json.dumps(values)),
        [
            shapes.Stored(
                tensor.name,
                "BF16",
                (tensor.shape[0], *tensor.shape[:0:-1]) if turned and ".experts." in tensor.name else tensor.shape,
            )
            for tensor in tensors
        ],
    )
    return str(folder)


def test_experts_of_a_qwen3_vl_moe_may_be_turned(tiny: dict[str, Values], tmp_path: Path) -> None:
    values = {**tiny["qwen3_vl_moe"], "tie_word_embeddings": False}
    for turned in (False, True):
        model = _write(tmp_path / str(turned), values, turned=turned)
        assert verify.check(model, evidence="header").verdict is Verdict.EXACT


def test_other_families_are_held_to_one_layout(tiny: dict[str, Values], tmp_path: Path) -> None:
    values = {**tiny["qwen3_moe"], "tie_word_embeddings": False}
    assert verify.check(_write(tmp_path / "right", values, turned=False), evidence="header").verdict is Verdict.EXACT
    turned = verify.check(_write(tmp_path / "turned", values, turned=True), evidence="header")
    assert turned.verdict is Verdict.UNEXPLAINED
