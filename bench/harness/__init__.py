"""What the workloads of bench/run have in common."""
