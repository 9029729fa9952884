"""How the product runs: its threads, its servers, and what `make run` does."""
