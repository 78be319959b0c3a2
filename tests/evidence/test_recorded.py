"""Recorded evidence: the records that ship, and what a broken one is told."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.errors import FormatError, NotFoundError
from verify.evidence import recorded
from verify.evidence.base import DeclaredKind, Evidence, Strength

#: The models that the main job must be able to check offline.
PROMISED = (
    "meta-llama/Llama-2-7b-hf",
    "meta-llama/Llama-2-13b-hf",
    "meta-llama/Llama-2-70b-hf",
    "huggyllama/llama-7b",
    "mistralai/Mistral-7B-v0.1",
    "openai-community/gpt2",
    "sentence-transformers/all-MiniLM-L6-v2",
    "Qwen/Qwen3-0.6B",
    "mistralai/Mixtral-8x7B-v0.1",
    "deepseek-ai/DeepSeek-V3",
)

RECORD: Mapping[str, object] = {
    "schema": 1,
    "model": "owner/name",
    "aliases": [],
    "config": {"model_type": "llama"},
    "config_source": "config.json of the repository",
    "revision": "",
    "numbers": [{"kind": "hub_total", "value": 7, "source": "somebody"}],
    "tensors": [{"template": "norm.weight"}, {"template": "layers.{}.weight", "indices": ["0-1"]}],
    "tensors_source": "an index",
}


def parse(changes: Mapping[str, object]) -> Evidence:
    return recorded.parse(json.dumps({**RECORD, **changes}).encode(), file="owner--name.json")


class TestRead:
    """What a record yields, and how it is found."""

    def test_a_record_with_names_is_an_index(self) -> None:
        evidence = recorded.read("meta-llama/Llama-2-7b-hf")
        assert evidence.model == "meta-llama/Llama-2-7b-hf"
        assert evidence.strength is Strength.INDEX
        assert (evidence.source, evidence.where) == ("recorded", "meta-llama--Llama-2-7b-hf.json")
        assert evidence.config["num_hidden_layers"] == 32
        # 32 layers of 9 weights and a rotary buffer, an embedding, a norm and a head.
        assert len(evidence.names) == 32 * (9 + 1) + 3
        assert "model.layers.31.self_attn.rotary_emb.inv_freq" in evidence.names

    def test_a_record_without_names_is_totals(self) -> None:
        evidence = recorded.read("deepseek-ai/DeepSeek-V3")
        assert evidence.strength is Strength.TOTALS
        assert evidence.names == ()
        assert evidence.revision == "e815299b0bcbac849fa540c768ef21845365c9eb"

    def test_names_of_experts_are_all_combinations_of_layer_and_expert(self) -> None:
        names = recorded.read("mistralai/Mixtral-8x7B-v0.1").names
        # 32 layers of 4 attention weights, 2 norms, a router and 8 experts of 3 weights; 3 outside.
        assert len(names) == 32 * (4 + 2 + 1 + 8 * 3) + 3
        assert "model.layers.31.block_sparse_moe.experts.7.w3.weight" in names

    def test_sources_that_disagree_stand_side_by_side(self) -> None:
        declared = recorded.read("sentence-transformers/all-MiniLM-L6-v2").declared
        counts = {number.value for number in declared if number.kind in {DeclaredKind.HUB_TOTAL, DeclaredKind.COUNTED}}
        assert counts == {22_713_216, 22_713_728}

    @pytest.mark.parametrize("name", ["gpt2", "GPT2", "OpenAI-Community/GPT2"])
    def test_aliases_and_case_lead_to_the_same_record(self, name: str) -> None:
        assert recorded.read(name).model == "openai-community/gpt2"

    @pytest.mark.parametrize("name", ["meta-llama/Llama-2-7b", "llama-2-7b-hf", "nothing/like-it", ""])
    def test_an_unknown_model_is_one_line(self, name: str) -> None:
        with pytest.raises(NotFoundError) as caught:
            recorded.read(name)
        assert "\n" not in str(caught.value)

    def test_an_unknown_model_is_told_near_matches(self) -> None:
        with pytest.raises(NotFoundError, match="did you mean meta-llama/Llama-2-7b-hf"):
            recorded.read("meta-llama/Llama-2-7b")


class TestShipped:
    """The records that ship with the package."""

    def test_the_promised_models_are_there(self) -> None:
        assert set(PROMISED) <= set(recorded.known())

    @pytest.mark.parametrize("model", recorded.known())
    def test_every_record_reads_and_names_its_sources(self, model: str) -> None:
        evidence = recorded.read(model)
        assert evidence.model == model
        assert evidence.config["model_type"]
        assert evidence.declared or evidence.names
        assert all(number.source.strip() for number in evidence.declared)
        assert "config from " in evidence.note
        assert ("names from " in evidence.note) == bool(evidence.names)

    def test_no_alias_is_another_record(self) -> None:
        models = {model.lower() for model in recorded.known()}
        assert not models & set(recorded._aliases())


class TestMalformed:
    """A broken record is one line that names the field."""

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            ({"schema": 2}, "schema: 2"),
            ({"model": "other/name"}, "model: 'other/name'"),
            ({"model": None}, "model: None"),
            ({"aliases": "gpt2"}, "aliases: 'gpt2'"),
            ({"aliases": [1]}, r"aliases\[0\]: 1"),
            ({"config": []}, r"config: \[\]"),
            ({"revision": 1}, "revision: 1"),
            ({"numbers": [1]}, r"numbers\[0\]: 1"),
            ({"numbers": [{"kind": "guess", "value": 1, "source": "a"}]}, r"numbers\[0\].kind: 'guess'"),
            ({"numbers": [{"kind": "hub_total", "value": 1.0, "source": "a"}]}, r"numbers\[0\].value: 1.0"),
            ({"numbers": [{"kind": "hub_total", "value": True, "source": "a"}]}, r"numbers\[0\].value: True"),
            ({"numbers": [{"kind": "hub_total", "value": 0, "source": "a"}]}, r"numbers\[0\].value: 0"),
            ({"numbers": [{"kind": "hub_total", "value": 1}]}, r"numbers\[0\].source: None"),
            ({"numbers": [{"kind": "dtype_total", "value": 1, "source": "a"}]}, r"numbers\[0\].dtype: None"),
            ({"numbers": [{"kind": "hub_total", "value": 1, "source": "a", "dtype": "F32"}]}, r"numbers\[0\].dtype"),
            ({"tensors": [{"template": "a.{}.b"}]}, r"tensors\[0\]: 0 indices"),
            ({"tensors": [{"template": "a.{}.b", "indices": ["x"]}]}, r"tensors\[0\].indices\[0\]: 'x'"),
            ({"tensors": [{"template": "a.{}.b", "indices": ["3-1"]}]}, r"tensors\[0\].indices\[0\]: '3-1'"),
            ({"tensors": [{"template": "a.{}.b", "indices": ["1,1"]}]}, r"tensors\[0\].indices\[0\]: '1'"),
            ({"tensors": [{"template": "a.{}.b", "indices": ["-1"]}]}, r"tensors\[0\].indices\[0\]: '-1'"),
            ({"tensors": [{"template": "a.{}.{}", "indices": ["0-99999", "0-99999"]}]}, "more than 1000000 names"),
            ({"tensors": [{"template": "a"}, {"template": "a"}]}, "tensors: 'a' twice"),
        ],
    )
    def test_a_broken_field_is_named(self, changes: Mapping[str, object], path: str) -> None:
        with pytest.raises(FormatError, match=path) as caught:
            parse(changes)
        assert str(caught.value).startswith("owner--name.json: ")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
    def test_what_is_no_record_is_refused(self, data: bytes) -> None:
        with pytest.raises(FormatError, match=r"^owner--name\.json: "):
            recorded.parse(data, file="owner--name.json")


class TestTemplates:
    """Names written as templates and ranges."""

    def test_names_without_indices_stand_for_themselves(self) -> None:
        assert parse({}).names == ("norm.weight", "layers.0.weight", "layers.1.weight")

    def test_several_indices_are_all_combinations(self) -> None:
        entry = {"template": "l.{}.e.{}", "indices": ["0,5-6", "1"]}
        assert parse({"tensors": [entry]}).names == ("l.0.e.1", "l.5.e.1", "l.6.e.1")

    @given(st.lists(st.integers(0, 300), min_size=1, max_size=30, unique=True))
    def test_an_index_list_is_read_as_written(self, indices: list[int]) -> None:
        """Law: any rising list of indices, written one by one, comes back."""
        indices.sort()
        assert recorded._indices(",".join(map(str, indices)), "path") == tuple(indices)
