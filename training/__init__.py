"""Learn from history, measure honestly, learn from analysts, promote or refuse."""
