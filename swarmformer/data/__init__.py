"""Tasks, tokenizers, the cache of encoded examples, and batches."""
