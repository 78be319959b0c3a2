"""Which class implements a model type, and how types without one are refused."""

from types import ModuleType

import pytest
import transformers

from verify.derive.building import classes
from verify.errors import UnavailableError, UnknownArchitectureError, VerifyError
from verify.evidence.meta import silence


@pytest.mark.parametrize(
    ("model_type", "class_name", "kind"),
    [
        ("llama", "LlamaForCausalLM", "causal"),
        ("bert", "BertForMaskedLM", "masked"),
        ("bart", "BartForConditionalGeneration", "seq2seq"),
        ("whisper", "WhisperForConditionalGeneration", "seq2seq"),
        ("llava", "LlavaForConditionalGeneration", "image-text-to-text"),
        ("clip", "CLIPModel", "multimodal"),
        ("vit", "ViTForImageClassification", "vision"),
        ("wav2vec2", "Wav2Vec2ForCTC", "audio"),
        ("aimv2_text_model", "Aimv2TextModel", "base"),  # no table lists this part of a composite model
    ],
)
def test_the_preferred_class_of_a_type(model_type: str, class_name: str, kind: str) -> None:
    target = classes.find(model_type)
    assert (target.model_type, target.model_class.__name__, target.kind) == (model_type, class_name, kind)
    assert issubclass(target.config_class, transformers.PreTrainedConfig)


def test_a_class_by_the_end_of_its_name_or_by_its_kind() -> None:
    assert classes.find("llama", "ForTokenClassification").model_class is transformers.LlamaForTokenClassification
    assert classes.find("bert", "BertLMHeadModel").model_class is transformers.BertLMHeadModel
    assert classes.find("bert", kind="causal").model_class is transformers.BertLMHeadModel


def test_the_language_model_of_a_composite_type_takes_the_text_part_of_its_configuration() -> None:
    assert classes.find("llama4", "Llama4ForCausalLM").config_class is transformers.Llama4TextConfig


def test_the_types_of_a_kind_are_those_that_transformers_lists() -> None:
    names = transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    assert classes.types("causal") == tuple(sorted(names))
    assert set(classes.types("causal")) < set(classes.types(""))


@pytest.mark.parametrize(
    ("model_type", "suffix", "says"),
    [
        ("lama", "", "'lama' is not in transformers"),
        ("llama", "ForMaskedLM", "LlamaForCausalLM, "),
        ("sam_mask_decoder", "", "has no class"),
        ("../llama", "", "is not in transformers"),
    ],
)
def test_a_type_or_class_that_is_not_there(model_type: str, suffix: str, says: str) -> None:
    with pytest.raises(UnknownArchitectureError) as error:
        classes.find(model_type, suffix)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_remote_code_is_named_and_not_run() -> None:
    config = {"model_type": "nanollama", "auto_map": {"AutoConfig": "evil.Config"}}
    with pytest.raises(UnknownArchitectureError, match="never run"):
        classes.find_for(config)


@pytest.mark.parametrize("model_type", [None, 3, ["llama"], {}])
def test_a_config_without_a_type(model_type: object) -> None:
    with pytest.raises(UnknownArchitectureError, match="model_type is"):
        classes.find_for({"model_type": model_type})


def test_a_config_says_which_class() -> None:
    named = {"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}
    assert classes.find_for(named).model_class is transformers.LlamaForSequenceClassification
    assert classes.find_for(named, "ForCausalLM").model_class is transformers.LlamaForCausalLM
    # Neither a class of another type nor one that is no model is taken from a file.
    for other in ("BertModel", "Trainer", "__import__", 7):
        assert classes.find_for(named | {"architectures": [other]}).model_class is transformers.LlamaForCausalLM
    # A type that transformers implements needs no remote code.
    assert classes.find_for(named | {"auto_map": {"AutoConfig": "evil.Config"}}).kind == "base"


def test_a_class_that_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.utils.import_utils import DummyObject

    stand_in = DummyObject("LlamaForCausalLM", (), {"_backends": ["torchaudio", "timm"]})
    module = ModuleType("transformers")
    monkeypatch.setattr(module, "LlamaForCausalLM", stand_in, raising=False)
    with pytest.raises(UnavailableError, match="LlamaForCausalLM needs torchaudio, timm"):
        classes._model_class(module, "llama", "LlamaForCausalLM")


def test_silence_puts_the_verbosity_back() -> None:
    logging = transformers.utils.logging
    before = logging.get_verbosity()
    with pytest.raises(VerifyError), silence():
        raise VerifyError("as it may happen")
    assert logging.get_verbosity() == before
