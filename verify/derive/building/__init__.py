"""Classes of transformers, their configurations, and what they build on the meta device."""
