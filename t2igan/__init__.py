"""t2igan: train, run and judge text-to-image GANs."""

__version__ = "0.1.0"
