"""Module names that many families share, for `verify.names.modules`.

Each is a table from a module's name inside the bare model to its slot. Families join them:
`modules({**EMBEDDING, **ATTENTION, **GATED_MLP, **NORMS})`.
"""

EMBEDDING = {"embed_tokens": "embedding.tokens"}

ATTENTION = {
    "layers.{}.self_attn.q_proj": "attention.q",
    "layers.{}.self_attn.k_proj": "attention.k",
    "layers.{}.self_attn.v_proj": "attention.v",
    "layers.{}.self_attn.o_proj": "attention.o",
}

#: Norms of the queries and keys of each head.
QK_NORMS = {"layers.{}.self_attn.q_norm": "norm.q", "layers.{}.self_attn.k_norm": "norm.k"}

GATED_MLP = {
    "layers.{}.mlp.gate_proj": "mlp.gate",
    "layers.{}.mlp.up_proj": "mlp.up",
    "layers.{}.mlp.down_proj": "mlp.down",
}

#: Gate and up in one matrix, one after the other.
FUSED_GATED_MLP = {"layers.{}.mlp.gate_up_proj": "mlp.gate_up", "layers.{}.mlp.down_proj": "mlp.down"}

#: A norm before attention, one before the feed-forward layer, one at the end.
NORMS = {
    "layers.{}.input_layernorm": "norm.input",
    "layers.{}.post_attention_layernorm": "norm.post_attention",
    "norm": "norm.final",
}

#: Norms on both sides of the feed-forward layer.
FEEDFORWARD_NORMS = {
    "layers.{}.pre_feedforward_layernorm": "norm.pre_feedforward",
    "layers.{}.post_feedforward_layernorm": "norm.post_feedforward",
}

#: A decoder as Llama names it.
LLAMA = {**EMBEDDING, **ATTENTION, **GATED_MLP, **NORMS}
