"""Beside. The load generator: the stream of operations, truth about reads, worker processes, faults, one run."""
