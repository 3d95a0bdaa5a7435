"""What models fitted with PyTorch share: the training loop. Scoring needs NumPy only."""
