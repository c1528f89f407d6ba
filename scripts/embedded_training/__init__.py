"""The parts of `scripts/train_embedded.py`: curriculum, scenes, network, losses, evaluation, pictures."""
