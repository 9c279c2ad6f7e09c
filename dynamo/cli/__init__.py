"""Layer 7. The `dynamo` command: one file a verb, each loaded when it is asked for."""
