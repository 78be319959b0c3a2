"""Hyper-parameters by any of their names: the letters of the literature, and the spellings in the wild.

`h`, `hidden_size`, `n_embd` and `d_model` are one number, whichever of them a formula writes and a
config.json states. Only what a formula names is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from verify.config import Config
from verify.errors import ConfigError, ExpressionError
from verify.symbols import LETTERS, Size

#: Other spellings of the canonical names. Source: the `attribute_map`s of transformers
#: (`configuration_gpt2.py`, `configuration_t5.py`, `configuration_opt.py`, `configuration_distilbert.py` and
#: others), and the config.json of ChatGLM2 (`padded_vocab_size`, `kv_channels`, `multi_query_group_num`).
SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "hidden_size": ("n_embd", "d_model", "n_embed", "dim"),
        "num_hidden_layers": ("n_layer", "num_layers", "n_layers", "num_transformer_layers"),
        "vocab_size": ("padded_vocab_size", "n_vocab"),
        "intermediate_size": ("n_inner", "d_ff", "ffn_dim", "ffn_hidden_size", "hidden_dim", "d_inner"),
        "num_attention_heads": ("n_head", "num_heads", "n_heads"),
        "num_key_value_heads": ("num_kv_heads", "n_head_kv", "n_kv_heads", "multi_query_group_num"),
        "head_dim": ("d_kv", "kv_channels", "d_head"),
        "max_position_embeddings": ("n_positions", "n_ctx", "max_seq_len"),
        "num_experts": ("num_local_experts", "n_routed_experts", "moe_num_experts"),
        "moe_intermediate_size": (),
    }
)

_CANONICAL: Mapping[str, str] = MappingProxyType(
    {
        **{other: name for name, others in SPELLINGS.items() for other in others},
        **{letter: name for name, letter in LETTERS.items()},
    }
)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The numbers that a formula may name for one config.

    Attributes:
        config: Where they are read; it remembers which were.
        path: Where it stands inside the whole config, such as `text_config.`.
    """

    config: Config
    path: str = ""

    def find(self, name: str) -> Size | None:
        """A hyper-parameter by letter, canonical name, other spelling or key, dotted inside sections.

        Args:
            name: Such as `h`, `n_embd`, `num_nextn_predict_layers` or `text_config.hidden_size`.

        Returns:
            The symbol under its canonical name, or None when config.json neither states nor implies it.

        Raises:
            ConfigError: config.json states it as something impossible.
            ExpressionError: The name is a key that holds no whole number.
        """
        section, _, rest = name.partition(".")
        if rest:
            return self._section(section, rest)
        canonical = _CANONICAL.get(name, name)
        if canonical == "num_key_value_heads" and self._multi_query():
            return self._symbol(canonical, 1, "multi_query")
        if canonical not in SPELLINGS:
            return self._literal(name)
        spellings = (canonical, *SPELLINGS[canonical])
        if any(spelling in self.config for spelling in spellings):
            return self._symbol(canonical, self.config.integer(*spellings))
        return self._implied(canonical)

    def explain_absence(self, name: str) -> tuple[str, str, str]:
        """What to say about a name that `find` does not know: (found, expected, hint)."""
        canonical = _CANONICAL.get(name, name)
        if canonical in SPELLINGS:
            meaning = f"{name} means {canonical}" if name != canonical else canonical
            return f"{meaning}, which config.json does not have", "a name that it has", self._near(name)
        return f"unknown name {name}", "a letter or a key of config.json", self._near(name)

    def _near(self, name: str) -> str:
        """Names like this one, and the letters."""
        stated = [
            canonical
            for canonical, others in SPELLINGS.items()
            if any(spelling in self.config for spelling in (canonical, *others))
        ]
        spelled = [spelling for others in SPELLINGS.values() for spelling in others if spelling in self.config]
        close = get_close_matches(name, dict.fromkeys((*stated, *spelled, *self.config.unread())), n=3, cutoff=0.6)
        letters = ", ".join(f"{LETTERS[canonical]} {canonical}" for canonical in stated if canonical in LETTERS)
        question = f"did you mean {', '.join(close)}? " if close else ""
        return f"{question}letters: {letters or 'none'}"

    def _section(self, section: str, rest: str) -> Size | None:
        if section not in self.config:
            return None
        try:
            inside = self.config.section(section)
        except ConfigError:
            return None
        return Hyperparameters(inside, f"{self.path}{section}.").find(rest)

    def _literal(self, key: str) -> Size | None:
        """A key of config.json under its own name; 0 is a number like any other."""
        if key not in self.config:
            return None
        try:
            return self._symbol(key, self.config.integer(key, minimum=0))
        except ConfigError:
            raise ExpressionError(
                f"{self.path}{key} in config.json is no count",
                expected="a key that holds a whole number of at least 0",
                hint="name another",
            ) from None

    def _implied(self, name: str) -> Size | None:
        """What follows from other keys where it is not stated."""
        if name == "intermediate_size":
            # GPT-2 states n_inner as null and means 4 x n_embd: transformers modeling_gpt2.py, GPT2Block.
            hidden = self.find("hidden_size")
            return hidden and self._symbol(name, 4 * hidden.value, f"4*{self.path}hidden_size")
        if name == "num_key_value_heads":
            heads = self.find("num_attention_heads")
            return heads and self._symbol(name, heads.value, f"{self.path}num_attention_heads")
        # Multi-head latent attention has several head sizes and none of them is hidden // heads.
        if name == "head_dim" and "qk_nope_head_dim" not in self.config:
            return self._head_dim()
        return None

    def _head_dim(self) -> Size | None:
        hidden, heads = self.find("hidden_size"), self.find("num_attention_heads")
        if hidden is None or heads is None:
            return None
        if hidden.value % heads.value:
            raise ExpressionError(
                f"head_dim is not in config.json and hidden_size {hidden.value} is no multiple of "
                f"num_attention_heads {heads.value}",
                expected="head_dim, or heads that divide the hidden size",
                hint="correct config.json",
            )
        definition = f"{self.path}hidden_size // {self.path}num_attention_heads"
        return self._symbol("head_dim", hidden.value // heads.value, definition)

    def _multi_query(self) -> bool:
        """Whether all heads share one key and value head, whatever the config counts.

        Source: transformers `modeling_falcon.py`, `FalconAttention`: `num_kv_heads` counts only under the
        new decoder architecture or without `multi_query`.
        """
        if "multi_query" not in self.config or not self.config.flag("multi_query", default=False):
            return False
        return not self.config.flag("new_decoder_architecture", default=False)

    def _symbol(self, name: str, value: int, definition: str = "") -> Size:
        return Size.symbol(f"{self.path}{name}", value, definition)
