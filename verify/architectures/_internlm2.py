"""InternLM2 as `internlm2` has it, and `internlm` where a config of the first days names the new classes."""

from verify.architectures._blocks import (
    decoder_head,
    embedding,
    gated_mlp,
    kv_heads,
    linear,
    norm,
    size,
    whole_heads,
)
from verify.config import Config
from verify.formula import Formula, Layers
from verify.names import NameTable, modules
from verify.symbols import Size

SOURCE = (
    "Cai et al. 2024, arXiv:2403.17297, section 2.2; modeling_internlm2.py of internlm/internlm2-7b and "
    "internlm/internlm2_5-7b-chat"
)
NAMES = NameTable(
    backbone=modules(
        {
            "tok_embeddings": "embedding.tokens",
            "layers.{}.attention.wqkv": "attention.qkv",
            "layers.{}.attention.wo": "attention.o",
            "layers.{}.feed_forward.w1": "mlp.gate",
            "layers.{}.feed_forward.w3": "mlp.up",
            "layers.{}.feed_forward.w2": "mlp.down",
            "layers.{}.attention_norm": "norm.input",
            "layers.{}.ffn_norm": "norm.post_attention",
            "norm": "norm.final",
        }
    ),
    head=modules(
        {"output": "head.lm_head", "score": "head.score", "qa_outputs": "head.qa_outputs", "v_head": "head.reward"}
    ),
    # InternLM2ForQuestionAnswering calls its backbone `transformer`.
    prefixes=("model.", "transformer."),
)


def formula(config: Config) -> Formula:
    """The parameters of an InternLM2.

    Raises:
        ConfigError: A field is missing, impossible, or does not fit the others.
    """
    hidden = size(config, "hidden_size")
    vocab = size(config, "vocab_size")
    layers = Layers.every(size(config, "num_hidden_layers"))
    heads = size(config, "num_attention_heads")
    head_dim = Size.symbol("head_dim", whole_heads(hidden, heads), "hidden_size // num_attention_heads")
    groups = kv_heads(config, heads)
    bias = config.flag("bias", default=True)
    config.set_aside("max_position_embeddings")
    # A model of rewards has one number for an output (InternLM2ForRewardModel).
    reward = config.architecture.endswith("ForRewardModel")
    head_terms, extras = decoder_head(config, vocab, hidden, tied_by_default=False, kind="Model" if reward else "")
    terms = (
        embedding("embedding.tokens", vocab, hidden),
        *linear("attention.qkv", (heads + 2 * groups) * head_dim, hidden, layers, bias=bias),
        *linear("attention.o", hidden, heads * head_dim, layers, bias=bias),
        *gated_mlp(hidden, size(config, "intermediate_size"), layers),
        *norm("input", hidden, layers),
        *norm("post_attention", hidden, layers),
        *norm("final", hidden),
        *head_terms,
        *(linear("head.reward", Size.of(1), hidden) if reward else ()),
    )
    return Formula(name="internlm2", source=SOURCE, terms=terms, extras=extras)
