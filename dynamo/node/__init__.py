"""Layer 4. A node's foreground: takes requests, chooses replicas, runs machines, answers peers. IO through ports."""
