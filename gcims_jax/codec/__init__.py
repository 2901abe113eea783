"""The double autoencoder and its training."""
