"""The servers that `benchmarks.serving` measures beside ours, as their users would write them."""
