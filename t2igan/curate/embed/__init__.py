"""Text embeddings beside shards, so that training runs no text encoder. What reads them is t2igan.data.sidecar."""
