"""Beside. Whole nodes in one process, on virtual time and simulated ports, from one seed: faults, workload, verdict."""
