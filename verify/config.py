"""A config.json that remembers which of its keys were read.

Formulas ask a `Config` for hyper-parameters. What nobody asked for is reported as unread, because a
key that changes shapes and is not read makes a formula silently wrong.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from verify.errors import ConfigError

T = TypeVar("T")

_REQUIRED: Final = object()
# No axis of a tensor is longer, and ratios of anything longer leave the floats.
_LARGEST: Final = 2**63 - 1

#: Keys that never change the shape of a parameter, so that leaving them unread is no news.
NOT_SHAPES: Final = frozenset(
    """
    _name_or_path _attn_implementation attn_implementation architectures model_type auto_map
    tokenizer_class
    transformers_version torch_dtype dtype bos_token_id eos_token_id pad_token_id sep_token_id
    cls_token_id unk_token_id mask_token_id decoder_start_token_id use_cache use_return_dict
    return_dict output_attentions output_hidden_states output_router_logits torchscript use_bfloat16
    task_specific_params initializer_range initializer_factor initializer_cutoff_factor rms_norm_eps
    layer_norm_eps layer_norm_epsilon norm_eps norm_epsilon hidden_act hidden_activation activation
    activation_function attention_dropout attention_probs_dropout_prob hidden_dropout_prob
    hidden_dropout classifier_dropout dropout attn_pdrop embd_pdrop resid_pdrop resid_dropout
    embd_dropout classifier_dropout_prob dropout_rate gradient_checkpointing rope_theta rope_scaling
    rope_parameters rope_interleave rope_local_base_freq partial_rotary_factor rotary_pct rotary_emb_base
    pretraining_tp max_sequence_length max_length temperature top_k top_p do_sample repetition_penalty
    norm_topk_prob routed_scaling_factor router_aux_loss_coef router_z_loss_coef scoring_func topk_group
    topk_method n_group seq_aux aux_loss_alpha num_experts_per_tok ep_size sliding_window
    max_window_layers use_sliding_window attn_logit_softcapping final_logit_softcapping
    query_pre_attn_scalar summary_activation summary_first_dropout summary_proj_to_labels summary_type
    summary_use_proj scale_attn_weights scale_attn_by_inverse_layer_idx reorder_and_upcast_attn
    router_jitter_noise chunk_size_feed_forward
    attention_multiplier embedding_multiplier logits_scaling residual_multiplier tokenizer_type cache_implementation
    label2id id2label problem_type finetuning_task is_encoder_decoder is_decoder prefix language
    bad_words_ids begin_suppress_tokens diversity_penalty early_stopping encoder_no_repeat_ngram_size
    exponential_decay_length_penalty forced_bos_token_id forced_decoder_ids forced_eos_token_id length_penalty
    min_length no_repeat_ngram_size num_beam_groups num_beams num_return_sequences output_scores
    remove_invalid_values return_dict_in_generate suppress_tokens typical_p _num_labels output_past
    _commit_hash _attn_implementation_autoset _flash_attn_2_enabled unsloth_version unsloth_fixed
    neftune_noise_alpha transformers.js_config phyagi_version eos_token_ids name
    """.split()  # noqa: SIM905 - a list literal would take a line for each name
)


class Config:
    """A config.json, or one section of it, with typed access that records what was read."""

    def __init__(self, values: Mapping[str, object], *, path: str = "") -> None:
        """Wrap the parsed JSON object.

        Args:
            values: The object, with string keys.
            path: Where it stands inside the whole config, such as `text_config.`.
        """
        self._values = values
        self._path = path
        self._read: set[str] = set()
        self._sections: dict[str, Config] = {}

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def integer(self, *names: str, default: int | None = None, minimum: int = 1) -> int:
        """Read a whole number.

        Args:
            names: The key, then other spellings of it in the wild; the first that is set counts.
            default: Used when none of them is set; without it the key is required.
            minimum: The smallest value that makes sense.

        Raises:
            ConfigError: The key is missing, not a whole number, too small, or two spellings disagree.
        """
        name, value = self._first(names, _REQUIRED if default is None else default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"{self._path}{name} is {value!r}", expected="a whole number", hint="correct config.json")
        if value < minimum:
            raise ConfigError(
                f"{self._path}{name} is {value}", expected=f"at least {minimum}", hint="correct config.json"
            )
        if value > _LARGEST:
            raise ConfigError(
                f"{self._path}{name} has {value.bit_length()} bits",
                expected="at most 2^63 - 1",
                hint="correct config.json",
            )
        return value

    def flag(self, *names: str, default: bool) -> bool:
        """Read a boolean; `default` when the key is missing or null.

        Raises:
            ConfigError: The value is not a boolean.
        """
        name, value = self._first(names, default)
        if not isinstance(value, bool):
            raise ConfigError(f"{self._path}{name} is {value!r}", expected="true or false", hint="correct config.json")
        return value

    def text(self, *names: str, default: str | None = None) -> str:
        """Read a string.

        Raises:
            ConfigError: The key is missing without a default, or not a string.
        """
        name, value = self._first(names, _REQUIRED if default is None else default)
        if not isinstance(value, str):
            raise ConfigError(f"{self._path}{name} is {value!r}", expected="a string", hint="correct config.json")
        return value

    def number(self, *names: str, default: float | None = None) -> float:
        """Read a number that need not be whole, such as an expansion factor.

        Raises:
            ConfigError: The key is missing without a default, or not a number.
        """
        name, value = self._first(names, _REQUIRED if default is None else default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{self._path}{name} is {value!r}", expected="a number", hint="correct config.json")
        return value

    def items(self, *names: str, default: tuple[object, ...] | None = None) -> tuple[object, ...]:
        """Read a list.

        Raises:
            ConfigError: The key is missing without a default, or not a list.
        """
        name, value = self._first(names, _REQUIRED if default is None else default)
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{self._path}{name} is {value!r}", expected="a list", hint="correct config.json")
        return tuple(value)

    def length(self, name: str) -> int:
        """Read how many entries an object has, such as `id2label`, whatever they are.

        Raises:
            ConfigError: The key is missing or not an object.
        """
        _, value = self._first((name,), _REQUIRED)
        if not isinstance(value, Mapping):
            raise ConfigError(f"{self._path}{name} is {value!r}", expected="an object", hint="correct config.json")
        return len(value)

    def section(self, name: str) -> "Config":
        """Read a nested object, such as `text_config`, as a config of its own.

        Raises:
            ConfigError: The key is missing or not an object.
        """
        if name not in self._sections:
            _, value = self._first((name,), _REQUIRED)
            if not isinstance(value, Mapping):
                raise ConfigError(f"{self._path}{name} is {value!r}", expected="an object", hint="correct config.json")
            self._sections[name] = Config(value, path=f"{self._path}{name}.")
        return self._sections[name]

    def states(self, key: str) -> bool:
        """Whether the key is there, be it null: where a class has a default, null and missing differ."""
        return key in self._values

    def was_read(self, key: str) -> bool:
        """Whether somebody asked for the key, or set it aside."""
        return key in self._read

    def set_aside(self, *names: str) -> None:
        """Count keys as read that give no tensor of this family a shape, whatever they do in another."""
        self._read.update(names)

    @property
    def prefix(self) -> str:
        """What tells its hyper-parameters from those of the text model: `vision_` inside `vision_config`."""
        return self._path.removeprefix("text_config.").replace("_config.", "_")

    @property
    def architecture(self) -> str:
        """The class named first in `architectures`, or "" where none is."""
        classes = self.items("architectures", default=())
        return str(classes[0]) if classes else ""

    def unread(self) -> tuple[str, ...]:
        """Keys that nobody read and that are not known to leave shapes alone, sorted."""
        return tuple(sorted(self._unread()))

    def _unread(self) -> Iterator[str]:
        for key, value in self._values.items():
            if key in self._read:
                if key in self._sections:
                    yield from self._sections[key].unread()
            # `pruned_heads: {}` says nothing.
            elif key not in NOT_SHAPES and value is not None and value != {}:
                yield f"{self._path}{key}"

    def _first(self, names: tuple[str, ...], default: object) -> tuple[str, object]:
        """The first spelling that is set, with its value; all of them count as read."""
        self._read.update(names)
        present = [(name, self._values[name]) for name in names if self._values.get(name) is not None]
        if not present:
            if default is _REQUIRED:
                raise ConfigError(
                    f"{self._path}{names[0]} is missing",
                    expected="it in config.json",
                    hint="add it or name another file",
                )
            return names[0], default
        for name, value in present[1:]:
            if value != present[0][1]:
                raise ConfigError(
                    f"{self._path}{present[0][0]} is {present[0][1]!r} and {self._path}{name} is {value!r}",
                    expected="one value",
                    hint="correct config.json",
                )
        return present[0]
