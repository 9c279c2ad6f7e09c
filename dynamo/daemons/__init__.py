"""Layer 5. What runs when nobody asks: each daemon does one round at a time, at its own pace, through ports only."""
