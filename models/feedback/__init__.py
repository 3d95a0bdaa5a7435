"""What analysts said, and what follows from it for what is shown: exemptions and verdicts."""
