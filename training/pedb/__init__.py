"""PED-B, the prequential entity-day budget benchmark: campaigns found by those who read k a day."""
