"""Events as they come in, events as we know them, and what is normal for whom."""
